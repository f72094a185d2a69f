"""The packaged ground truth: frame counts, spans, classes and splits of public test sets.

Facts only, written by `scripts/build_ground_truth.py` from the published files that each data
file names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.truth import NORMAL, EndConvention, Truth, VideoTruth

FORMAT = "hiprobe-ground-truth"
VERSION = 1


@dataclass(frozen=True)
class TrainingVideo:
    """One video of a training list, with its video-level class."""

    name: str
    classes: tuple[str, ...]

    @property
    def is_normal(self) -> bool:
        """Whether nothing abnormal happens in it."""
        return self.classes == (NORMAL,)


def dataset_names() -> tuple[str, ...]:
    """Names that `load_truth` knows; a split other than the test split is part of the name."""
    files = (f.name for f in _facts_folder().iterdir())
    return tuple(sorted(f.removesuffix(".json") for f in files if f.endswith(".json")))


def load_truth(name: str, *, spans: str | None = None, end: EndConvention | None = None) -> Truth:
    """Ground truth of a test set, or of the split that its name ends with (`ubnormal-val`).

    Args:
        name: one of `dataset_names()`.
        spans: `official` (default), or for UCF-Crime `alternative`, the other set in
            circulation, which differs on 14 videos.
        end: whether a span's end frame is abnormal; the default is the data set's own
            (`inclusive` for UCF-Crime, `half-open` for the others).

    Raises:
        EvaluationError: no such data set or set of spans.
    """
    facts = _facts(name)
    chosen, known = spans or "official", span_sets(name)
    if chosen not in known:
        raise EvaluationError(f"{name} has no spans {chosen!r}; choose {' or '.join(known)}")
    column = known.index(chosen)
    return Truth(
        name=name,
        videos=tuple(_video(row, column) for row in facts["videos"]),
        end=end or facts["end"],
        spans=chosen,
        fps=facts["fps"],
        split=facts["split"],
        source="; ".join(facts["sources"]),
    )


def span_sets(name: str) -> tuple[str, ...]:
    """Names of the sets of spans in circulation; the first is the default.

    Raises:
        EvaluationError: no such data set.
    """
    two = any(len(row) > 4 for row in _facts(name)["videos"])
    return ("official", "alternative") if two else ("official",)


def training_videos(name: str) -> tuple[TrainingVideo, ...]:
    """The official training list, in its order within each class; empty where none is packaged.

    Raises:
        EvaluationError: no such data set.
    """
    lists: Mapping[str, list[str]] = _facts(name)["train"]
    return tuple(
        TrainingVideo(video, tuple(kind.split("+"))) for kind, own in lists.items() for video in own
    )


def _video(row: list[Any], column: int) -> VideoTruth:
    name, frames, kind, *sets = row
    spans = sets[min(column, len(sets) - 1)]
    return VideoTruth(
        name, frames, tuple((int(a), int(b)) for a, b in spans), tuple(kind.split("+"))
    )


@cache
def _facts(name: str) -> dict[str, Any]:
    known = dataset_names()
    if name not in known:
        raise EvaluationError(_unknown(name, known))
    text = (_facts_folder() / f"{name}.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    if facts["format"] != FORMAT or facts["version"] != VERSION:
        raise EvaluationError(
            f"ground truth of {name} is {facts['format']} {facts['version']}; expected {FORMAT} "
            f"{VERSION}: install HiProbe again"
        )
    return facts


def _unknown(name: str, known: tuple[str, ...]) -> str:
    other = [k for k in known if k in (f"{name}-val", f"{name}-train")]
    if other:
        return (
            f"the spans of the test split of {name} are not part of the package, only those of "
            f"{' and '.join(other)}; name that split, and compare it with no figure on the test set"
        )
    return f"no data set {name!r}; choose one of {', '.join(known)}"


def _facts_folder() -> Any:
    return resources.files("hiprobe.datasets") / "facts"
