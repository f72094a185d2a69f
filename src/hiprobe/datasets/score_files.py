"""Anyone's scores, read from files and brought to one score for each frame of a test set.

Accepted:
- a folder of `NAME.npy`, at any depth, one score per frame (or, with `repeat`, per segment);
- one `.npy` of all videos joined in the order of the published list, or one `.npz` by name;
- `.json`: `{video: [[start, end, score], ...]}` or `{video: [score, ...]}`;
- `.csv` with the columns `video,score` and `start_frame,end_frame` or
  `start_seconds,end_seconds`, or none of these;
- a folder of the `.json` files that `hiprobe detect` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.raw_scores import RawScores, load_array, read_raw
from hiprobe.datasets.video_files import SCORE_SUFFIXES, STATES_SUFFIX, without_ending
from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frames import ScoredFrames, check_length, join_frames
from hiprobe.evaluation.to_frames import (
    MAX_FRAMES,
    repeat_to_frames,
    seconds_to_frames,
    segments_to_frames,
)
from hiprobe.evaluation.truth import Truth, VideoTruth


def read_scores(
    path: Path | str,
    *,
    truth: Truth,
    repeat: int = 1,
    tail_frames: int = 0,
    fps: float | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Read scores and give every frame of every test video one.

    Args:
        repeat: frames that one score of a plain list stands for.
        tail_frames: how many frames may be missing at a video's end; they take its last score.
        fps: frames a second for times in seconds; default the data set's nominal rate.

    Returns:
        Name of the video to float64 `[frames]`; names of unknown videos are kept, so that
        `evaluate_scores` can refuse them.

    Raises:
        EvaluationError: the file cannot be read, or does not have the frames of a video.
    """
    if not 1 <= repeat <= MAX_FRAMES or not 0 <= tail_frames <= MAX_FRAMES:
        raise EvaluationError(
            f"repeat is {repeat} and tail_frames {tail_frames}; give 1 to {MAX_FRAMES:,} frames "
            "for a score, and 0 or more at the end"
        )
    source = Path(path)
    if source.suffix.lower() == ".npy" and source.is_file():
        raw = _split(load_array(source), truth=truth, repeat=repeat, source=source)
    else:
        raw = read_raw(source)
    find, rate = _finder(truth), truth.fps if fps is None else fps
    result: dict[str, NDArray[np.float64]] = {}
    for name, scores in raw.items():
        video = find(name)
        if video is None or video.name in result:
            what = "twice" if video else f"unknown to {truth.name}"
            raise EvaluationError(f"{source}: video {name!r} is {what}; correct its name")
        with _naming(source):
            result[video.name] = _to_frames(scores, video, repeat, tail_frames, rate)
    return result


def read_frames(
    path: Path | str,
    *,
    truth: Truth,
    repeat: int = 1,
    tail_frames: int = 0,
    fps: float | None = None,
) -> ScoredFrames:
    """`read_scores` joined to the labels of all videos.

    Raises:
        EvaluationError: the file cannot be read, or has other videos or frames than the truth.
    """
    found = read_scores(path, truth=truth, repeat=repeat, tail_frames=tail_frames, fps=fps)
    with _naming(Path(path)):
        return join_frames(scores=found, truth=truth)


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Two files are compared at times: an error says which of them it is about."""
    try:
        yield
    except EvaluationError as error:
        raise EvaluationError(f"{source}: {error}") from error


def _to_frames(
    raw: RawScores, video: VideoTruth, repeat: int, tail_frames: int, fps: float
) -> NDArray[np.float64]:
    if raw.starts is None or raw.ends is None:
        return repeat_to_frames(
            scores=raw.scores,
            repeat=repeat,
            frames=video.frames,
            name=video.name,
            tail_frames=tail_frames,
        )
    starts, ends = raw.starts, raw.ends
    if raw.in_seconds:
        starts, ends = (seconds_to_frames(t, fps=fps).astype(np.float64) for t in (starts, ends))
    elif any((bounds != np.floor(bounds)).any() for bounds in (starts, ends)):
        raise EvaluationError(f"{video.name}: frame numbers must be whole; are these seconds?")
    return segments_to_frames(
        starts=starts,
        ends=ends,
        scores=raw.scores,
        frames=video.frames,
        name=video.name,
        tail_frames=tail_frames,
    )


def _split(
    array: NDArray[np.float64], *, truth: Truth, repeat: int, source: Path
) -> dict[str, RawScores]:
    lengths = [-(-v.frames // repeat) for v in truth.videos]
    if repeat == 1:
        check_length(str(source), len(array), sum(lengths))
    elif len(array) != sum(lengths):
        raise EvaluationError(
            f"{source}: {len(array)} scores, but {truth.name} has {sum(lengths)} segments of "
            f"{repeat} frames; give one array for each video"
        )
    pieces = np.split(array, np.cumsum(lengths)[:-1])
    return {v.name: RawScores(p) for v, p in zip(truth.videos, pieces, strict=True)}


def _finder(truth: Truth) -> Callable[[str], VideoTruth | None]:
    """Finds a video by its name with folders, or without them where that is one video's only.

    Folders before those of the name do not count, so that a path on disk does.
    """
    exact = {v.name: v for v in truth.videos}
    names = [_bare(v.name) for v in truth.videos]
    whole = {n: v for n, v in zip(names, truth.videos, strict=True) if names.count(n) == 1}
    last = [_bare(v.name).rsplit("/", 1)[-1] for v in truth.videos]
    short = {s: v for s, v in zip(last, truth.videos, strict=True) if last.count(s) == 1}

    def find(name: str) -> VideoTruth | None:
        if name in exact:
            return exact[name]
        parts = _bare(name).split("/")
        ends = ("/".join(parts[n:]) for n in range(len(parts)))
        return next((whole[end] for end in ends if end in whole), short.get(parts[-1]))

    return find


def _bare(name: str) -> str:
    """Name without the endings that files of scores and videos have."""
    return without_ending(name.replace("\\", "/"), *SCORE_SUFFIXES, STATES_SUFFIX)
