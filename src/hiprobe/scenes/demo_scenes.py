"""The clips and the video of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.scenes.render import Scene, set_scene
from hiprobe.scenes.stories import DEMO_ABNORMAL, DEMO_NORMAL, DEMO_SEEDS
from hiprobe.scenes.story import SceneKind
from hiprobe.store.text_files import write_table
from hiprobe.video.write import write_video

# A second is a segment of 24 frames, so that events given in seconds fill whole segments.
FPS = 24.0
SIZE = (320, 240)


@dataclass(frozen=True)
class DemoPart:
    """One stretch of the untrimmed video: a scene of its own, with an event or without."""

    kind: SceneKind
    seconds: float
    event: tuple[float, float] | None


def write_demo_clips(
    folder: Path | str, *, clips_per_class: int = 12, seed: int = DEMO_SEEDS.start,
    seconds: float = 3.0,
) -> Path:  # fmt: skip
    """Write `normal/*.mp4`, `abnormal/*.mp4` and `clips.csv` (video, label, source).

    Each clip is a scene of its own seed and counts as its own source. In an abnormal clip the
    event fills the clip but for its first moments. Returns the path of the table.

    Args:
        clips_per_class: how many normal ones, and as many abnormal ones.
        seed: of the first clip; the others follow it.
        seconds: length of a clip.

    Raises:
        UsageError: fewer than one clip per class, or a seed outside DEMO_SEEDS.
        StorageError: the folder cannot be written.
    """
    if clips_per_class < 1:
        raise UsageError(f"clips_per_class is {clips_per_class}; take at least 1")
    rows: list[tuple[str, str, str]] = []
    for label, kinds in (("normal", DEMO_NORMAL), ("abnormal", DEMO_ABNORMAL)):
        for number in range(clips_per_class):
            # In turn, so that each kind of scene has as many clips as any other.
            kind = kinds[number % len(kinds)]
            source = f"{kind.name}_{number:02d}"
            scene = _scene(kind, seed + len(rows), seconds, (0.4, seconds) if kind.label else None)
            write_video(Path(folder) / label / f"{source}.mp4", scene.frames(), fps=FPS)
            rows.append((f"{label}/{source}.mp4", label, source))
    table = Path(folder) / "clips.csv"
    write_table(table, ("video", "label", "source"), rows)
    return table


def write_demo_video(
    path: Path | str, *, seed: int = DEMO_SEEDS.start + 500_000
) -> tuple[tuple[float, float], ...]:
    """Write one untrimmed video of about 50 seconds; returns its events in seconds.

    Normal stretches stand between three events, each event inside a longer scene that begins
    and ends normally, so that no event starts at a cut.

    Raises:
        UsageError: a seed outside DEMO_SEEDS.
        StorageError: the video cannot be written.
    """
    parts = plan_parts(seed)
    # One scene at a time: the frames of all of them would take hundreds of megabytes.
    scenes = (_scene(p.kind, seed + i, p.seconds, p.event) for i, p in enumerate(parts))
    write_video(path, chain.from_iterable(scene.frames() for scene in scenes), fps=FPS)
    return spans_of(parts)


def plan_parts(seed: int) -> tuple[DemoPart, ...]:
    """The stretches of the untrimmed video, in order: about 50 seconds, three events."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(DEMO_ABNORMAL))
    parts = [DemoPart(DEMO_NORMAL[0], float(rng.integers(5, 8)), None)]
    for number in order.tolist():
        before, lasts, after = (float(x) for x in rng.integers((2, 4, 2), (5, 7, 4)))
        event = (before, before + lasts)
        parts.append(DemoPart(DEMO_ABNORMAL[number], before + lasts + after, event))
        parts.append(
            DemoPart(DEMO_NORMAL[rng.choice(len(DEMO_NORMAL))], float(rng.integers(4, 7)), None)
        )
    return tuple(parts)


def spans_of(parts: tuple[DemoPart, ...]) -> tuple[tuple[float, float], ...]:
    """The events of the joined parts, half-open, in seconds from the start of the video."""
    spans, clock = [], 0.0
    for part in parts:
        if part.event is not None:
            spans.append((clock + part.event[0], clock + part.event[1]))
        clock += part.seconds
    return tuple(spans)


def cuts_of(parts: tuple[DemoPart, ...]) -> tuple[float, ...]:
    """Moments at which one part ends and the next begins, in seconds."""
    return tuple(accumulate(part.seconds for part in parts[:-1]))


def _scene(kind: SceneKind, seed: int, seconds: float, event: tuple[float, float] | None) -> Scene:
    frame_count = round(seconds * FPS)
    return set_scene(kind, seed=seed, frame_count=frame_count, size=SIZE, fps=FPS, moments=event)
