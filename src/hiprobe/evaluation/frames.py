"""Scores and labels of all videos joined: what every metric takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.truth import Truth


@dataclass(frozen=True)
class ScoredFrames:
    """Scores and labels of all videos joined.

    Attributes:
        scores: float64 `[frames]`, finite; higher is more abnormal.
        labels: bool `[frames]`.
        offsets: int64 `[videos + 1]`; video v has the frames `offsets[v]:offsets[v + 1]`.
    """

    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        frames = int(self.offsets[-1])
        for what, values in (("scores", self.scores), ("labels", self.labels)):
            check_length(what, len(values), frames)
        if not np.isfinite(self.scores).all():
            bad = int((~np.isfinite(self.scores)).sum())
            raise EvaluationError(f"{bad} scores are NaN or infinite; give every frame a number")
        if (np.diff(self.offsets) < 1).any():
            raise EvaluationError("a video without frames cannot be evaluated; leave it out")

    @property
    def video_count(self) -> int:
        """Count of videos."""
        return len(self.offsets) - 1

    @property
    def video_index(self) -> NDArray[np.intp]:
        """intp `[frames]`: the video of every frame."""
        return np.repeat(np.arange(self.video_count), np.diff(self.offsets))

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """bool `[videos]`: True where a video has an abnormal frame."""
        found: NDArray[np.bool_] = np.logical_or.reduceat(self.labels, self.offsets[:-1])
        return found

    def of_videos(self, keep: NDArray[np.bool_]) -> ScoredFrames:
        """The same for some videos only; `keep` is bool `[videos]`."""
        lengths = np.diff(self.offsets)
        frames = np.repeat(keep, lengths)
        offsets = np.concatenate(([0], np.cumsum(lengths[keep])))
        return ScoredFrames(self.scores[frames], self.labels[frames], offsets)

    def with_scores(self, scores: NDArray[np.float64]) -> ScoredFrames:
        """The same frames with other scores."""
        return ScoredFrames(scores, self.labels, self.offsets)


def check_length(
    what: str,
    got: int,
    expected: int,
    *,
    remedy: str = "score the same frames as the ground truth",
) -> None:
    """Refuse a count of frames that is not the video's, saying by how much it differs.

    Raises:
        EvaluationError: the counts differ.
    """
    if got != expected:
        off = abs(got - expected)
        raise EvaluationError(
            f"{what}: {got} frames, but {expected} are expected: {off} too "
            f"{'many' if got > expected else 'few'}; {remedy}"
        )


def join_frames(*, scores: Mapping[str, ArrayLike], truth: Truth) -> ScoredFrames:
    """Join per-frame scores of every video of a test set, in its order.

    Args:
        scores: name of the video to float `[frames]`.

    Raises:
        EvaluationError: a video is missing or unknown, has another count of frames, or a score
            that is no number.
    """
    names = [v.name for v in truth.videos]
    missing, unknown = [n for n in names if n not in scores], sorted(set(scores) - set(names))
    if missing or unknown:
        what, some = ("have no scores", missing) if missing else ("are unknown", unknown)
        raise EvaluationError(
            f"{len(some)} videos {what} (first: {some[0]}); {truth.name} has {len(names)} test "
            "videos, give scores for exactly those"
        )
    arrays = [np.asarray(scores[n], dtype=np.float64).ravel() for n in names]
    for video, array in zip(truth.videos, arrays, strict=True):
        check_length(video.name, len(array), video.frames)
        _check_numbers(video.name, array)
    return ScoredFrames(np.concatenate(arrays), truth.labels(), truth.offsets)


def _check_numbers(name: str, scores: NDArray[np.float64]) -> None:
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise EvaluationError(
            f"{name}: {len(bad)} of {len(scores)} scores are NaN or infinite, the first in frame "
            f"{bad[0]}; give every frame a number"
        )
