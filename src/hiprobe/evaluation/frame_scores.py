"""Scores of all frames, made of scores of segments or of anyone's windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.truth import Truth

# Of one video: 38 days at 30 frames a second.
MAX_FRAMES = 100_000_000

# Above it a float no longer holds every whole number, and an int64 soon overflows.
MAX_NUMBER = 2.0**53


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
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            raise EvaluationError(
                f"{video.name}: {len(bad)} of {len(array)} scores are NaN or infinite, the first "
                f"in frame {bad[0]}; give every frame a number"
            )
    return ScoredFrames(np.concatenate(arrays), truth.labels(), truth.offsets)


def segments_to_frames(
    *,
    starts: ArrayLike,
    ends: ArrayLike,
    scores: ArrayLike,
    frames: int,
    name: str = "video",
    tail_frames: int = 0,
) -> NDArray[np.float64]:
    """Give every frame the score of the segment that holds it.

    Args:
        starts, ends: int `[segments]`, half-open, in order, without gap or overlap, from 0 on.
        scores: float `[segments]`.
        frames: count of frames of the video.
        tail_frames: how many frames may be missing at the end; they take the last score.

    Returns:
        float64 `[frames]`.

    Raises:
        EvaluationError: a gap, an overlap, an empty segment, or another count of frames.
    """
    # Checked as they are given and not put right: a gap that was closed silently would shift every
    # score behind it.
    first, last = (_frame_numbers(bounds, name) for bounds in (starts, ends))
    values = np.asarray(scores, dtype=np.float64)
    if not len(first) == len(last) == len(values) or not len(values):
        raise EvaluationError(
            f"{name}: {len(first)} starts, {len(last)} ends, {len(values)} scores; give one of "
            "each for every segment, and at least one segment"
        )
    # Each segment begins where the one before it ends, the first at 0: no jump anywhere.
    jumps = first - np.concatenate(([0], last[:-1]))
    for wrong, what in ((jumps != 0, "does not begin where the one before it ends (or at 0)"),
                        (last <= first, "is empty")):  # fmt: skip
        if wrong.any():
            at = int(np.argmax(wrong))
            raise EvaluationError(
                f"{name}: segment {at} [{first[at]}, {last[at]}) {what}; give segments that "
                "cover every frame once, or scores per frame"
            )
    covered = int(last[-1])
    if 0 <= frames - covered <= tail_frames:
        last = np.concatenate((last[:-1], [frames]))
    else:
        missing, remedy = frames - covered, "cut the segments at the video's last frame"
        if missing > 0:
            remedy = (
                f"score the whole video, or add --tail-frames {missing}, which repeats its last "
                "score"
            )
        check_length(name, covered, frames, remedy=remedy)
    return np.repeat(values, last - first)


def repeat_to_frames(
    *, scores: ArrayLike, repeat: int, frames: int, name: str = "video", tail_frames: int = 0
) -> NDArray[np.float64]:
    """Repeat every score for `repeat` frames; the last segment may be shorter.

    Args:
        scores: float `[segments]`.
        repeat: frames that one score stands for.
        frames: count of frames of the video.
        name: of the video, for messages.
        tail_frames: how many frames may be missing at the end; they take the last score.

    Returns:
        float64 `[frames]`.

    Raises:
        EvaluationError: the scores do not cover the video, or go on after its end.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    if not 1 <= repeat <= MAX_FRAMES:
        raise EvaluationError(
            f"repeat is {repeat}; give the frames of one segment, 1 to {MAX_FRAMES:,}"
        )
    starts = np.arange(len(values), dtype=np.int64) * repeat
    ends = starts + repeat
    if len(values) and starts[-1] < frames < ends[-1]:
        ends[-1] = frames
    return segments_to_frames(
        starts=starts, ends=ends, scores=values, frames=frames, name=name, tail_frames=tail_frames
    )


def seconds_to_frames(seconds: ArrayLike, *, fps: float) -> NDArray[np.int64]:
    """First frame at or after each time, where frame i is shown from i / fps on.

    A half-open stretch of seconds becomes the half-open range of the frames that begin in it.

    Args:
        seconds: times from the beginning of the video.
        fps: frames a second.

    Raises:
        EvaluationError: a time or the rate is no number that a video can have.
    """
    if not 0 < fps < math.inf:
        raise EvaluationError(f"{fps} frames a second: give a number above 0")
    numbers = np.asarray(seconds, dtype=np.float64)
    sound = np.abs(numbers) < MAX_NUMBER / fps  # NaN is not below it either
    if not sound.all():
        at = int(np.argmin(sound))
        raise EvaluationError(f"{numbers.ravel()[at]} s is no time in a video; correct the file")
    # A millionth of a frame absorbs the rounding of times written in decimals.
    return np.ceil(numbers * fps - 1e-6).astype(np.int64)


def _frame_numbers(bounds: ArrayLike, name: str) -> NDArray[np.int64]:
    numbers = np.asarray(bounds)
    if not (np.abs(numbers) < MAX_NUMBER).all():
        raise EvaluationError(f"{name}: a segment begins or ends at no number of a frame")
    return numbers.astype(np.int64)


def check_length(
    what: str,
    got: int,
    expected: int,
    *,
    remedy: str = "score the same frames as the ground truth",
) -> None:
    """Refuse a count of frames that is not the video's, saying by how much it differs.

    Args:
        what: the video, or another word for what was counted; the message begins with it.
        got, expected: the two counts.
        remedy: what the user can do; the message ends with it.

    Raises:
        EvaluationError: the counts differ.
    """
    if got != expected:
        off = abs(got - expected)
        raise EvaluationError(
            f"{what}: {got} frames, but {expected} are expected: {off} too "
            f"{'many' if got > expected else 'few'}; {remedy}"
        )
