"""A result as JSON values, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hiprobe.reproduce.result import ExperimentResult, PaperNumber, Row

FORMAT = "hiprobe-experiment"
VERSION = 1


def result_document(result: ExperimentResult) -> dict[str, Any]:
    """Everything but the drawings, which are files of their own."""
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
        "rows": [_row_document(row) for row in result.findings.rows],
    }


def _row_document(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    plain["ours"] = row.ours if math.isfinite(row.ours) else None
    plain["by_seed"] = [v if math.isfinite(v) else None for v in row.by_seed]
    return plain


def row_of(document: Mapping[str, Any]) -> Row:
    """A row that `result_document` wrote.

    Raises:
        KeyError, TypeError: it was written by something else.
    """
    known = dict(document)
    known["ours"] = math.nan if known["ours"] is None else known["ours"]
    known["by_seed"] = tuple(math.nan if v is None else v for v in known["by_seed"])
    known["seeds"] = tuple(known["seeds"])
    known["paper"] = tuple(PaperNumber(**p) for p in known["paper"])
    return Row(**known)
