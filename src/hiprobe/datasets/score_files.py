"""Anyone's scores, from JSON, CSV or NumPy files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.table_text import read_table
from hiprobe.datasets.video_files import SCORE_SUFFIXES, STATES_SUFFIX, without_ending
from hiprobe.datasets.video_tables import SECONDS_OR_FRAMES
from hiprobe.documents.arrays import NUMBERS_LIMIT_BYTES, read_npy, read_npz
from hiprobe.documents.checked import DocumentError, check_schema, files_below, read_json
from hiprobe.documents.schemas import TimelineScores
from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import (
    MAX_FRAMES,
    ScoredFrames,
    check_length,
    join_frames,
    repeat_to_frames,
    seconds_to_frames,
    segments_to_frames,
)
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.localize import Smoothing, smooth_as
from hiprobe.segment import after_gap, without_gaps
from hiprobe.timeline import Overlap, waiting_segments

# What counts for frames before any score is due: no probability is lower.
NO_ALARM = 0.0


@dataclass(frozen=True)
class RawScores:
    """Scores of one video as its file has them; starts and ends None for plain lists.

    `unsmoothed` are those of a detection before its own smoothing; None where the file has one
    kind only. `gap_before` is True for a segment behind a gap, None where the file knows of none.
    `overlap` says how windows that overlap gave a segment its score; `waiting` is True for one
    before whose end no window has ended, where no alarm can be raised.
    """

    scores: NDArray[np.float64]
    starts: NDArray[np.float64] | None = None
    ends: NDArray[np.float64] | None = None
    in_seconds: bool = False
    unsmoothed: NDArray[np.float64] | None = None
    gap_before: NDArray[np.bool_] | None = None
    overlap: Overlap = "none"
    waiting: NDArray[np.bool_] | None = None

    def smoothed(self, smoothing: Smoothing) -> RawScores:
        """The scores before any smoothing, smoothed in this way; not across a gap.

        Raises:
            EvaluationError: the smoothing is causal, and these scores look ahead already.
        """
        if self.overlap == "mean" and smoothing.is_causal:
            raise EvaluationError(
                "its scores are means of the windows over each moment, which look ahead; for "
                "causal ones detect with --smoothing ema, and evaluate the scores as they are"
            )
        scores = self.scores if self.unsmoothed is None else self.unsmoothed
        # across a gap nothing is a neighbour
        behind = () if self.gap_before is None else np.flatnonzero(self.gap_before)
        parts = [smooth_as(part, smoothing) for part in np.split(scores, behind)]
        return replace(self, scores=np.concatenate(parts))


def read_raw(source: Path) -> dict[str, RawScores]:
    """Scores by the names in the file; the formats are those of `score_files`.

    Raises:
        EvaluationError: no such format, or the file is not as it should be.
    """
    readers = {".npz": _read_arrays, ".json": _read_json, ".csv": _read_csv}
    if not source.is_dir() and (source.suffix.lower() not in readers or not source.is_file()):
        raise EvaluationError(
            f"{source} is no readable score file; give a .npy, .npz, .json or .csv, or a folder"
        )
    try:
        return _read_folder(source) if source.is_dir() else readers[source.suffix.lower()](source)
    except EvaluationError as error:
        if str(source) in str(error):
            raise
        raise EvaluationError(f"{source}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise EvaluationError(
            f"{source} cannot be read as scores ({type(error).__name__}: {error}); see "
            "`hiprobe evaluate --help` for the formats"
        ) from error


def _read_folder(source: Path) -> dict[str, RawScores]:
    # published arrays lie in folders by class, detections all in one
    arrays = sorted(p for p in files_below(source) if p.suffix.lower() == ".npy")
    if arrays:
        return {f.relative_to(source).as_posix(): RawScores(load_array(f)) for f in arrays}
    documents = [f for f in sorted(source.glob("*.json")) if _is_timeline(f)]
    if not documents:
        raise EvaluationError(f"{source} holds neither .npy files nor detections in .json")
    found: dict[str, RawScores] = {}
    for file in documents:
        for name, raw in _read_json(file).items():
            if name in found:
                raise EvaluationError(
                    f"{source} holds two detections of {name} (the second: {file.name}); give the "
                    "results of one run"
                )
            found[name] = raw
    return found


def _is_timeline(path: Path) -> bool:
    try:
        found = read_json(path, limit_bytes=NUMBERS_LIMIT_BYTES, nan=True, names=True)
    except (OSError, DocumentError):
        return False
    return isinstance(found, dict) and found.get("format") == "hiprobe-timeline"


def _read_arrays(source: Path) -> dict[str, RawScores]:
    return {name: RawScores(_floats(array)) for name, array in read_npz(source).items()}


def _read_json(source: Path) -> dict[str, RawScores]:
    found = read_json(source, limit_bytes=NUMBERS_LIMIT_BYTES, nan=True, names=True)
    if not isinstance(found, dict):
        raise EvaluationError(f"{source} cannot be read as scores: give {{video: [scores]}}")
    if found.get("format") == "hiprobe-timeline":
        check_schema(found, TimelineScores)
        overlap = found.get("overlap", "none")
        return {str(found["video"]): _of_timeline(found["segments"], overlap)}
    check_schema(found, dict[str, list[float | list[float | None] | None]])
    return {str(name): _of_list(values) for name, values in found.items()}


def _of_timeline(segments: Sequence[Mapping[str, Any]], overlap: Overlap) -> RawScores:
    # smoothed scores are what a detection's threshold was meant for; the raw ones are kept with
    # them
    columns = [[s[key] for s in segments] for key in ("smoothed", "start_seconds", "end_seconds")]
    scores, starts, ends = (np.array(c, dtype=np.float64) for c in columns)
    unsmoothed = np.array([s.get("score") for s in segments], dtype=np.float64)
    behind = after_gap(starts, ends)
    waiting = waiting_segments(starts, ends, scores, overlap)
    # Frames are counted, and there are none in a gap.
    starts, ends = without_gaps(starts, ends)
    return RawScores(scores, starts, ends, True, unsmoothed, behind, overlap, waiting)


def _of_list(values: Sequence[Any]) -> RawScores:
    array = np.array(values, dtype=np.float64)
    if array.ndim == 1:
        return RawScores(array)
    if array.ndim == 2 and array.shape[1] == 3:
        return RawScores(array[:, 2], array[:, 0], array[:, 1])
    raise EvaluationError(
        f"scores of shape {list(array.shape)}; give a list of scores or of [start, end, score]"
    )


def _read_csv(source: Path) -> dict[str, RawScores]:
    table = read_table(source, error=EvaluationError, limit_bytes=NUMBERS_LIMIT_BYTES)
    columns = set(table.columns)
    units = ("frames", "seconds")  # a table that has both is read in frames
    unit = next((u for u in units if columns & set(SECONDS_OR_FRAMES[u])), "")
    bounds = SECONDS_OR_FRAMES.get(unit, ())
    missing = {"video", "score", *bounds} - columns
    if missing:
        raise EvaluationError(
            f"{source} has the columns {', '.join(sorted(columns)) or 'none'}; "
            f"{', '.join(sorted(missing))} is missing: give video,score and for segments "
            "start_frame,end_frame or start_seconds,end_seconds"
        )
    grouped: dict[str, list[list[float]]] = {}
    for row in table.rows:
        cells = [row.cells[name] for name in ("score", *bounds)]
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            raise EvaluationError(
                f"{table.where(row)}: {', '.join(map(repr, cells))} are not all numbers"
            ) from None
        grouped.setdefault(row.cells["video"], []).append(values)
    found = {}
    for name, own in grouped.items():
        numbers = np.array(own)
        starts, ends = (numbers[:, 1], numbers[:, 2]) if unit else (None, None)
        found[name] = RawScores(numbers[:, 0], starts, ends, in_seconds=unit == "seconds")
    return found


def load_array(source: Path) -> NDArray[np.float64]:
    """A flat array of numbers.

    Raises:
        EvaluationError: it is none.
    """
    try:
        return _floats(read_npy(source))
    except EvaluationError as error:
        raise EvaluationError(f"{source}: {error}") from error
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{source} is no plain array of numbers: {error}") from error


def _floats(array: Any) -> NDArray[np.float64]:
    # published arrays often have a spare axis, [frames, 1]
    flat = np.asarray(array, dtype=np.float64).squeeze()
    if flat.ndim > 1:
        raise EvaluationError(f"scores of shape {list(flat.shape)}; give one score for each frame")
    return flat.reshape(-1)


def read_scores(
    path: Path | str,
    *,
    truth: Truth,
    repeat: int = 1,
    tail_frames: int = 0,
    fps: float | None = None,
    smoothing: Smoothing | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Read scores and give every frame of every test video one.

    Args:
        repeat: frames that one score of a plain list stands for.
        tail_frames: how many frames may be missing at a video's end; they take its last score.
        fps: frames a second for times in seconds; default the data set's nominal rate.
        smoothing: of the scores as the file has them, one for each segment; None leaves them (a
            detection then counts with its own smoothing).

    Returns:
        Name of the video to float64 `[frames]`; names of unknown videos are kept, so that
        `join_frames` can refuse them.

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
    find, rate = video_finder(truth), truth.fps if fps is None else fps
    result: dict[str, NDArray[np.float64]] = {}
    for name, scores in raw.items():
        video = find(name)
        if video is None or video.name in result:
            # two spellings of one name, or a score for a video that is not tested: either spoils
            # every metric
            what = "twice" if video else f"unknown to {truth.name}"
            raise EvaluationError(f"{source}: video {name!r} is {what}; correct its name")
        with _naming(source):
            if smoothing is not None:
                scores = scores.smoothed(smoothing)
            result[video.name] = _to_frames(scores, video, repeat, tail_frames, rate)
    return result


def read_frames(
    path: Path | str,
    *,
    truth: Truth,
    repeat: int = 1,
    tail_frames: int = 0,
    fps: float | None = None,
    smoothing: Smoothing | None = None,
) -> ScoredFrames:
    """`read_scores` joined to the labels of all videos.

    Args:
        path, truth, repeat, tail_frames, fps, smoothing: as `read_scores`.

    Raises:
        EvaluationError: the file cannot be read, or has other videos or frames than the truth.
    """
    found = read_scores(
        path,
        truth=truth,
        repeat=repeat,
        tail_frames=tail_frames,
        fps=fps,
        smoothing=smoothing,
    )
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
    scores = raw.scores if raw.waiting is None else np.where(raw.waiting, NO_ALARM, raw.scores)
    if raw.in_seconds:
        starts, ends = (seconds_to_frames(t, fps=fps).astype(np.float64) for t in (starts, ends))
    # a wrong unit would put every event at a thirtieth of its place, and still give figures
    elif any((bounds != np.floor(bounds)).any() for bounds in (starts, ends)):
        raise EvaluationError(f"{video.name}: frame numbers must be whole; are these seconds?")
    return segments_to_frames(
        starts=starts,
        ends=ends,
        scores=scores,
        frames=video.frames,
        name=video.name,
        tail_frames=tail_frames,
    )


def _split(
    array: NDArray[np.float64], *, truth: Truth, repeat: int, source: Path
) -> dict[str, RawScores]:
    lengths = [-(-v.frames // repeat) for v in truth.videos]
    # One long array holds all videos in the order of the truth, as published code saves them.
    if repeat == 1:
        check_length(str(source), len(array), sum(lengths))
    elif len(array) != sum(lengths):
        raise EvaluationError(
            f"{source}: {len(array)} scores, but {truth.name} has {sum(lengths)} segments of "
            f"{repeat} frames; give one array for each video"
        )
    pieces = np.split(array, np.cumsum(lengths)[:-1])
    return {v.name: RawScores(p) for v, p in zip(truth.videos, pieces, strict=True)}


def video_finder(truth: Truth) -> Callable[[str], VideoTruth | None]:
    """Finds a video by its name with folders, or without them where that is one video's only.

    Folders before those of the name do not count, so that a path on disk does.
    """
    exact = {v.name: v for v in truth.videos}
    names = [_bare(v.name) for v in truth.videos]
    # A bare name that several videos share would join scores to the wrong one.
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
