"""Results as Markdown: tables, one page, and the files of one experiment."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import read_json
from hiprobe.documents.schemas import ExperimentDocument
from hiprobe.errors import StorageError, UsageError
from hiprobe.names import utf8_text
from hiprobe.report.theme import save_figure
from hiprobe.reproduce.experiment_result import (
    FORMAT,
    VERSION,
    ExperimentResult,
    Figure,
    Findings,
    ResultRow,
    result_document,
    row_of,
)
from hiprobe.reproduce.request import EXPERIMENTS
from hiprobe.store.atomic import atomic_path
from hiprobe.store.text_files import inside, json_text, write_table, write_text

PAPER_NOTE = (
    "The paper's numbers are of its own backbone on its own data sets, named in the column's "
    "head; ours are of the data named above each table. Blank: the paper gives none."
)


def result_markdown(result: ExperimentResult, *, level: int = 1, figures: str = "") -> str:
    """The whole result as Markdown.

    Args:
        level: of the heading.
        figures: folder of the pictures, relative to the page, with a final slash.
    """
    findings = result.findings
    lines = [f"{'#' * level} {result.name}: {result.title}", ""]
    for data, words in result.data.items():
        lines.append(f"- {data}: {words}")
    lines += [f"- backbone: {result.backbone}", f"- machine: {result.machine}"]
    took = f"{result.seconds:.0f} s" if result.seconds < 120 else f"{result.seconds / 60:.0f} min"
    lines += [f"- command: `{result.command}` ({took}, {result.date})", ""]
    lines += tables(findings.rows)
    if any(row.paper for row in findings.rows):
        lines += [PAPER_NOTE, ""]
    for note in findings.notes:
        lines += [f"- {note}"]
    lines += [""] if findings.notes else []
    for figure in findings.figures:
        path = f"{figures}{figure.name}"
        alt = figure.name.replace("-", " ")
        # the page shows the PNG; a click opens the drawing that can be enlarged
        lines += [f"[![{alt}]({path}.png)]({path}.svg)", "", figure.caption, ""]
    return "\n".join(lines).rstrip() + "\n"


def tables(rows: Sequence[ResultRow]) -> list[str]:
    """Rows that share section, data and protocol as one table, in the order of the rows."""
    lines: list[str] = []
    section = ""
    for key, group in groupby(rows, key=lambda r: (r.section, r.data, r.protocol, r.seeds)):
        if key[0] != section:
            section = key[0]
            lines += [f"**{section}**", ""] if section else []
        own = list(group)
        lines += [_about(own[0]), "", *_table(own), ""]
    return lines


def _about(row: ResultRow) -> str:
    first, last = row.seeds[0], row.seeds[-1]
    if len(row.seeds) == 1:
        seeds = f"seed {first}"
    elif list(row.seeds) == list(range(first, last + 1)):
        seeds = f"seeds {first} to {last}"
    else:
        seeds = f"seeds {', '.join(map(str, row.seeds))}"
    return f"{'; '.join(p for p in (row.data, row.protocol, seeds) if p)}:"


def _table(rows: Sequence[ResultRow]) -> list[str]:
    metrics = list(dict.fromkeys(r.metric for r in rows))
    columns = list(dict.fromkeys(p.column for r in rows for p in r.paper))
    timed = any(r.seconds >= 0.05 for r in rows)
    head = ["setting", *(f"paper: {c}" for c in columns), *metrics, *(["time, s"] if timed else [])]
    lines = [_line(head), _line(["---"] * len(head))]
    for setting in dict.fromkeys(r.setting for r in rows):
        own = {r.metric: r for r in rows if r.setting == setting}
        paper = {p.column: p.value for r in own.values() for p in r.paper}
        cells = [setting, *(f"{paper[c]:.4f}" if c in paper else "" for c in columns)]
        # blank, where a metric was not taken; "-" is one that has no value
        cells += [cell(own[m]) if m in own else "" for m in metrics]
        cells += [f"{sum(r.seconds for r in own.values()):.1f}"] if timed else []
        lines.append(_line(cells))
    return lines


def cell(row: ResultRow) -> str:
    """Value, interval in brackets, and the range over seeds where there are several."""
    if not row.defined:
        return "-"
    show = "{:.4g}".format if row.count else number
    text = show(row.ours)
    if row.low is not None and row.high is not None:
        text += f" [{show(row.low)}, {show(row.high)}]"
    known = [v for v in row.by_seed if not math.isnan(v)]
    # one value, or the same for all, has no range worth its ink
    if len(known) > 1 and min(known) != max(known):
        text += f"; seeds {show(min(known))} to {show(max(known))}"
    return text


def number(value: float) -> str:
    """Three decimals below 10, fewer above; zero never has a minus."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    # -0.0004 would be shown as -0.000.
    return text.removeprefix("-") if not float(text) else text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


JSON_NAME, CSV_NAME, MARKDOWN_NAME = "result.json", "table.csv", "table.md"


def write_result(result: ExperimentResult, folder: Path) -> None:
    """Write everything; the JSON comes last, so a folder that has it is whole.

    Raises:
        StorageError: it cannot be written.
    """
    for figure in result.findings.figures:
        for kind in ("png", "svg"):
            save_figure(figure.draw, folder / f"{figure.name}.{kind}", inches=figure.inches)
    columns = sorted({p.column for row in result.findings.rows for p in row.paper})
    head = ["section", "data", "setting", "metric", "ours", "low", "high", "by_seed"]
    head += [*(f"paper: {c}" for c in columns), "protocol", "seeds", "seconds"]
    write_table(folder / CSV_NAME, head, (_cells(row, columns) for row in result.findings.rows))
    write_text(folder / MARKDOWN_NAME, result_markdown(result))
    write_text(folder / JSON_NAME, json_text(result_document(result), indent=1) + "\n")


def _cells(row: ResultRow, columns: list[str]) -> list[str]:
    paper = {p.column: f"{p.value:.4f}" for p in row.paper}
    return [
        row.section,
        row.data,
        row.setting,
        row.metric,
        _number(row.ours),
        _number(row.low),
        _number(row.high),
        " ".join(_number(v) for v in row.by_seed),
        *(paper.get(c, "") for c in columns),
        row.protocol,
        " ".join(map(str, row.seeds)),
        f"{row.seconds:.1f}",
    ]


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"


FIGURES = "figures/results"

HEAD = """# Results

<!-- Written by `hiprobe reproduce ... --docs`; run the commands below to write it again. -->

Every table says what it was fitted and tested on, over what its intervals are, and which command
gives it. Numbers are fractions. Brackets hold 95 % intervals; "seeds" is the range of the values
of single seeds. Layer, mode and threshold are chosen inside each training fold; what was chosen
on the test data is called an oracle. Joined videos are made of short real clips: they have cuts,
and a cut is itself a change. Negative results stay in.
"""


def write_page(folders: Sequence[Path], page: Path) -> tuple[str, ...]:
    """Join all results in some folders; returns what was joined.

    Args:
        folders: each holds one folder for each experiment, as `hiprobe reproduce` leaves them.
        page: Markdown file; pictures go to `figures/results` in its folder.

    Raises:
        UsageError: no folder holds a result, or one was written by another version.
        StorageError: the page cannot be written.
    """
    found = [(root, path) for root in folders for path in _results(root)]
    if not found:
        raise UsageError(f"no results in {', '.join(map(str, folders))}; run an experiment first")
    pieces = [HEAD]
    for root, folder in found:
        result = read_result(folder)
        # a folder for each run: two of them may hold the same experiment on other data
        target = f"{FIGURES}/{root.name}"
        figures = []
        for figure in result.findings.figures:
            name = f"{result.name}-{figure.name}"  # all results share one folder of pictures
            for kind in ("png", "svg"):
                picture = inside(folder, f"{figure.name}.{kind}")
                _copy(picture, inside(page.parent / target, f"{name}.{kind}"))
            figures.append(replace(figure, name=name))
        shown = replace(result, findings=replace(result.findings, figures=tuple(figures)))
        pieces.append(result_markdown(shown, level=2, figures=f"{target}/"))
    with atomic_path(page) as temporary:
        temporary.write_text(utf8_text("\n".join(pieces)), encoding="utf-8")
    return tuple(f"{root.name}/{folder.name}" for root, folder in found)


def read_result(folder: Path) -> ExperimentResult:
    """Read what `write_result` wrote; its figures are the files in the same folder.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    path = folder / JSON_NAME
    try:
        document: dict[str, Any] = read_json(path, ExperimentDocument, names=True)
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {document['format']}, version {document['version']}")
        figures = tuple(Figure(f["name"], f["caption"], _drawn) for f in document["figures"])
        rows = tuple(row_of(r) for r in document["rows"])
        return ExperimentResult(
            name=document["experiment"],
            title=document["title"],
            findings=Findings(rows, figures, tuple(document["notes"])),
            command=document["command"],
            machine=document["machine"],
            backbone=document["backbone"],
            data=document["data"],
            seconds=float(document["seconds"]),
            date=document["date"],
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UsageError(f"{path} is no result of this version ({error}); run it again") from error


def _results(root: Path) -> list[Path]:
    """Folders of finished experiments, in the order of the registry."""
    order = {e.name: number for number, e in enumerate(EXPERIMENTS)}
    found = [path.parent for path in root.glob(f"*/{JSON_NAME}")]
    return sorted(found, key=lambda p: (order.get(p.name, len(order)), p.name))


def _copy(picture: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            shutil.copyfile(picture, temporary)
    except OSError as error:
        raise StorageError(f"cannot copy {picture}: {error}; run it again") from error


def _drawn(figure: Any, theme: Any) -> None:
    """Takes the place of a drawing that is only a file by now."""
    raise UsageError("this figure was read back; its picture lies in the folder of the result")
