"""What is published of one video."""

from __future__ import annotations

from dataclasses import dataclass

from hiprobe.datasets.manifest_row import Spans


@dataclass(frozen=True)
class VideoFacts:
    """Frame count, None where none is published, and half-open spans in frames from 0."""

    frame_count: int | None
    spans: Spans
