"""Scores of segments brought to frames: every frame gets one, none is dropped or made up."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import check_length

MAX_FRAMES = 100_000_000
"""Of one video: five weeks at 30 frames a second."""

MAX_NUMBER = 2.0**53
"""Above it a float no longer holds every whole number, and an int64 soon overflows."""


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
    first, last = (_frame_numbers(bounds, name) for bounds in (starts, ends))
    values = np.asarray(scores, dtype=np.float64)
    if not len(first) == len(last) == len(values) or not len(values):
        raise EvaluationError(
            f"{name}: {len(first)} starts, {len(last)} ends, {len(values)} scores; give one of "
            "each for every segment, and at least one segment"
        )
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
        missing = frames - covered
        check_length(name, covered, frames, remedy=_tail_remedy(missing))
    return np.repeat(values, last - first)


def _frame_numbers(bounds: ArrayLike, name: str) -> NDArray[np.int64]:
    numbers = np.asarray(bounds)
    if not (np.abs(numbers) < MAX_NUMBER).all():
        raise EvaluationError(f"{name}: a segment begins or ends at no number of a frame")
    return numbers.astype(np.int64)


def _tail_remedy(missing: int) -> str:
    if missing < 0:
        return "cut the segments at the video's last frame"
    return f"score the whole video, or allow {missing} tail frames, which take the last score"


def repeat_to_frames(
    *, scores: ArrayLike, repeat: int, frames: int, name: str = "video", tail_frames: int = 0
) -> NDArray[np.float64]:
    """Repeat every score for `repeat` frames; the last segment may be shorter.

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
