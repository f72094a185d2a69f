"""What a user names on the command line: videos, folders, patterns, labelled clips."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli.console import say
from hiprobe.cli.session import default_cache
from hiprobe.datasets.video_files import count_words, untimed_words
from hiprobe.errors import UsageError
from hiprobe.names import is_address, why_no_file
from hiprobe.objects import exists, is_folder, matching
from hiprobe.store.content_hash import content_hash

if TYPE_CHECKING:
    from hiprobe.datasets.clips import LabelledClip, LabelledClips
    from hiprobe.datasets.same_content import Digest


# Takes a sentence for the user.
Tell = Callable[[str], None]


def expand_videos(
    named: Sequence[str], *, out: Path | None = None, tell: Tell | None = None
) -> list[Path]:
    """Files of all names in order, each once; a folder stands for the videos at any depth in it.

    A name without a file is kept, so that reading it gives the reason. In folders and patterns,
    files that HiProbe wrote are skipped; a file that is named itself is taken.

    Args:
        out: folder for the results of this run, which is skipped too.
        tell: is called with sentences about skipped files and missing times; None for silence.

    Raises:
        UsageError: a folder or a glob holds no video, or a name is the address of a stream.
    """
    from hiprobe.datasets.video_files import skip_own, untimed_words

    remarks: list[str] = []
    found = [file for name in named for file in _found(name, remarks)]
    kept = skip_own(found, out=out, say=remarks.append)
    if not kept:
        raise UsageError(
            f"{', '.join(named)}: HiProbe wrote everything there itself; name a file to read it"
        )
    once = list(dict.fromkeys(kept))
    if tell is not None:
        for remark in (*remarks, *untimed_words(once)):
            tell(remark)
    return once


def _found(name: str, remarks: list[str]) -> list[tuple[Path, Path | None]]:
    """Files that one name stands for, each with the folder it was found in; see `skip_own`."""
    from hiprobe.datasets.video_files import look_into

    if is_address(name):
        raise UsageError(why_no_file(name))
    path = Path(name).expanduser()
    if is_folder(path):
        inside = look_into(path)
        if not inside.videos:
            aside = "".join(f" ({remark})" for remark in inside.remarks())
            raise UsageError(f"folder {path} holds no video; give files, or another folder{aside}")
        remarks += inside.remarks()
        return [(video, path) for video in inside.videos]
    if glob.has_magic(name) and not exists(path):
        matches = matching(path)
        if not matches:
            raise UsageError(f"nothing matches {name}; check the pattern and the folder")
        return [(match, _before_magic(path)) for match in matches]
    return [(path, None)]


def _before_magic(pattern: Path) -> Path:
    """The folder that a pattern is searched in."""
    plain = takewhile(lambda part: not glob.has_magic(part), pattern.parts)
    return Path(*plain)


# Classes of each kind that are named in a line; the rest are counted. UCF-Crime has 14, and a
# mistake in `--normal` must be seen.
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

    Args:
        normal: names of the normal classes; empty to recognise them.
        split: rows of a table to take; see `read_clips`.
        cached: look up hashes of files in the cache.
        both_kinds: refuse clips of one kind only.

    Raises:
        LabelError: as `read_clips`, or the same content under two labels.
    """
    from hiprobe.datasets.clips import read_labelled

    found = read_labelled(path, normal=normal, split=split, both_kinds=both_kinds)
    return settled(found, cached=cached, tell=None if quiet else say)


def settled(
    found: LabelledClips, *, cached: bool, tell: Callable[[str], None] | None
) -> tuple[LabelledClip, ...]:
    """The clips without copies of the same content; `tell` takes the sentences about them.

    Raises:
        LabelError: the same content under two labels.
    """
    from hiprobe.datasets.same_content import settle_copies

    kept = settle_copies(found.clips, digest=digest_of(cached=cached))
    if tell is not None:
        untimed = untimed_words({c.video for c in kept.clips})
        lines = [*found.remarks, *kept.remarks, *untimed]
        for line in [*lines, class_words(kept.clips)]:
            tell(line)
    return kept.clips


def digest_of(*, cached: bool) -> Digest:
    """What hashes files: with the cache, which remembers hashes, or without."""
    return default_cache().content_hash if cached else partial(content_hash, remembered_in=None)


def class_words(clips: Sequence[LabelledClip]) -> str:
    """Which classes count as normal and which as abnormal, with their clips."""
    parts = []
    for label, what in ((0, "normal"), (1, "abnormal")):
        counts = Counter(c.class_name for c in clips if c.label == label)
        named = [f"{n} ({count_words(counts[n], 'clip')})" for n in sorted(counts)]
        more = [f"{len(named) - _SHOWN_CLASSES} more"] if len(named) > _SHOWN_CLASSES else []
        parts.append(f"counted as {what}: {', '.join([*named[:_SHOWN_CLASSES], *more]) or 'none'}")
    return "; ".join(parts)
