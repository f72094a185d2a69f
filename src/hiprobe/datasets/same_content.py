"""Clips that hold the same content, whatever they are called: copies, and states of a video.

Files are compared by their bytes. Only files of equal size can be equal, so of most sets none is
read for it; what is hashed is hashed for the cache of states anyway, and remembered there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path

from hiprobe.datasets.clips import LabelledClip, LabelledClips, overlap
from hiprobe.datasets.video_files import count_words, is_states_name
from hiprobe.errors import LabelError, StatesError, VideoError
from hiprobe.objects import stamp_of

# Pairs that a sentence names.
_SHOWN = 4

# SHA-256 of a file's content; raises VideoError where it cannot be read.
Digest = Callable[[Path], str]


def settle_copies(clips: Sequence[LabelledClip], *, digest: Digest) -> LabelledClips:
    """Clips with one source for each content, without states whose video is among them.

    A file that cannot be read is left as it is: reading it later gives the reason.

    Returns:
        The clips, and sentences on the copies that were found.

    Raises:
        LabelError: the same content, or states of it, under two labels.
    """
    contents = _contents(clips, digest)
    same: dict[str, list[LabelledClip]] = defaultdict(list)
    for clip in clips:
        if clip.video in contents:
            same[contents[clip.video].sha256].append(clip)
    extracted: set[int] = set()
    sources = _Sources()
    copies: list[tuple[LabelledClip, LabelledClip]] = []
    for group in same.values():
        for one, other in _pairs(group, sources):
            if overlap(*(_with_stretch(c, contents[c.video]) for c in (one, other))):
                _refuse_two_labels(one, other)
                states = [c for c in (one, other) if is_states_name(c.video)]
                if len(states) == 1:
                    extracted.add(id(states[0]))
                    continue
            sources.join(one.source, other.source)
            copies.append((one, other))
    kept = [replace(c, source=sources.of(c.source)) for c in clips if id(c) not in extracted]
    return LabelledClips(tuple(kept), (*_states_words(len(extracted)), *_copies_words(copies)))


def _pairs(
    group: Sequence[LabelledClip], sources: _Sources
) -> Iterator[tuple[LabelledClip, LabelledClip]]:
    """Pairs of clips of different files; clips of one file are joined to one source right away."""
    by_file: dict[Path, list[LabelledClip]] = defaultdict(list)
    for clip in group:
        by_file[clip.video].append(clip)
    for clips in by_file.values():
        for clip in clips[1:]:
            sources.join(clips[0].source, clip.source)
    for own, others in combinations(by_file.values(), 2):
        yield from product(own, others)


@dataclass(frozen=True)
class _Content:
    """What a file holds; a file of states holds a stretch of the video of that hash."""

    sha256: str
    start_seconds: float | None = None
    end_seconds: float | None = None


def _contents(clips: Iterable[LabelledClip], digest: Digest) -> Mapping[Path, _Content]:
    """What files hold, of those that may hold the same as another one."""
    files = dict.fromkeys(c.video for c in clips)
    found: dict[Path, _Content] = {}
    for file in filter(is_states_name, files):
        made = _made_from(file)
        if made is not None:
            found[file] = made
    by_size: dict[int, list[Path]] = defaultdict(list)
    for file in files:
        if is_states_name(file):
            continue
        with suppress(OSError):  # not there: whoever reads it says so
            by_size[stamp_of(file)[0]].append(file)
    for group in by_size.values():
        # States may belong to any of the videos.
        for file in group if found or len(group) > 1 else ():
            try:
                found[file] = _Content(digest(file))
            except VideoError:
                continue
    return found


def _made_from(file: Path) -> _Content | None:
    """The video that states were extracted from, and the part of it; None where nobody noted it."""
    from hiprobe.store.states_file import read_states_header, read_times

    try:
        sha256 = read_states_header(file)["notes"].get("sha256")
        times = next((t for t in read_times(file).values() if "start_seconds" in t), None)
    except (StatesError, KeyError, AttributeError, TypeError):
        return None
    if not sha256 or times is None or not len(times["start_seconds"]):
        return None
    starts, ends = times["start_seconds"], times["end_seconds"]
    # The last end is that of a frame that begins within the stretch and may reach beyond it.
    return _Content(str(sha256), float(starts[0]), float((starts[-1] + ends[-1]) / 2))


def _with_stretch(clip: LabelledClip, content: _Content) -> LabelledClip:
    if content.end_seconds is None:
        return clip
    return replace(clip, start_seconds=content.start_seconds, end_seconds=content.end_seconds)


def _refuse_two_labels(one: LabelledClip, other: LabelledClip) -> None:
    if one.label != other.label:
        mixed = is_states_name(one.video) != is_states_name(other.video)
        what = "are states and their video" if mixed else "hold the same content"
        raise LabelError(
            f"{one.name} ({one.class_name}) and {other.name} ({other.class_name}) {what} under two "
            "labels; remove one of them"
        )


class _Sources:
    """Sources joined where their clips share content; the first name of a group stands for it."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, source: str) -> str:
        while source in self._above:
            source = self._above[source]
        return source

    def join(self, one: str, other: str) -> None:
        first, second = self.of(one), self.of(other)
        if first != second:
            self._above[second] = first


def _states_words(count: int) -> list[str]:
    if not count:
        return []
    what = "belongs to a video" if count == 1 else "belong to videos"
    return [
        f"{count_words(count, 'file')} of states {what} among these clips: each counts once, read "
        "from the video"
    ]


def _copies_words(pairs: Sequence[tuple[LabelledClip, LabelledClip]]) -> list[str]:
    if not pairs:
        return []
    named = ", ".join(f"{b.name} = {a.name}" for a, b in pairs[:_SHOWN])
    more = ", ..." if len(pairs) > _SHOWN else ""
    return [
        f"the same content more than once: {named}{more}; copies share a source, so that no fold "
        "fits on one and tests on the other"
    ]
