"""Result folders as `hiprobe detect` writes them, made from scores; and small videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.localize import find_events
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.timeline import Timeline
from hiprobe.video.write import write_video

SCORES = (0.1, 0.9, 0.8, 0.2, 0.6, 0.1)
"""At the threshold 0.5 the events are 1-3 s and 4-5 s."""


def write_result(
    folder: Path,
    scores: Sequence[float] = SCORES,
    *,
    name: str = "a",
    video: str = "in/a.mp4",
    truth: list[tuple[float, float]] | None = None,
    probe: dict[str, Any] | None = None,
) -> Timeline:
    score = np.array(scores, np.float64)
    start = np.arange(float(len(score)))
    events = find_events(start, start + 1, score, 0.5)
    timeline = Timeline(start, start + 1, score, score, 0.5, 0.5, events)
    folder.mkdir(exist_ok=True, parents=True)
    document = timeline_document(timeline, video=video, probe=probe or {}, truth_spans=truth)
    write_json(document, folder / f"{name}.json")
    write_json({"format": "other"}, folder / "run.json")
    return timeline


def make_clip(path: Path, *, frames: int = 50) -> Path:
    """A small H.264 video of 25 frames a second, grey levels rising."""
    pictures = (np.full((48, 64, 3), 4 * (n % 60), np.uint8) for n in range(frames))
    write_video(path, pictures, fps=25)
    return path
