"""Untrimmed test videos joined from clips that the fit has not seen, kept with their truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.joining import common_shape, joining_order
from hiprobe.errors import LabelError
from hiprobe.evaluation.to_frames import seconds_to_frames
from hiprobe.reproduce.extraction import Extraction
from hiprobe.reproduce.frame_test import Part, TestVideo
from hiprobe.store.atomic import atomic_path
from hiprobe.store.documents import read_json
from hiprobe.store.schemas import JoinedFacts
from hiprobe.video.join import JoinPart, join_clips
from hiprobe.video.write import as_rate

EVENTS = 6
"""Most anomalous clips in one joined video."""


@dataclass(frozen=True)
class Joining:
    """Where joined videos of one data set are kept, and how they are read."""

    extraction: Extraction
    folder: Path
    key_frames: int

    def video(self, clips: Sequence[LabelledClip], *, name: str, seed: int) -> TestVideo | None:
        """One video of clips of both kinds; None where there are too few of a kind.

        As many cuts lie between normal clips as at events, since a cut is itself a change.

        Raises:
            VideoError: a clip cannot be read.
        """
        try:
            ordered = joining_order(clips, seed=seed, events=EVENTS)
        except LabelError:
            return None
        return self._kept(ordered, name)

    def normal_video(self, clips: Sequence[LabelledClip], *, name: str) -> TestVideo | None:
        """One video of normal clips only; None where there are fewer than two."""
        ordered = tuple(c for c in clips if not c.label)
        return self._kept(ordered, name) if len(ordered) > 1 else None

    def path(self, name: str) -> Path:
        """The file of a joined video."""
        return self.folder / f"{name}.mp4"

    def _kept(self, ordered: Sequence[LabelledClip], name: str) -> TestVideo:
        names = [c.name for c in ordered]
        facts = _read(self.folder / f"{name}.json", names)
        if facts is None or not self.path(name).is_file():
            facts = _join(ordered, self.path(name))
        load: Callable[[], Any] = partial(
            self.extraction.video, self.path(name), key_frames=self.key_frames
        )
        return TestVideo(
            name=name,
            load=load,
            frames=facts["frames"],
            fps=facts["fps"],
            spans=tuple((int(a), int(b)) for a, b in facts["spans"]),
            parts=tuple(Part(*p) for p in facts["parts"]),
            joined=True,
            path=self.path(name),
        )


def _join(ordered: Sequence[LabelledClip], path: Path) -> dict[str, Any]:
    """Write the video, then its facts: without them it does not count as finished."""
    width, height, fps = common_shape(c.video for c in ordered)
    parts = [
        JoinPart(c.video, c.label, c.source, c.name, c.start_seconds, c.end_seconds)
        for c in ordered
    ]
    joined = join_clips(parts, path, width=width, height=height, fps=fps, fit="crop")
    rate = float(as_rate(fps))
    edges = [0]
    for part in joined.parts:
        edges.append(edges[-1] + part.frame_count)
    facts = {
        "clips": [c.name for c in ordered],
        "frames": edges[-1],
        "fps": rate,
        "spans": [seconds_to_frames(span, fps=rate).tolist() for span in joined.spans],
        "parts": [
            [first, end, p.part.source]
            for first, end, p in zip(edges[:-1], edges[1:], joined.parts, strict=True)
        ],
    }
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")
    return facts


def _read(path: Path, names: Sequence[str]) -> dict[str, Any] | None:
    """Facts of a finished video of just these clips."""
    try:
        facts: dict[str, Any] = read_json(path, JoinedFacts, names=True)
    except (OSError, ValueError):
        return None
    return facts if facts.get("clips") == list(names) else None
