"""What the two published sets of spans of UCF-Crime, and both readings of them, do to a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.floors import floors
from hiprobe.datasets.ground_truth import load_truth, span_sets
from hiprobe.evaluation.frames import join_frames
from hiprobe.evaluation.metrics import Ranking
from hiprobe.evaluation.truth import EndConvention, Truth
from hiprobe.reproduce.result import Row

DATA = "ucf-crime"
ORACLE = "video-label oracle"


def span_rows(scores: Mapping[str, NDArray[np.float64]] | None = None) -> tuple[Row, ...]:
    """One line for each set of spans and reading of the end frame.

    Args:
        scores: per-frame scores of any method, to show what the choice does to it too.

    Raises:
        EvaluationError: the scores are not of the test set's frames.
    """
    rows: list[Row] = []
    for spans in span_sets(DATA):
        for end in get_args(EndConvention):
            rows += _rows(load_truth(DATA, spans=spans, end=end), scores)
    return tuple(rows)


def different_videos() -> tuple[str, ...]:
    """Videos whose spans differ between the two sets."""
    one, other = (load_truth(DATA, spans=s) for s in span_sets(DATA))
    pairs = zip(one.videos, other.videos, strict=True)
    return tuple(a.name for a, b in pairs if a.spans != b.spans)


def _rows(truth: Truth, scores: Mapping[str, NDArray[np.float64]] | None) -> list[Row]:
    end: EndConvention = truth.end
    setting = f"{truth.spans} spans, end frame {_read(end)}"
    found = {"abnormal frames": float(truth.labels().sum())}
    ranked = Ranking.of(floors(truth)[ORACLE]).auc_and_precision()
    found |= dict(zip((f"AUC, {ORACLE}", f"AP, {ORACLE}"), ranked, strict=True))
    if scores is not None:
        own = Ranking.of(join_frames(scores=scores, truth=truth)).auc_and_precision()
        found |= dict(zip(("AUC, scores given", "AP, scores given"), own, strict=True))
    return [
        Row(data="UCF-Crime", setting=setting, metric=metric, ours=value,
            protocol="290 test videos")
        for metric, value in found.items()
    ]  # fmt: skip


def _read(end: EndConvention) -> str:
    return "abnormal" if end == "inclusive" else "not abnormal"
