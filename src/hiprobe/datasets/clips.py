"""Labelled clips: a folder of class subfolders, or a table. No picture is decoded here."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.datasets.stretches import FrameTimes, stretch_of_row
from hiprobe.datasets.table_text import TableRow, TextTable, read_table
from hiprobe.datasets.video_files import count_words, look_into, skip_own, skipped_words
from hiprobe.datasets.video_tables import meant_by, unused_words, video_and_class
from hiprobe.errors import LabelError, UsageError
from hiprobe.names import is_address, path_text, why_no_file
from hiprobe.objects import exists, folders_in, is_folder

SPLIT_CHOICES = ("train", "val", "test", "all")

# Label of a clip as read, until its class is known to be normal or not.
_NOT_STATED = -1


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
        split: of its data set, as the table says it; empty where it says none.
    """

    video: Path
    label: int
    class_name: str
    source: str
    start_seconds: float | None
    end_seconds: float | None
    name: str
    split: str = ""


@dataclass(frozen=True)
class LabelledClips:
    """Labelled clips as read, and what their reader should say about them.

    Attributes:
        remarks: sentences on columns, rows and files that were not taken, and on odd class names.
    """

    clips: tuple[LabelledClip, ...]
    remarks: tuple[str, ...] = ()

    def classes(self, label: int) -> tuple[str, ...]:
        """Names of the classes that count as normal (0) or as abnormal (1), sorted."""
        return tuple(sorted({c.class_name for c in self.clips if c.label == label}))


def read_clips(
    path: Path | str,
    *,
    normal: str | Sequence[str] | None = None,
    split: str | None = None,
    both_kinds: bool = True,
) -> tuple[LabelledClip, ...]:
    """Labelled clips of a folder or a table, in a fixed order, checked before any decoding.

    A folder holds one subfolder per class (`normal/`, `abnormal/`, or any names); hidden files,
    files without a video's ending and what HiProbe wrote are ignored. A folder with a
    `manifest.csv` is read from that table. A table has the columns
    `video,label[,source][,start_seconds,end_seconds]`, or `start_frame,end_frame` for stretches in
    frames, half-open and counted from 0; its paths are relative to it. Without a source, each file
    is its own. A manifest of `hiprobe data` (CSV or Parquet) is such a table: its label is 0 or 1
    next to the name of a class.

    Args:
        path: folder, CSV file or Parquet manifest.
        normal: name of the normal class, or several; None takes labels 0 of a manifest, and
            recognises `NORMAL_NAMES`.
        split: rows of a table's `split` to take: "train", "val", "test" or "all"; None takes the
            train split where there is one, else all.
        both_kinds: refuse clips of one kind only; False where they extend others.

    Raises:
        LabelError: nothing there, unreadable table, no or only normal clips, or overlapping
            stretches of one file under two labels.
        UsageError: no such split.
    """
    return read_labelled(path, normal=normal, split=split, both_kinds=both_kinds).clips


def read_labelled(
    path: Path | str,
    *,
    normal: str | Sequence[str] | None = None,
    split: str | None = None,
    both_kinds: bool = True,
) -> LabelledClips:
    """`read_clips`, and sentences on what was not taken.

    Args:
        path, normal, split, both_kinds: as `read_clips`.

    Raises:
        As `read_clips`.
    """
    root = Path(path)
    found = _read(root)
    if not found.clips:
        raise LabelError(
            f"{root} holds no videos; expected class subfolders such as normal/ and abnormal/ "
            "with videos, or a CSV with the columns video,label"
            + "".join(f" ({remark})" for remark in found.remarks)
        )
    rows, left_out = _of_split(found.clips, split, root)
    aside = "".join(f" ({remark})" for remark in left_out)
    normal_classes = _normal_classes(rows, normal)
    if both_kinds and not normal_classes:
        given = (normal,) if isinstance(normal, str) else tuple(normal or ())
        remedy = "name it with --normal NAME"
        if given:
            remedy = f"{' and '.join(map(repr, given))} is not one of them"
        raise LabelError(
            f"no normal class among {', '.join(sorted({r.class_name for r in rows}))} in {root}: "
            f"{remedy}; a probe needs clips of both kinds{aside}"
        )
    clips = tuple(replace(r, label=int(r.class_name not in normal_classes)) for r in rows)
    # Asked here, before anything is decoded: a fit would fail on it after an hour of reading.
    if both_kinds and not any(clip.label for clip in clips):
        raise LabelError(
            f"all {len(clips)} clips in {root} are normal; add clips of what you want to find"
            f"{aside}"
        )
    refuse_contradictions(clips)
    odd = sorted({c.class_name for c in clips if c.label and says_normal(c.class_name)})
    warnings = (
        f"warning: the class {name} counts as abnormal, though its name says normal; if it is, "
        f"give --normal {name!r} (several times for several classes)"
        for name in odd
    )
    return LabelledClips(clips, (*found.remarks, *left_out, *warnings))


def _read(root: Path) -> LabelledClips:
    """All clips of a folder or a table, with the labels that a table states.

    Raises:
        LabelError: nothing there, or a table that cannot be read.
    """
    if is_folder(root):
        table = root / "manifest.csv"
        return _of_table(table) if exists(table) else _of_folder(root)
    if not exists(root):
        wrong = why_no_file(root) or f"{root} does not exist"
        raise LabelError(f"{wrong}; give a folder of clips or a CSV file")
    if root.suffix.lower() != ".parquet":
        return _of_table(root)
    from hiprobe.datasets.manifest import manifest_clips, read_parquet

    clips = manifest_clips(read_parquet(root))
    return LabelledClips(tuple(replace(c, name=path_text(c.video)) for c in clips))


def _of_folder(root: Path) -> LabelledClips:
    inside = {folder: look_into(folder) for folder in folders_in(root)}
    found = [(video, folder) for folder, held in inside.items() for video in held.videos]
    own: list[str] = []
    # annotated videos that HiProbe wrote show the same clip again, with the answer drawn into it
    taken = set(skip_own(found, say=own.append))
    clips = []
    for video, folder in found:
        if video in taken:
            name = path_text(video.relative_to(root).as_posix())
            class_name = path_text(folder.name)
            clips.append(LabelledClip(video, _NOT_STATED, class_name, name, None, None, name))
    skipped = [path for each in inside.values() for path in each.skipped]
    return LabelledClips(tuple(clips), (*skipped_words(skipped), *own))


def _of_table(path: Path) -> LabelledClips:
    table = read_table(path)
    missing = [name for name in ("video", "label") if name not in table.columns]
    if missing:
        near = [c for c in table.columns if set(meant_by(c)) & set(missing)]
        hint = f"; is {' or '.join(near)} what is meant by {' and '.join(missing)}?" if near else ""
        raise LabelError(
            f"{path} lacks the column {' and '.join(missing)}; its first line must be "
            "video,label[,source][,start_seconds,end_seconds], found "
            f"{','.join(table.columns) or '-'}{hint}"
        )
    times = FrameTimes()
    clips = tuple(_of_row(row, table, times) for row in table.rows)
    return LabelledClips(clips, (*unused_words(table.columns, path), *times.remarks))


def _of_row(row: TableRow, table: TextTable, times: FrameTimes) -> LabelledClip:
    where, text = table.where(row), row.cells["video"]
    video, class_name, label = video_and_class(row, table, class_is_enough=False)
    if is_address(text):
        raise LabelError(f"{where}: {why_no_file(text)}")
    start, end = stretch_of_row(row.cells, video, times, where=where)
    span = ""
    if start is not None or end is not None:
        span = f" [{start or 0:g}, {'end' if end is None else f'{end:g} s'})"
    return LabelledClip(
        video=video,
        label=_NOT_STATED if label is None else label,
        class_name=class_name,
        source=row.cells.get("source", "") or text,
        start_seconds=start,
        end_seconds=end,
        name=text + span,
        split=row.cells.get("split", "").lower(),
    )


def _of_split(
    clips: Sequence[LabelledClip], split: str | None, root: Path
) -> tuple[Sequence[LabelledClip], list[str]]:
    """Clips of the split, and a sentence on the others."""
    if split is not None and split not in SPLIT_CHOICES:
        raise UsageError(f"split {split!r} is unknown; choose one of {', '.join(SPLIT_CHOICES)}")
    counts = Counter(clip.split for clip in clips)
    # Fitting on test videos by accident would spoil every figure on them.
    wanted = split or ("train" if counts["train"] else "all")
    if wanted == "all":
        return clips, []
    taken = [clip for clip in clips if clip.split == wanted]
    if not taken:
        there = ", ".join(sorted(s for s in counts if s)) or "none"
        raise LabelError(f"{root} has no rows of the split {wanted}; its splits are {there}")
    others = ", ".join(
        f"{n} {s or 'without a split'}" for s, n in sorted(counts.items()) if s != wanted
    )
    if not others:
        return taken, []
    return taken, [
        f"taken: {count_words(len(taken), 'clip')} of the split {wanted}; left out: {others}; "
        "choose with --split"
    ]


def _normal_classes(clips: Sequence[LabelledClip], normal: str | Sequence[str] | None) -> set[str]:
    """Classes that are normal: those that the user names, else by stated labels, else by name."""
    names = {clip.class_name for clip in clips}
    given = (normal,) if isinstance(normal, str) else normal or ()
    wanted = {name.strip().casefold() for name in given}
    if wanted:
        return {n for n in names if n.casefold() in wanted}
    # a label that a table states is not guessed again from the name of its class
    stated = {clip.class_name: clip.label for clip in clips if clip.label != _NOT_STATED}
    return {n for n in names if not stated.get(n, int(not looks_normal(n)))}


def refuse_contradictions(clips: Iterable[LabelledClip]) -> None:
    """Refuse overlapping stretches of one file under two labels.

    Raises:
        LabelError: there are such stretches.
    """
    seen: dict[Path, list[LabelledClip]] = {}
    for clip in clips:
        # Two paths of one file, by a link, are one file.
        others = seen.setdefault(clip.video.resolve(), [])
        for other in others:
            if other.label != clip.label and overlap(clip, other):
                raise LabelError(
                    f"{other.name} ({other.class_name}) and {clip.name} ({clip.class_name}) "
                    "are one file, or overlapping stretches of it, under two labels; cut them apart"
                )
        others.append(clip)


def overlap(a: LabelledClip, b: LabelledClip) -> bool:
    """Whether two stretches, taken of one file, share any time."""

    def ends(c: LabelledClip) -> tuple[float, float]:
        return c.start_seconds or 0.0, math.inf if c.end_seconds is None else c.end_seconds

    (a_start, a_end), (b_start, b_end) = ends(a), ends(b)
    return max(a_start, b_start) < min(a_end, b_end)


# Class names taken as normal where none is given, compared without case, spaces, - and _. A name
# that begins with "normal", or has it as a word of its own, counts too. Every other class is
# anomalous.
NORMAL_NAMES = frozenset(
    (
        "0",
        "normal",
        "nofight",
        "nonfight",
        "noviolence",
        "nonviolence",
        "nocrash",
        "noncrash",
        "noaccident",
        "nonaccident",
        "noanomaly",
        "nonanomaly",
        "nonanomalous",
        "noevent",
        "negative",
        "neg",
        "ok",
        "good",
        "none",
        "no",
        "false",
        "safe",
        "background",
        "nochoques",
        "bdnochoques",
        "nofire",
        "nonfire",
    )
)

_NEGATIONS = frozenset(("no", "not", "non", "un", "ab", "anti", "sub", "para", "never"))


def looks_normal(name: str) -> bool:
    """Whether a class name says that nothing happens: see `NORMAL_NAMES`.

    Published folders are among them: `Normal_Videos_event`, `Training_Normal_Videos_Anomaly` and
    `Training-Normal-Videos-Part-1` of UCF-Crime, `MSAD_normal_training`, `NonFight`, `noCrash`,
    `BD_no_choques`.
    """
    plain = re.sub(r"[\s_-]+", "", name).casefold()
    return plain in NORMAL_NAMES or plain.startswith("normal") or _has_word_normal(name)


def says_normal(name: str) -> bool:
    """Whether "normal" is in a name that is not just "abnormal" in some form."""
    return "normal" in re.sub(r"ab[\s_-]*normal", "", name, flags=re.IGNORECASE).casefold()


def _has_word_normal(name: str) -> bool:
    """`Training_Normal_Videos_Anomaly` and `trainNormal`, but not `not normal`."""
    words = [w.casefold() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    pairs = zip(["", *words], words, strict=False)
    return any(w == "normal" and before not in _NEGATIONS for before, w in pairs)
