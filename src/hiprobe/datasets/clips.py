"""Labelled clips: a folder of class subfolders, or a table. Nothing is decoded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.datasets.class_names import NORMAL_NAMES, looks_normal
from hiprobe.datasets.clip_rows import ClipRow, read_rows
from hiprobe.datasets.video_files import STATES_SUFFIX, VIDEO_SUFFIXES, find_videos
from hiprobe.errors import LabelError

__all__ = [
    "NORMAL_NAMES",
    "STATES_SUFFIX",
    "VIDEO_SUFFIXES",
    "LabelledClip",
    "find_videos",
    "looks_normal",
    "read_clips",
]


@dataclass(frozen=True)
class LabelledClip:
    """A video, or a half-open stretch of one, with its label.

    Attributes:
        video: path of the file (a video, or states extracted from one).
        label: 0 normal, 1 anomalous.
        class_name: the user's own name of the class.
        source: recording that the clip comes from; folds never split a source.
        start_seconds, end_seconds: the stretch, None for an open end.
        name: what to call the clip in tables and errors; unique within one reading.
    """

    video: Path
    label: int
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str


def read_clips(
    path: Path | str,
    *,
    normal: str | None = None,
    both_kinds: bool = True,
    say: Callable[[str], None] | None = None,
) -> tuple[LabelledClip, ...]:
    """Labelled clips of a folder or a table, in a fixed order, checked before any decoding.

    A folder holds one subfolder per class (`normal/`, `abnormal/`, or any names); hidden files
    and files without a video's ending are passed over. A folder with a `manifest.csv` is read
    from that table. A table has the columns `video,label[,source][,start_seconds,end_seconds]`,
    its paths are relative to it. Without a source, each file is its own. A manifest of
    `hiprobe data` (CSV or Parquet) is such a table: its label is 0 or 1 beside a class.

    Args:
        path: folder, CSV file or Parquet manifest.
        normal: name of the normal class; None takes labels 0 of a manifest, and recognises
            `NORMAL_NAMES`.
        both_kinds: refuse clips of one kind only; False where they extend others.
        say: told how many files of a folder are passed over, since HiProbe wrote them.

    Raises:
        LabelError: nothing there, unreadable table, no or only normal clips, or overlapping
            stretches of one file under two labels.
    """
    root = Path(path)
    rows = read_rows(root, say=say)
    if not rows:
        raise LabelError(
            f"{root} holds no videos; expected class subfolders such as normal/ and abnormal/ "
            "with videos, or a CSV with the columns video,label"
        )
    normal_classes = _normal_classes(rows, normal)
    if both_kinds and not normal_classes:
        _refuse_no_normal({row.class_name for row in rows}, normal, root)
    clips = tuple(_labelled(row, normal_classes) for row in rows)
    if both_kinds:
        _refuse_one_label(clips, root)
    _refuse_contradictions(clips)
    return clips


def _normal_classes(rows: Sequence[ClipRow], normal: str | None) -> set[str]:
    names = {row.class_name for row in rows}
    if normal is not None:
        return {n for n in names if n.casefold() == normal.strip().casefold()}
    stated = {row.class_name: row.label for row in rows if row.label is not None}
    return {n for n in names if not stated.get(n, int(not looks_normal(n)))}


def _refuse_no_normal(names: set[str], normal: str | None, root: Path) -> None:
    remedy = "name it with --normal NAME" if normal is None else f"{normal!r} is not one of them"
    raise LabelError(
        f"no normal class among {', '.join(sorted(names))} in {root}: {remedy}; "
        "a probe needs clips of both kinds"
    )


def _labelled(row: ClipRow, normal_classes: set[str]) -> LabelledClip:
    return LabelledClip(
        video=row.video,
        label=int(row.class_name not in normal_classes),
        class_name=row.class_name,
        source=row.source,
        start_seconds=row.start_seconds,
        end_seconds=row.end_seconds,
        name=row.name,
    )


def _refuse_one_label(clips: Sequence[LabelledClip], root: Path) -> None:
    if not any(clip.label for clip in clips):
        raise LabelError(
            f"all {len(clips)} clips in {root} are normal; add clips of what you want to find"
        )


def _refuse_contradictions(clips: Iterable[LabelledClip]) -> None:
    seen: dict[Path, list[LabelledClip]] = {}
    for clip in clips:
        others = seen.setdefault(clip.video.resolve(), [])
        for other in others:
            if other.label != clip.label and _overlap(clip, other):
                raise LabelError(
                    f"{other.name} ({other.class_name}) and {clip.name} ({clip.class_name}) "
                    "are overlapping stretches of one file under two labels; cut them apart"
                )
        others.append(clip)


def _overlap(a: LabelledClip, b: LabelledClip) -> bool:
    def ends(c: LabelledClip) -> tuple[float, float]:
        return c.start_seconds or 0.0, math.inf if c.end_seconds is None else c.end_seconds

    (a_start, a_end), (b_start, b_end) = ends(a), ends(b)
    return max(a_start, b_start) < min(a_end, b_end)
