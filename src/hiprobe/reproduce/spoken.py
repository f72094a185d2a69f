"""What the backbone itself says about the videos of figure 6, word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiprobe.pipeline import explain
from hiprobe.report.words import format_seconds
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.frame_test import TestVideo
from hiprobe.timeline import Timeline

MOST_EVENTS = 4
"""Words cost far more than scores; the highest events are described."""


def words_about(bench: Bench, video: TestVideo, timeline: Timeline) -> list[str]:
    """A sentence for each described stretch; none where only states are there. Kept."""
    if video.path is None:
        return []
    path = video.path
    highest = sorted(timeline.events, key=lambda e: -e.peak)[:MOST_EVENTS]
    events = tuple(sorted(highest, key=lambda e: e.start_seconds))

    def compute() -> list[list[Any]]:
        with bench.extraction.listen(f"words about {video.name}") as progress:
            told = explain(
                replace(timeline, events=events),
                path,
                backbone=bench.extraction.backbone,
                progress=progress,
            )
        return [
            [e.kind, e.start_seconds, e.end_seconds, e.words or e.reason or ""]
            for e in told.explanations
        ]

    key = {
        "words": video.name,
        "backbone": bench.extraction.backbone.fingerprint.digest,
        "events": [[e.start_seconds, e.end_seconds, e.peak_seconds] for e in events],
    }
    return [_sentence(*one) for one in bench.kept.piece(key, compute)]


def _sentence(kind: str, start_seconds: float, end_seconds: float, text: str) -> str:
    named = {"event": "detected", "normal": "normal stretch beside it", "summary": "whole video"}
    times = f"{format_seconds(start_seconds)} to {format_seconds(end_seconds)}"
    return f'{named.get(kind, kind)}, {times}: "{" ".join(text.split())}"'
