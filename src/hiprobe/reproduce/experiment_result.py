"""What an experiment found: its rows, figures and facts, and the document that keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.report.theme import Draw


@dataclass(frozen=True)
class PaperNumber:
    """A published number: `column` names data set and metric, `value` is a fraction."""

    column: str
    value: float


@dataclass(frozen=True)
class ResultRow:
    """One number of a table.

    Rows of one `section`, `data` and `protocol` stand in one table: a line for each `setting`, a
    column for each `metric`.

    Attributes:
        setting: what was varied, such as "last layer".
        metric: what was measured, such as "clip AUC".
        ours: the value, as a rule the mean over seeds; NaN where it is not defined.
        low, high: 95 % interval; None where there is none. `protocol` says over what.
        by_seed: the value of each seed, in the order of `seeds`; empty where there is one only.
        paper: the paper's numbers for this setting; empty where it gives none.
        protocol: in one line: what was fitted, what was tested, over what the interval is.
        seeds: of the folds and draws.
        seconds: time this row took, extraction left out; 0 where it came with another row.
        section: heading of the table that this row belongs to.
        count: the value is a number of things or of a layer, not a fraction.
    """

    data: str
    setting: str
    metric: str
    ours: float
    low: float | None = None
    high: float | None = None
    by_seed: tuple[float, ...] = ()
    paper: tuple[PaperNumber, ...] = ()
    protocol: str = ""
    seeds: tuple[int, ...] = (0,)
    seconds: float = 0.0
    section: str = ""
    count: bool = False

    def __post_init__(self) -> None:
        if not (self.data and self.setting and self.metric):
            raise UsageError(f"a row needs data, setting and metric; this one has {self}")
        # A row is checked when it is made: the experiment that made it can still be named, the page
        # cannot.
        if (self.low is None) != (self.high is None):
            raise UsageError(f"{self.setting}: an interval needs both ends")
        if self.by_seed and len(self.by_seed) != len(self.seeds):
            raise UsageError(
                f"{self.setting}: {len(self.by_seed)} values for {len(self.seeds)} seeds"
            )

    @property
    def defined(self) -> bool:
        """False where the metric has no value."""
        return not math.isnan(self.ours)


@dataclass(frozen=True)
class Figure:
    """A picture, written as PNG and SVG.

    Attributes:
        name: of the files, without suffix.
        caption: what it shows and what differs from the paper's figure, in sentences.
        draw: draws on an empty matplotlib figure.
        inches: width and height.
    """

    name: str
    caption: str
    # a figure that was read back has no drawing any more, and is the same figure
    draw: Draw = field(compare=False)
    inches: tuple[float, float] = field(default=(10.0, 4.0), compare=False)


@dataclass(frozen=True)
class Findings:
    """What an experiment returns: rows, pictures, and sentences about them.

    Attributes:
        data: name of a data set to what it is, where the experiment reads it in a way of its own
            and not as labelled clips.
    """

    rows: tuple[ResultRow, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentResult:
    """Findings with everything needed to run them again.

    Attributes:
        command: the command that gives this result.
        machine: processor, cores, versions.
        backbone: the model and its fingerprint.
        data: name of each data set to what it is: clips, sources, what could not be read.
        seconds: of the whole experiment.
    """

    name: str
    title: str
    findings: Findings
    command: str
    machine: str
    backbone: str
    data: Mapping[str, str]
    seconds: float
    date: str


@cache
def packaged(name: str) -> dict[str, Any]:
    """A JSON file of numbers that is part of this package."""
    text = files("hiprobe.reproduce").joinpath(name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def facts() -> dict[str, Any]:
    """What the paper says in numbers."""
    return packaged("facts.json")


def paper_numbers(setting: str) -> tuple[PaperNumber, ...]:
    """What the paper gives for a setting, as fractions; nothing where it gives none.

    Raises:
        UsageError: the setting is not in the file, so that a misspelt one is not taken for a blank.
    """
    known = facts()["numbers"]
    # an empty result would look like a blank in the paper's table
    if setting not in known:
        raise UsageError(f"no setting {setting!r} in the paper's facts; there are {sorted(known)}")
    columns = facts()["columns"]
    # The file has percent as printed; a quotient of floats may end in stray digits.
    return tuple(PaperNumber(columns[k], round(v / 100, 6)) for k, v in known[setting].items())


FORMAT = "hiprobe-experiment"
VERSION = 1


def result_document(result: ExperimentResult) -> dict[str, Any]:
    """A result as JSON values, None for what is not defined; drawings are files of their own."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "experiment": result.name,
        "title": result.title,
        "command": result.command,
        "machine": result.machine,
        "backbone": result.backbone,
        "data": dict(result.data),
        "seconds": result.seconds,
        "date": result.date,
        "notes": list(result.findings.notes),
        "figures": [{"name": f.name, "caption": f.caption} for f in result.findings.figures],
        "rows": [
            {
                **asdict(row),
                # JSON has no NaN, and None tells a value that is not defined from one that is 0
                "ours": row.ours if math.isfinite(row.ours) else None,
                "by_seed": [v if math.isfinite(v) else None for v in row.by_seed],
            }
            for row in result.findings.rows
        ],
    }


def row_of(document: Mapping[str, Any]) -> ResultRow:
    """A row that `result_document` wrote.

    Raises:
        KeyError, TypeError: it was written by something else.
    """
    known = dict(document)
    known["ours"] = math.nan if known["ours"] is None else known["ours"]
    known["by_seed"] = tuple(math.nan if v is None else v for v in known["by_seed"])
    known["seeds"] = tuple(known["seeds"])
    known["paper"] = tuple(PaperNumber(**p) for p in known["paper"])
    return ResultRow(**known)
