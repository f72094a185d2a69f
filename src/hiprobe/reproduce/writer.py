"""A result as a folder: `table.md`, `table.csv`, `result.json`, figures as PNG and SVG."""

from __future__ import annotations

import math
from pathlib import Path

from hiprobe.report.theme import save_figure
from hiprobe.reproduce.document import result_document
from hiprobe.reproduce.markdown import result_markdown
from hiprobe.reproduce.result import ExperimentResult, Row
from hiprobe.store.text_files import json_text, write_table, write_text

JSON_NAME, CSV_NAME, MARKDOWN_NAME = "result.json", "table.csv", "table.md"


def write_result(result: ExperimentResult, folder: Path) -> None:
    """Write everything; the JSON comes last, so a folder that has it is whole.

    Raises:
        StorageError: it cannot be written.
    """
    for figure in result.findings.figures:
        for kind in ("png", "svg"):
            save_figure(figure.draw, folder / f"{figure.name}.{kind}", inches=figure.inches)
    _write_csv(result, folder / CSV_NAME)
    write_text(folder / MARKDOWN_NAME, result_markdown(result))
    write_text(folder / JSON_NAME, json_text(result_document(result), indent=1) + "\n")


def _write_csv(result: ExperimentResult, path: Path) -> None:
    columns = sorted({p.column for row in result.findings.rows for p in row.paper})
    head = ["section", "data", "setting", "metric", "ours", "low", "high", "by_seed"]
    tail = ["protocol", "seeds", "seconds"]
    rows = (_cells(row, columns) for row in result.findings.rows)
    write_table(path, [*head, *(f"paper: {c}" for c in columns), *tail], rows)


def _cells(row: Row, columns: list[str]) -> list[str]:
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
