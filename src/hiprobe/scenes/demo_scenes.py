"""The clips and the video of the demonstration."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.scenes.kinds import DEMO_ANOMALOUS, DEMO_NORMAL, DEMO_SEEDS
from hiprobe.scenes.render import Scene, render_scene
from hiprobe.segment import Frame

FPS = 24.0
SIZE = (320, 240)


@dataclass(frozen=True)
class Part:
    """One stretch of the untrimmed video: a scene of its own, with an event or without."""

    kind: str
    seconds: float
    event: tuple[float, float] | None


def write_demo_clips(
    folder: Path | str, *, clips_per_class: int = 12, seed: int = DEMO_SEEDS.start,
    seconds: float = 3.0,
) -> Path:  # fmt: skip
    """Write `normal/*.mp4`, `abnormal/*.mp4` and `clips.csv` (video, label, source).

    Each clip is a scene of its own seed and counts as its own source. In an abnormal clip the
    event fills the clip but for its first moments. Returns the path of the table.

    Raises:
        UsageError: fewer than one clip per class, or a seed outside DEMO_SEEDS.
        StorageError: the folder cannot be written.
    """
    if clips_per_class < 1:
        raise UsageError(f"clips_per_class is {clips_per_class}; take at least 1")
    rows = []
    for label, kinds in (("normal", DEMO_NORMAL), ("abnormal", DEMO_ANOMALOUS)):
        for number in range(clips_per_class):
            kind = kinds[number % len(kinds)]
            name = f"{label}/{kind}_{number:02d}.mp4"
            offset = number + (clips_per_class if label == "abnormal" else 0)
            _write_scene(Path(folder) / name, kind, seed + offset, seconds)
            rows.append((name, label, f"{kind}_{number:02d}"))
    return _write_table(Path(folder) / "clips.csv", rows)


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
    from hiprobe.video.write import write_video

    parts = plan_parts(seed)
    write_video(path, _frames(parts, seed), fps=FPS)
    return spans_of(parts)


def plan_parts(seed: int) -> tuple[Part, ...]:
    """The stretches of the untrimmed video, in order: about 50 seconds, three events."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(DEMO_ANOMALOUS))
    parts = [Part(DEMO_NORMAL[0], float(rng.integers(5, 8)), None)]
    for number in order.tolist():
        before, lasts, after = (float(x) for x in rng.integers((2, 4, 2), (5, 7, 4)))
        event = (before, before + lasts)
        parts.append(Part(DEMO_ANOMALOUS[number], before + lasts + after, event))
        parts.append(Part(str(rng.choice(DEMO_NORMAL)), float(rng.integers(4, 7)), None))
    return tuple(parts)


def spans_of(parts: tuple[Part, ...]) -> tuple[tuple[float, float], ...]:
    """The events of the joined parts, half-open, in seconds from the start of the video."""
    spans, clock = [], 0.0
    for part in parts:
        if part.event is not None:
            spans.append((clock + part.event[0], clock + part.event[1]))
        clock += part.seconds
    return tuple(spans)


def cuts_of(parts: tuple[Part, ...]) -> tuple[float, ...]:
    """Moments at which one part ends and the next begins, in seconds."""
    return tuple(accumulate(part.seconds for part in parts[:-1]))


def _frames(parts: tuple[Part, ...], seed: int) -> Iterator[Frame]:
    for number, part in enumerate(parts):
        yield from _scene(part.kind, seed + number, part.seconds, part.event).frames


def _scene(kind: str, seed: int, seconds: float, event: tuple[float, float] | None) -> Scene:
    return render_scene(
        kind, seed=seed, frame_count=round(seconds * FPS), size=SIZE, fps=FPS, moments=event
    )


def _write_scene(path: Path, kind: str, seed: int, seconds: float) -> None:
    from hiprobe.video.write import write_video

    event = (0.4, seconds) if kind in DEMO_ANOMALOUS else None
    write_video(path, _scene(kind, seed, seconds, event).frames, fps=FPS)


def _write_table(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    from hiprobe.store.atomic import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("video", "label", "source"))
        writer.writerows(rows)
    return path
