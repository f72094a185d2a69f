"""Labelled clips: a folder of class subfolders, or a table. Nothing is decoded here."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.datasets.clip_tables import ClipRow, read_rows
from hiprobe.datasets.video_files import count_words
from hiprobe.errors import LabelError, UsageError

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
"""Class names taken as normal where none is given, compared without case, spaces, - and _.
A name that begins with "normal", or has it as a word of its own, counts too. Every other class is
anomalous."""

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


SPLIT_CHOICES = ("train", "val", "test", "all")


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

    A folder holds one subfolder per class (`normal/`, `abnormal/`, or any names); hidden files
    and files without a video's ending are passed over. A folder with a `manifest.csv` is read
    from that table. A table has the columns `video,label[,source][,start_seconds,end_seconds]`,
    or `start_frame,end_frame` for stretches in frames, half-open and counted from 0; its paths are
    relative to it. Without a source, each file is its own. A manifest of `hiprobe data` (CSV or
    Parquet) is such a table: its label is 0 or 1 beside a class.

    Args:
        path: folder, CSV file or Parquet manifest.
        normal: name of the normal class, or several; None takes labels 0 of a manifest, and
            recognises `NORMAL_NAMES`.
        split: rows of a table's `split` to take: "train", "val", "test" or "all"; None takes the
            train split where there is one, else all.
        both_kinds: refuse clips of one kind only; False where they extend others.
        say: told how many files of a folder are passed over, since HiProbe wrote them.

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
    """`read_clips`, and what was not taken.

    Raises:
        As `read_clips`.
    """
    root = Path(path)
    found = read_rows(root)
    if not found.rows:
        raise LabelError(
            f"{root} holds no videos; expected class subfolders such as normal/ and abnormal/ "
            "with videos, or a CSV with the columns video,label"
            + "".join(f" ({remark})" for remark in found.remarks)
        )
    rows, left_out = _of_split(found.rows, split, root)
    normal_classes = _normal_classes(rows, normal)
    aside = "".join(f" ({remark})" for remark in left_out)
    if both_kinds and not normal_classes:
        _refuse_no_normal({row.class_name for row in rows}, normal, root, aside)
    clips = tuple(_labelled(row, normal_classes) for row in rows)
    if both_kinds:
        _refuse_one_label(clips, root, aside)
    _refuse_contradictions(clips)
    remarks = (*found.remarks, *left_out, *_odd_names(clips))
    return LabelledClips(clips, remarks)


def _of_split(
    rows: Sequence[ClipRow], split: str | None, root: Path
) -> tuple[Sequence[ClipRow], list[str]]:
    """Rows of the split, and a sentence on the others."""
    if split is not None and split not in SPLIT_CHOICES:
        raise UsageError(f"split {split!r} is unknown; choose one of {', '.join(SPLIT_CHOICES)}")
    counts = Counter(row.split for row in rows)
    wanted = split or ("train" if counts["train"] else "all")
    if wanted == "all":
        return rows, []
    kept = [row for row in rows if row.split == wanted]
    if not kept:
        there = ", ".join(sorted(s for s in counts if s)) or "none"
        raise LabelError(f"{root} has no rows of the split {wanted}; its splits are {there}")
    others = ", ".join(
        f"{n} {s or 'without a split'}" for s, n in sorted(counts.items()) if s != wanted
    )
    if not others:
        return kept, []
    return kept, [
        f"taken: {count_words(len(kept), 'clip')} of the split {wanted}; left out: {others}; "
        "choose with --split"
    ]


def _normal_classes(rows: Sequence[ClipRow], normal: str | Sequence[str] | None) -> set[str]:
    names = {row.class_name for row in rows}
    wanted = _named(normal)
    if wanted:
        return {n for n in names if n.casefold() in wanted}
    stated = {row.class_name: row.label for row in rows if row.label is not None}
    return {n for n in names if not stated.get(n, int(not looks_normal(n)))}


def _named(normal: str | Sequence[str] | None) -> set[str]:
    several = (normal,) if isinstance(normal, str) else normal or ()
    return {name.strip().casefold() for name in several}


def _odd_names(clips: Collection[LabelledClip]) -> list[str]:
    """A sentence on each class that counts as abnormal though its name says normal."""
    names = sorted({c.class_name for c in clips if c.label and says_normal(c.class_name)})
    return [
        f"warning: the class {name} counts as abnormal, though its name says normal; if it is, "
        f"give --normal {name!r} (several times for several classes)"
        for name in names
    ]


def _refuse_no_normal(
    names: set[str], normal: str | Sequence[str] | None, root: Path, aside: str
) -> None:
    given = (normal,) if isinstance(normal, str) else tuple(normal or ())
    remedy = "name it with --normal NAME"
    if given:
        remedy = f"{' and '.join(map(repr, given))} is not one of them"
    raise LabelError(
        f"no normal class among {', '.join(sorted(names))} in {root}: {remedy}; "
        f"a probe needs clips of both kinds{aside}"
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
        split=row.split,
    )


def _refuse_one_label(clips: Sequence[LabelledClip], root: Path, aside: str) -> None:
    if not any(clip.label for clip in clips):
        raise LabelError(
            f"all {len(clips)} clips in {root} are normal; add clips of what you want to find"
            f"{aside}"
        )


def _refuse_contradictions(clips: Iterable[LabelledClip]) -> None:
    seen: dict[Path, list[LabelledClip]] = {}
    for clip in clips:
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
