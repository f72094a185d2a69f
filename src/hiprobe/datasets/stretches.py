"""Stretches of videos in tables, in seconds or in frames, and the times of frames behind both."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.table_text import read_table
from hiprobe.datasets.video_files import is_states_name
from hiprobe.datasets.video_tables import SECONDS_OR_FRAMES
from hiprobe.errors import LabelError, VideoError

# Abnormal stretches of one video: half-open, in frames counted from 0, in order.
Spans = tuple[tuple[int, int], ...]

# The user's own spans, in the folder of a data set.
SPANS_FILE = "spans.csv"

# Of one video: start, end, and whether they are seconds.
OwnSpan = list[tuple[float, float, bool]]

# By the path of the video below the root.
OwnSpans = dict[str, OwnSpan]

# Ends in seconds are often rounded; a span that ends this much after its video is no mistake.
_END_SLACK_SECONDS = 0.05


def frame_seconds(path: Path) -> NDArray[np.float64]:
    """Times of all frames of a video, float64 `[frames]`, by decoding it.

    Raises:
        VideoError: it cannot be read.
    """
    from hiprobe.video.decode import FrameReader

    return np.array([frame.seconds for frame in FrameReader(path)])


@dataclass
class FrameTimes:
    """Times of the frames of videos; each video is looked at once.

    Attributes:
        remarks: sentences on stretches that reach beyond the end of their video.
    """

    remarks: list[str] = field(default_factory=list)
    _times: dict[Path, NDArray[np.float64] | None] = field(default_factory=dict)

    def seconds(
        self, video: Path, start_frame: int | None, end_frame: int | None, *, where: str
    ) -> tuple[float | None, float | None]:
        """Half-open seconds that hold the frames `[start_frame, end_frame)` and no others.

        A video that cannot be read gives an open stretch: reading it later gives the reason, for
        that file alone.

        Args:
            where: file and line of the table, for messages.

        Raises:
            LabelError: the stretch begins after the last frame, or the file holds states.
        """
        if is_states_name(video):
            raise LabelError(f"{where}: {video} holds states, which know seconds only; give those")
        if video not in self._times:
            try:
                self._times[video] = times_of_frames(video)
            except VideoError:
                self._times[video] = None
        times = self._times[video]
        if times is None:
            return None, None
        start, count = start_frame or 0, len(times)
        if start >= count:
            raise LabelError(
                f"{where}: the stretch begins at frame {start}, but {video} has the frames 0 to "
                f"{count - 1}; correct start_frame"
            )
        if end_frame is not None and end_frame > count:
            self.remarks.append(
                f"{where}: end_frame is {end_frame}, but {video} has {count} frames; taken to its "
                "end"
            )
        begin = None if start_frame is None else float(times[start])
        end = None if end_frame is None or end_frame >= count else float(times[end_frame])
        return begin, end


def times_of_frames(video: Path) -> NDArray[np.float64]:
    """Times of all frames, float64 `[frames]`.

    Those of the packets: the same numbers as the reader of frames gives, so that a frame is in a
    stretch just when its number is. It is decoded only where packets have no reliable times.

    Raises:
        VideoError: it cannot be read.
    """
    from hiprobe.video.decode import FrameReader
    from hiprobe.video.video_info import read_packets

    packets = read_packets(video)
    if not packets.times:
        return frame_seconds(video)
    # Packets before the first frame that is shown belong to no frame: numbers count without them.
    origin = next(iter(FrameReader(video))).pts
    shown = [pts for pts, _ in packets.times if pts >= origin]
    return np.array([(pts - origin) * packets.time_base_seconds for pts in shown])


def stretch_of_row(
    cells: Mapping[str, str], video: Path, times: FrameTimes, *, where: str
) -> tuple[float | None, float | None]:
    """Start and end of the stretch that a row of a table names, in seconds; None for an open end.

    Args:
        cells: of the row, by column.
        times: turns stretches in frames into seconds, by the video's own times.
        where: file and line of the table, for messages.

    Raises:
        LabelError: an end is no number, or the stretch is empty, or stated in both units.
    """
    bounds = {
        unit: tuple(_bound(cells, column, where) for column in columns)
        for unit, columns in SECONDS_OR_FRAMES.items()
    }
    for unit, (low, high) in bounds.items():
        if high is not None and not high > (low or 0.0):
            in_unit = "s" if unit == "seconds" else "in frames"
            raise LabelError(
                f"{where}: the stretch {low or 0:g} to {high:g} {in_unit} is empty; end after start"
            )
    (start, end), (first, last) = bounds["seconds"], bounds["frames"]
    if first is None and last is None:
        return start, end
    if start is not None or end is not None:
        raise LabelError(f"{where}: the stretch is in seconds and in frames; keep one of them")
    first_frame, end_frame = (None if f is None else int(f) for f in (first, last))
    return times.seconds(video, first_frame, end_frame, where=where)


def _bound(cells: Mapping[str, str], column: str, where: str) -> float | None:
    cell = cells.get(column, "")
    if not cell:
        return None
    value, is_frame = _float_of(cell), column.endswith("_frame")
    if not (math.isfinite(value) and value >= 0):
        what = "a frame" if is_frame else "seconds"
        raise LabelError(f"{where}: {column} is {cell!r}; expected {what}, 0 or more, or nothing")
    if is_frame and value != int(value):
        raise LabelError(f"{where}: {column} is {cell!r}; frames are whole numbers counted from 0")
    return value


def _float_of(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def read_own_spans(root: Path) -> OwnSpans:
    """Rows of `root/spans.csv`, by the path of the video below `root`; none without the file.

    Columns: `video`, and `start_seconds,end_seconds` or `start_frame,end_frame`; half-open.

    Raises:
        LabelError: the table cannot be read, names no video, or a stretch is empty.
    """
    file = root / SPANS_FILE
    found: OwnSpans = defaultdict(list)
    if not file.is_file():
        return found
    table = read_table(file)
    there = set(table.columns)
    unit = next((u for u, c in SECONDS_OR_FRAMES.items() if {"video", *c} <= there), "")
    if not unit:
        raise LabelError(
            f"{file} has the columns {', '.join(table.columns) or 'none'}; it needs "
            "video,start_seconds,end_seconds or video,start_frame,end_frame"
        )
    for row in table.rows:
        where, video = table.where(row), row.cells["video"]
        bounds = []
        for column in SECONDS_OR_FRAMES[unit]:
            bounds.append(_float_of(row.cells[column]))
            if not math.isfinite(bounds[-1]):
                raise LabelError(f"{where}: {row.cells[column]!r} is no number")
        start, end = bounds
        if not 0 <= start < end:
            raise LabelError(f"{where}: {start:g} to {end:g} is empty")
        if not video:
            raise LabelError(f"{where}: the cell of the video is empty")
        found[Path(video).as_posix()].append((start, end, unit == "seconds"))
    return found


def to_frames(own: OwnSpan, seconds: Callable[[], NDArray[np.float64]]) -> Spans:
    """Spans in frames, half-open, in order: a frame is in a stretch when its time is.

    Stretches that share a frame are joined: they are one event.

    Args:
        own: the stretches of one video.
        seconds: gives the times of the frames, float64 `[frames]`; called only where needed.
    """
    spans: list[tuple[int, int]] = []
    for start, end, in_seconds in sorted(own):
        if in_seconds:
            # Times written in decimals may lie a rounding error above the frame's own.
            first, last = np.searchsorted(seconds() + 1e-6, (start, end))
        else:
            first, last = int(start), int(end)
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], int(last)))
        else:
            spans.append((int(first), int(last)))
    return tuple(spans)


def beyond_words(own: OwnSpan, *, frame_count: int, seconds: float | None) -> list[str]:
    """A sentence on each stretch that begins or ends after its video.

    Args:
        own: the stretches of one video.
        frame_count: frames that the video has.
        seconds: length of the video; None where it is not known.
    """
    found = []
    for start, end, in_seconds in own:
        limit = seconds if in_seconds else float(frame_count)
        if limit is None or end <= limit + (_END_SLACK_SECONDS if in_seconds else 0.0):
            continue
        what = "begins" if start >= limit else "ends"
        length = f"{limit:.3f} s" if in_seconds else f"{frame_count} frames"
        unit = "s" if in_seconds else "in frames"
        found.append(f"{start:g} to {end:g} {unit} {what} after the video, which has {length}")
    return found
