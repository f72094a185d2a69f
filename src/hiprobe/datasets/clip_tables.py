"""Labelled clips as a folder or a table names them, before a class is known to be normal."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.measure import frame_seconds
from hiprobe.datasets.table_text import Table, read_table
from hiprobe.datasets.video_files import (
    Found,
    is_states_name,
    look_into,
    pass_over_own,
    passed_over_words,
)
from hiprobe.errors import LabelError, VideoError
from hiprobe.names import is_address, path_text, text_path, why_no_file

READ = (
    "video",
    "label",
    "class",
    "source",
    "split",
    "start_seconds",
    "end_seconds",
    "start_frame",
    "end_frame",
)
"""What a fit takes from a table."""

_OF_MANIFESTS = ("name", "frames", "fps", "spans", "dataset", "span_set", "end", "note", "format")
"""What a manifest of `hiprobe data` has besides; its evaluation reads them."""

_SECONDS_OR_FRAME = ("{}_seconds", "{}_frame")

_MEANT = {
    "video": "file path filename filepath videoname videopath videofile clip clippath uri url",
    "class": "category type kind classname event eventtype anomalytype action",
    "label": "target y classlabel labels annotation groundtruth isanomaly anomaly abnormal",
    "source": "group groupid scene sceneid camera cameraid cam recording sourceid origin sequence"
    " place location session site",
    "split": "fold set subset partition phase usage traintest",
    "start_seconds": "starts startsec startsecs starttime starttimes tstart begintime beginseconds"
    " fromseconds startsecond",
    "end_seconds": "ends endsec endsecs endtime tend stoptime stopseconds toseconds endsecond",
    "start_frame": "startframes framestart firstframe beginframe fromframe startindex startidx",
    "end_frame": "endframes frameend lastframe stopframe toframe endindex endidx",
}

_BOTH = {
    "start": ("start", "begin", "from", "onset"),
    "end": ("end", "stop", "to", "offset", "until"),
}
"""Words that do not say whether they count seconds or frames."""


def unused_words(columns: Iterable[str], table: Path) -> list[str]:
    """A sentence on columns that are not read, with what each may have meant; none where none."""
    there = list(columns)
    known = {*READ, *(_OF_MANIFESTS if "format" in there else ())}
    unused = [name for name in there if name not in known]
    if not unused:
        return []
    told = []
    for name in unused:
        meant = [m for m in meant_by(name) if m not in there]
        told.append(f"{name} (did you mean {' or '.join(meant)}?)" if meant else name)
    what = "1 column is" if len(unused) == 1 else f"{len(unused)} columns are"
    return [f"{table}: {what} not used: {', '.join(told)}"]


def meant_by(name: str) -> tuple[str, ...]:
    """Columns that a name may stand for, by its meaning first, then by its spelling."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    for bound, words in _BOTH.items():
        if plain in words:
            return tuple(pattern.format(bound) for pattern in _SECONDS_OR_FRAME)
    by_meaning = [column for column, words in _MEANT.items() if plain in words.split()]
    if by_meaning:
        return tuple(by_meaning)
    spelled = {column.replace("_", ""): column for column in READ}
    close = difflib.get_close_matches(plain, spelled, n=1, cutoff=0.8)
    return tuple(spelled[c] for c in close)


@dataclass
class FrameClock:
    """Times of the frames of videos, each video looked at once.

    Attributes:
        remarks: sentences on stretches that reach beyond the end of their video.
    """

    remarks: list[str] = field(default_factory=list)
    _times: dict[Path, NDArray[np.float64] | None] = field(default_factory=dict)

    def seconds(
        self, video: Path, start_frame: int | None, end_frame: int | None, *, where: str
    ) -> tuple[float | None, float | None]:
        """Half-open seconds in which just the frames `[start_frame, end_frame)` lie.

        A video that cannot be read gives an open stretch: reading it tells why, and for that file
        alone.

        Raises:
            LabelError: the stretch begins after the last frame, or the file holds states.
        """
        if is_states_name(video):
            raise LabelError(f"{where}: {video} holds states, which know seconds only; give those")
        times = self._of(video)
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

    def _of(self, video: Path) -> NDArray[np.float64] | None:
        if video not in self._times:
            try:
                self._times[video] = _times_of(video)
            except VideoError:
                self._times[video] = None
        return self._times[video]


def _times_of(video: Path) -> NDArray[np.float64]:
    """Times of all frames, float64 `[frames]`: of the packets, decoded only where these are unsure.

    The same numbers as the reader of frames gives, so that a frame is in a stretch just when its
    number is.
    """
    from hiprobe.video.decode import FrameReader
    from hiprobe.video.video_info import read_packets

    packets = read_packets(video)
    if not packets.times:
        return frame_seconds(video)
    origin = next(iter(FrameReader(video))).pts
    shown = [pts for pts, _ in packets.times if pts >= origin]
    return np.array([(pts - origin) * packets.time_base_seconds for pts in shown])


@dataclass(frozen=True)
class ClipRow:
    """A clip, or a half-open stretch of one, under the name of its class."""

    video: Path
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str
    label: int | None = None
    """Where the table itself says it, beside a class."""
    split: str = ""


@dataclass(frozen=True)
class ClipRows:
    """Rows in a fixed order, and sentences on what was not taken."""

    rows: Sequence[ClipRow]
    remarks: list[str] = field(default_factory=list)


def read_rows(root: Path) -> ClipRows:
    """Rows of a folder of class subfolders, or of a table.

    In a folder what HiProbe wrote is passed over; `say` is told how much.

    Raises:
        LabelError: nothing there, or a table that cannot be read.
    """
    if root.is_dir():
        manifest = root / "manifest.csv"
        return _rows_of_table(manifest) if manifest.is_file() else _rows_of_folder(root)
    if not root.exists():
        wrong = why_no_file(root) or f"{root} does not exist"
        raise LabelError(f"{wrong}; give a folder of clips or a CSV file")
    return _rows_of_parquet(root) if root.suffix.lower() == ".parquet" else _rows_of_table(root)


def _rows_of_parquet(path: Path) -> ClipRows:
    from hiprobe.datasets.manifest import read_parquet

    rows = read_parquet(path).rows
    return ClipRows(
        [
            ClipRow(
                r.video, r.class_name, r.source, None, None, path_text(r.video), r.label, r.split
            )
            for r in rows
        ]
    )


def _rows_of_folder(root: Path) -> ClipRows:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
    inside = {folder: look_into(folder) for folder in folders}
    found = [Found(video, folder) for folder in folders for video in inside[folder].videos]
    own: list[str] = []
    kept = set(pass_over_own(found, say=own.append))
    rows: list[ClipRow] = []
    for video, folder in ((f.path, f.searched) for f in found if f.path in kept):
        if folder is not None:  # each was found in one
            name = path_text(video.relative_to(root).as_posix())
            rows.append(ClipRow(video, path_text(folder.name), name, None, None, name))
    passed_over = [path for each in inside.values() for path in each.passed_over]
    return ClipRows(rows, [*passed_over_words(passed_over), *own])


def _rows_of_table(path: Path) -> ClipRows:
    table = read_table(path)
    _refuse_missing_columns(table)
    clock = FrameClock()
    rows = [_row(row.cells, path, table.where(row), clock) for row in table.rows]
    return ClipRows(rows, [*unused_words(table.columns, path), *clock.remarks])


def _refuse_missing_columns(table: Table) -> None:
    missing = [name for name in ("video", "label") if name not in table.columns]
    if missing:
        near = [c for c in table.columns if set(meant_by(c)) & set(missing)]
        hint = f"; is {' or '.join(near)} what is meant by {' and '.join(missing)}?" if near else ""
        raise LabelError(
            f"{table.path} lacks the column {' and '.join(missing)}; its first line must be "
            "video,label[,source][,start_seconds,end_seconds], found "
            f"{','.join(table.columns) or '-'}{hint}"
        )


def _row(cells: Mapping[str, str], table: Path, where: str, clock: FrameClock) -> ClipRow:
    video, label = cells["video"], cells["label"]
    if not video or not label:
        raise LabelError(f"{where}: video {video!r} and label {label!r}; both must be filled in")
    if is_address(video):
        raise LabelError(f"{where}: {why_no_file(video)}")
    file = table.parent / text_path(video)
    start, end = _stretch(cells, file, where, clock)
    span = "" if start is None and end is None else f" [{start or 0:g}, {_end_text(end)})"
    class_name = cells.get("class", "") or label
    return ClipRow(
        video=file,
        class_name=class_name,
        source=cells.get("source", "") or video,
        start_seconds=start,
        end_seconds=end,
        name=video + span,
        label=int(label) if cells.get("class") and label in ("0", "1") else None,
        split=cells.get("split", "").lower(),
    )


def _stretch(
    cells: Mapping[str, str], file: Path, where: str, clock: FrameClock
) -> tuple[float | None, float | None]:
    """Start and end in seconds; those given in frames by the video's own times."""
    start, end = (_number(cells, f"{b}_seconds", "seconds", where) for b in ("start", "end"))
    first, last = (_number(cells, f"{b}_frame", "a frame", where) for b in ("start", "end"))
    _refuse_empty(start, end, "s", where)
    _refuse_empty(first, last, "in frames", where)
    if first is None and last is None:
        return start, end
    if start is not None or end is not None:
        raise LabelError(f"{where}: the stretch is in seconds and in frames; keep one of them")
    first_frame, end_frame = (None if f is None else int(f) for f in (first, last))
    return clock.seconds(file, first_frame, end_frame, where=where)


def _refuse_empty(low: float | None, high: float | None, unit: str, where: str) -> None:
    if high is not None and not high > (low or 0.0):
        raise LabelError(
            f"{where}: the stretch {low or 0:g} to {high:g} {unit} is empty; end after start"
        )


def _end_text(end_seconds: float | None) -> str:
    return "end" if end_seconds is None else f"{end_seconds:g} s"


def _number(cells: Mapping[str, str], column: str, what: str, where: str) -> float | None:
    cell = cells.get(column, "")
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise LabelError(f"{where}: {column} is {cell!r}; expected {what}, 0 or more, or nothing")
    if column.endswith("_frame") and value != int(value):
        raise LabelError(f"{where}: {column} is {cell!r}; frames are whole numbers counted from 0")
    return value
