"""An evaluation as plain values: for JSON, and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hiprobe.evaluation.metrics import PairedDifference
from hiprobe.evaluation.result import Evaluation

FORMAT = "hiprobe-evaluation"
VERSION = 1

TABLE_METRICS = {
    "auc": "ROC-AUC",
    "average_precision": "AP",
    "auc_anomalous": "AUC, anomalous videos",
    "average_precision_anomalous": "AP, anomalous videos",
    "within_video_mean": "AUC within a video, mean",
    "within_video_median": "median",
    "video_auc": "AUC by video",
}
"""Metrics of the table and their headings."""


def evaluation_document(
    evaluation: Evaluation,
    *,
    floors: Mapping[str, Mapping[str, float]] | None = None,
    compared: Sequence[tuple[str, Mapping[str, PairedDifference]]] = (),
) -> dict[str, Any]:
    """An evaluation as a dictionary of JSON values; a metric without a value is None.

    Args:
        floors: metrics of scores that use no picture, by their names.
        compared: name of other scores, and the differences to them by metric. All of them stand
            under `comparisons`; `compared` holds the first alone, as in earlier versions.
    """
    facts = asdict(evaluation)
    facts["floors"] = {name: dict(own) for name, own in (floors or {}).items()}
    differences = [
        {"other": other, "metrics": {name: asdict(one) for name, one in found.items()}}
        for other, found in compared
    ]
    facts["compared"] = differences[0]["metrics"] if differences else {}
    facts["comparisons"] = differences
    if evaluation.after is not None:
        rates = [
            {"precision": e.precision, "recall": e.recall, "f1": e.f1}
            for e in evaluation.after.events
        ]
        for event, own in zip(facts["after"]["events"], rates, strict=True):
            event.update(own)
    plain: dict[str, Any] = _plain(facts)
    return {"format": FORMAT, "version": VERSION, **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
