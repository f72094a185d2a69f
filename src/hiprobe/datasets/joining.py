"""Untrimmed test videos out of labelled clips: which are held out, in what order, what size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import LabelError

if TYPE_CHECKING:
    from hiprobe.video.join import JoinedVideo

# Anomalous clips in a joined video, where there are enough.
EVENTS = 6

# Largest share of a class's clips that is kept from fitting.
HELD_OUT_SHARE = 0.4

# Longer side of a joined video: a demonstration needs no more.
MAX_SIDE_PIXELS = 640


@dataclass(frozen=True)
class Split:
    """Labelled clips, divided by source: the ones to fit on, and the unseen ones."""

    fit: tuple[LabelledClip, ...]
    held_out: tuple[LabelledClip, ...]


def hold_out(clips: Sequence[LabelledClip], *, seed: int, events: int = EVENTS) -> Split:
    """Keep whole sources from fitting until they give the clips that a joined video needs.

    No class gives more than `HELD_OUT_SHARE` of its clips, unless its sources are that large,
    and each keeps at least one source to fit on.

    Raises:
        LabelError: a class has fewer than two sources.
    """
    by_source: dict[str, list[LabelledClip]] = defaultdict(list)
    for clip in clips:
        by_source[clip.source].append(clip)
    order = [sorted(by_source)[i] for i in np.random.default_rng(seed).permutation(len(by_source))]
    total = Counter(c.label for c in clips)
    wanted = {
        1: max(1, min(events, int(HELD_OUT_SHARE * total[1]))),
        0: max(2, min(3 * events + 1, int(HELD_OUT_SHARE * total[0]))),
    }
    held: list[str] = []
    count: Counter[int] = Counter()
    for source in order:
        here = Counter(c.label for c in by_source[source])
        left = {label: total[label] - count[label] - here[label] for label in total}
        if any(count[v] < wanted[v] and here[v] for v in (0, 1)) and min(left.values()) > 0:
            held.append(source)
            count.update(here)
    if not count[0] or not count[1]:
        raise LabelError(
            f"{len(by_source)} sources are too few: each class needs at least two, one to fit on "
            "and one that is unseen; add clips, or check the column `source`"
        )
    fit = tuple(c for c in clips if c.source not in held)
    return Split(fit, tuple(c for c in clips if c.source in held))


def joining_order(
    clips: Sequence[LabelledClip], *, seed: int, events: int = EVENTS
) -> tuple[LabelledClip, ...]:
    """Normal clips with single events between them.

    A cut is itself a change, so cuts from normal to normal should be as frequent as those from
    normal to an event: k events take 3k+1 normal clips, which gives 2k cuts that border an
    event and 2k that do not. With fewer normal clips there are fewer of both.

    Raises:
        LabelError: no event, or no normal clip.
    """
    # Other numbers than those of `hold_out`, which draws with the seed itself.
    rng = np.random.default_rng(seed + 1)
    shuffled = [clips[i] for i in rng.permutation(len(clips))]
    normal = [c for c in shuffled if not c.label]
    anomalous = [c for c in shuffled if c.label]
    k = min(events, len(anomalous), max(1, (len(normal) - 1) // 3))
    if not anomalous or len(normal) < 2:
        raise LabelError(
            f"{len(normal)} normal and {len(anomalous)} anomalous clips can be joined; at least "
            "two and one are needed"
        )
    normal = normal[: 3 * k + 1]
    bounds = np.linspace(0, len(normal), k + 2).round().astype(int)
    order: list[LabelledClip] = []
    for number in range(k + 1):
        order += normal[bounds[number] : bounds[number + 1]]
        order += anomalous[number : number + 1] if number < k else []
    return tuple(order)


def join_labelled(clips: Sequence[LabelledClip], path: Path) -> JoinedVideo:
    """Join clips in their order, at the size and rate that most of them have.

    Raises:
        VideoError: a clip cannot be read; nothing is written then.
    """
    from hiprobe.video.join import JoinPart, join_clips

    width, height, fps = common_shape(c.video for c in clips)
    parts = [
        JoinPart(c.video, c.label, c.source, c.name, c.start_seconds, c.end_seconds) for c in clips
    ]
    # Black bars would show which source a part comes from.
    return join_clips(parts, path, width=width, height=height, fps=fps, fit="crop")


def common_shape(videos: Iterable[Path]) -> tuple[int, int, Fraction]:
    """The most frequent size, evened and scaled down, and the median frame rate."""
    from hiprobe.video.video_info import video_info

    infos = [video_info(v) for v in videos]
    (width, height), _ = Counter((i.width, i.height) for i in infos).most_common(1)[0]
    scale = min(1.0, MAX_SIDE_PIXELS / max(width, height))
    rates = [i.fps_from_header for i in infos if i.fps_from_header]
    # Headers say 29.97 or 30.02: at a whole rate every cut lies on a frame with an exact time.
    fps = Fraction(round(float(np.median(rates)))) if rates else Fraction(25)
    return _even(width * scale), _even(height * scale), max(Fraction(1), fps)


def _even(pixels: float) -> int:
    # H.264 stores colours at half the size, so sides must be even.
    return max(2, round(pixels / 2) * 2)
