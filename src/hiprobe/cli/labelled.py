"""Labelled clips as commands take them: read, told apart by content, and remarked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from hiprobe.cli.session import default_cache
from hiprobe.cli.text import say
from hiprobe.datasets.clips import LabelledClip, LabelledClips, read_labelled
from hiprobe.datasets.same_content import settle_copies
from hiprobe.datasets.video_files import count_words, untimed_words
from hiprobe.store.content_hash import content_hash

_SHOWN_CLASSES = 20


def clips_of(
    path: Path,
    *,
    normal: Sequence[str],
    split: str | None,
    cached: bool,
    quiet: bool,
    both_kinds: bool = True,
) -> tuple[LabelledClip, ...]:
    """Labelled clips of a folder or a table; says what was not taken and which classes are normal.

    Raises:
        LabelError: as `read_clips`, or the same content under two labels.
    """
    found = read_labelled(path, normal=normal, split=split, both_kinds=both_kinds)
    return settled(found, cached=cached, tell=None if quiet else say)


def settled(
    found: LabelledClips, *, cached: bool, tell: Callable[[str], None] | None
) -> tuple[LabelledClip, ...]:
    """The clips with copies told apart by content; `tell` takes the sentences on them.

    Raises:
        LabelError: the same content under two labels.
    """
    digest = default_cache().content_hash if cached else partial(content_hash, remembered_in=None)
    told_apart = settle_copies(found.clips, digest=digest)
    if tell is not None:
        untimed = untimed_words({c.video for c in told_apart.clips})
        lines = [*found.remarks, *told_apart.remarks, *untimed]
        for line in [*lines, class_words(told_apart.clips)]:
            tell(line)
    return told_apart.clips


def class_words(clips: Sequence[LabelledClip]) -> str:
    """Which classes count as normal and which as abnormal, with their clips."""
    told = []
    for label, what in ((0, "normal"), (1, "abnormal")):
        counts = Counter(c.class_name for c in clips if c.label == label)
        named = [f"{n} ({count_words(counts[n], 'clip')})" for n in sorted(counts)]
        more = [f"{len(named) - _SHOWN_CLASSES} more"] if len(named) > _SHOWN_CLASSES else []
        told.append(f"counted as {what}: {', '.join([*named[:_SHOWN_CLASSES], *more]) or 'none'}")
    return "; ".join(told)
