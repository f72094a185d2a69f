"""How videos are read: one value that passes through all stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.provenance import MAX_SIDE_PIXELS, Provenance
from hiprobe.segment import check_segment_seconds
from hiprobe.spec import spec_of
from hiprobe.states import READINGS, Reading, layer_numbers

GAP_RULE = 1
"""Counted up when segments of videos with gaps are cut in another way (`hiprobe.video.times`)."""

BATCH_SEGMENTS = 4
"""Segments per forward pass where nothing else is asked for."""

CHECKPOINT_SEGMENTS = 64
"""Segments after which the states of an unfinished video are kept."""


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """What is read of every video of a run, and how.

    Attributes:
        segment_frames: frames of a segment; not used where `segment_seconds` is given.
        segment_seconds: length of a segment in seconds, for cameras of few frames a second.
        key_frames: K, frames shown to the backbone for one segment or clip.
        max_side_pixels: key frames are shrunk to this longer side; None keeps them as they are.
        layers: layer numbers, None for 1..L.
        readings: positions at which the layers are read, in one pass.
        batch_segments: segments per forward pass; halved when memory runs out.
        checkpoint_segments: segments after which an unfinished video's states are kept.

    Raises:
        UsageError: a number is out of its range, or a reading is unknown.
    """

    segment_frames: int = SEGMENT_FRAMES
    segment_seconds: float | None = None
    key_frames: int = KEY_FRAMES
    max_side_pixels: int | None = MAX_SIDE_PIXELS
    layers: Sequence[int] | None = None
    readings: tuple[Reading, ...] = ("last",)
    batch_segments: int = BATCH_SEGMENTS
    checkpoint_segments: int = CHECKPOINT_SEGMENTS

    def __post_init__(self) -> None:
        for name in ("segment_frames", "key_frames", "batch_segments", "checkpoint_segments"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.max_side_pixels is not None and self.max_side_pixels < 1:
            raise UsageError(f"max_side_pixels is {self.max_side_pixels}; give 1 or more")
        check_segment_seconds(self.segment_seconds)
        if not self.readings or set(self.readings) - set(READINGS):
            raise UsageError(f"readings {list(self.readings)}: choose one or more of {READINGS}")

    @classmethod
    def like(cls, provenance: Provenance | None) -> Self:
        """Settings that cut videos as those of a provenance were; the defaults without one."""
        if provenance is None:
            return cls()
        return cls(
            segment_frames=provenance.segment_frames,
            segment_seconds=provenance.segment_seconds,
            key_frames=provenance.key_frames,
            max_side_pixels=provenance.max_side_pixels,
        )

    def provenance(self, backbone: object) -> Provenance:
        """What goes with the states that a backbone gives under these settings."""
        return Provenance(
            backbone=spec_of(backbone),
            segment_frames=self.segment_frames,
            segment_seconds=self.segment_seconds,
            key_frames=self.key_frames,
            max_side_pixels=self.max_side_pixels,
        )

    def layers_of(self, layer_count: int) -> tuple[int, ...]:
        """The layers to read of a backbone with `layer_count` layers, ascending, each once.

        Raises:
            UsageError: it does not have one of them.
        """
        wanted = range(1, layer_count + 1) if self.layers is None else self.layers
        chosen = tuple(sorted(set(layer_numbers(wanted))))
        if not chosen or not 0 <= chosen[0] <= chosen[-1] <= layer_count:
            raise UsageError(
                f"layers {list(chosen)} are not within 0..{layer_count} of this backbone"
            )
        return chosen

    def cut(self, unit: str, stretch: Stretch) -> dict[str, str | int | float | None]:
        """What of it decides the frames that the backbone sees: part of the cache key."""
        # The key frames of a whole clip have no part in the rule of gaps: its key stays as it is.
        rule: dict[str, str | int | float | None] = {"gaps": GAP_RULE} if unit == "segments" else {}
        return self.cut_without_gaps(unit, stretch) | rule

    def cut_without_gaps(self, unit: str, stretch: Stretch) -> dict[str, str | int | float | None]:
        """The same before segments were cut at gaps, under which older states are kept."""
        by_frames = unit == "segments" and self.segment_seconds is None
        return {
            "unit": unit,
            "key_frames": self.key_frames,
            "start_seconds": stretch.start_seconds,
            "end_seconds": stretch.end_seconds,
            "max_side_pixels": self.max_side_pixels,
            "segment_frames": self.segment_frames if by_frames else None,
            "segment_seconds": self.segment_seconds if unit == "segments" else None,
        }


DEFAULTS = ExtractionSettings()


@dataclass(frozen=True)
class Stretch:
    """A half-open part of a video in seconds; None is an open end."""

    start_seconds: float | None = None
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if not 0 <= start < math.inf or (end is not None and not end > start):
            raise UsageError(
                f"the stretch from {self.start_seconds} to {end} s is empty or before the start; "
                "give 0 <= start < end"
            )


WHOLE = Stretch()
