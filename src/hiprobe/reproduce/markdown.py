"""A result as Markdown: one table for each section, data set and protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from hiprobe.reproduce.result import ExperimentResult, Figure, Row

PAPER_NOTE = (
    "The paper's numbers are of its own backbone on its own data sets, named in the column's "
    "head; ours are of the data named above each table. Blank: the paper gives none."
)


def result_markdown(result: ExperimentResult, *, level: int = 1, figures: str = "") -> str:
    """The whole result.

    Args:
        level: of the heading.
        figures: folder of the pictures, relative to the page, with a final slash.
    """
    findings = result.findings
    lines = [f"{'#' * level} {result.name}: {result.title}", ""]
    for data, words in result.data.items():
        lines.append(f"- {data}: {words}")
    lines += [f"- backbone: {result.backbone}", f"- machine: {result.machine}"]
    lines += [f"- command: `{result.command}` ({_minutes(result.seconds)}, {result.date})", ""]
    lines += tables(findings.rows)
    if any(row.paper for row in findings.rows):
        lines += [PAPER_NOTE, ""]
    for note in findings.notes:
        lines += [f"- {note}"]
    lines += [""] if findings.notes else []
    for figure in findings.figures:
        lines += picture(figure, figures)
    return "\n".join(lines).rstrip() + "\n"


def picture(figure: Figure, folder: str) -> list[str]:
    """A picture and its caption; a click opens the drawing that can be enlarged."""
    path = f"{folder}{figure.name}"
    alt = figure.name.replace("-", " ")
    return [f"[![{alt}]({path}.png)]({path}.svg)", "", figure.caption, ""]


def tables(rows: Sequence[Row]) -> list[str]:
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


def _about(row: Row) -> str:
    seeds = f"seed {row.seeds[0]}" if len(row.seeds) == 1 else _seed_words(row.seeds)
    return f"{row.data}; {row.protocol}; {seeds}:" if row.protocol else f"{row.data}; {seeds}:"


def _seed_words(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"seeds {seeds[0]} to {seeds[-1]}" if whole else f"seeds {', '.join(map(str, seeds))}"


def _table(rows: Sequence[Row]) -> list[str]:
    metrics = list(dict.fromkeys(r.metric for r in rows))
    columns = list(dict.fromkeys(p.column for r in rows for p in r.paper))
    timed = any(r.seconds >= 0.05 for r in rows)
    head = ["setting", *(f"paper: {c}" for c in columns), *metrics, *(["time, s"] if timed else [])]
    lines = [_line(head), _line(["---"] * len(head))]
    for setting in dict.fromkeys(r.setting for r in rows):
        own = {r.metric: r for r in rows if r.setting == setting}
        paper = {p.column: p.value for r in own.values() for p in r.paper}
        cells = [setting, *(_published(paper, c) for c in columns)]
        cells += [cell(own[m]) if m in own else "" for m in metrics]
        cells += [f"{sum(r.seconds for r in own.values()):.1f}"] if timed else []
        lines.append(_line(cells))
    return lines


def _published(paper: Mapping[str, float], column: str) -> str:
    return f"{paper[column]:.4f}" if column in paper else ""


def cell(row: Row) -> str:
    """Value, interval in brackets, and the range over seeds where there are several."""
    if not row.defined:
        return "-"
    show = _counted if row.count else number
    text = show(row.ours)
    if row.low is not None and row.high is not None:
        text += f" [{show(row.low)}, {show(row.high)}]"
    known = [v for v in row.by_seed if not math.isnan(v)]
    if len(known) > 1 and min(known) != max(known):
        text += f"; seeds {show(min(known))} to {show(max(known))}"
    return text


def number(value: float) -> str:
    """Three decimals below 10, fewer above; never a minus before nothing."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text.removeprefix("-") if not float(text) else text


def _counted(value: float) -> str:
    return f"{value:.4g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
