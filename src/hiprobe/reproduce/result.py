"""What an experiment returns, and what is written of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.report.theme import Draw


@dataclass(frozen=True)
class PaperNumber:
    """A published number: `column` names data set and metric, `value` is a fraction."""

    column: str
    value: float


@dataclass(frozen=True)
class Row:
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
    draw: Draw = field(compare=False)
    inches: tuple[float, float] = field(default=(10.0, 4.0), compare=False)


@dataclass(frozen=True)
class Findings:
    """What an experiment returns: rows, pictures, and sentences that belong beside them.

    Attributes:
        data: name of a data set to what it is, where the experiment reads it in a way of its own
            and not as labelled clips.
    """

    rows: tuple[Row, ...]
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

    def to_json(self) -> dict[str, Any]:
        """JSON values; what is not defined is None."""
        from hiprobe.reproduce.document import result_document

        return result_document(self)
