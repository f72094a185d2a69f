"""Provenance: how videos became states, as far as a fingerprint does not say it.

A fingerprint decides whether two states can be compared. To read another video in the same way one
must also know how videos were cut into segments, and where the backbone is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES, SEGMENT_FRAMES
from hiprobe.spec import BackboneSpec

MAX_SIDE_PIXELS = 1280
"""Key frames are shrunk to this longer side: backbones look at far less, memory holds them."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How some videos were read. It goes with their states, and into the probe fitted on them.

    Attributes:
        backbone: name or folder and how it was opened, without prompt, layer and device, which
            are not needed to find it again; None where it was not opened through a spec.
        segment_frames: frames of a segment; not used where `segment_seconds` is given.
        segment_seconds: length of a segment in seconds; None for a number of frames.
        key_frames: K, frames shown to the backbone for one segment or clip.
        max_side_pixels: key frames were shrunk to this longer side; None for as they are.

    Raises:
        UsageError: a number is out of its range.
    """

    backbone: BackboneSpec | None = None
    segment_frames: int = SEGMENT_FRAMES
    segment_seconds: float | None = None
    key_frames: int = KEY_FRAMES
    max_side_pixels: int | None = MAX_SIDE_PIXELS

    def __post_init__(self) -> None:
        if self.backbone is not None:
            found = replace(self.backbone, prompt=None, cut_at_layer=None, device=None)
            object.__setattr__(self, "backbone", found)
        counts = [self.segment_frames, self.key_frames, self.max_side_pixels or 1]
        seconds = 1.0 if self.segment_seconds is None else self.segment_seconds
        if min(counts) < 1 or not 0 < seconds < float("inf"):
            raise UsageError(f"videos cannot have been cut into {self.cut_words()}")

    def segment_words(self) -> str:
        """Length of a segment, in words."""
        seconds = self.segment_seconds
        return f"{self.segment_frames} frames" if seconds is None else f"{seconds:g} s"

    def cut_words(self) -> str:
        """How videos were cut, in words."""
        side = self.max_side_pixels
        shrunk = "whole pictures" if side is None else f"pictures of at most {side} pixels"
        return f"segments of {self.segment_words()} with {self.key_frames} key frames, {shrunk}"

    def is_cut_as(self, other: Provenance) -> bool:
        """Whether videos were cut in the same way; the backbone is the fingerprint's matter."""
        return self.cut_words() == other.cut_words()

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it lacks or distorts something.
        """
        backbone, seconds = document["backbone"], document["segment_seconds"]
        side = document["max_side_pixels"]
        try:
            return cls(
                backbone=None if backbone is None else BackboneSpec(**_texts(backbone)),
                segment_frames=int(document["segment_frames"]),
                segment_seconds=None if seconds is None else float(seconds),
                key_frames=int(document["key_frames"]),
                max_side_pixels=None if side is None else int(side),
            )
        except UsageError as error:
            raise ValueError(str(error)) from error


def _texts(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec that are kept, all of them texts."""
    wrong = [n for n, v in backbone.items() if not (v is None or isinstance(v, str))]
    if wrong:
        raise TypeError(f"backbone {wrong[0]} is {backbone[wrong[0]]!r}, not a text")
    return dict(backbone)
