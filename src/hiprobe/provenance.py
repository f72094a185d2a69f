"""Provenance: how videos became states, as far as a fingerprint does not say it.

A fingerprint decides whether two states can be compared. To read another video in the same way one
must also know how videos were cut into segments, and where the backbone is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from hiprobe.errors import UsageError
from hiprobe.segment import Cut
from hiprobe.spec import BackboneSpec


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How some videos were read. It goes with their states, and into the probe fitted on them.

    Attributes:
        backbone: name or folder and how it was opened, without prompt, layer and device, which
            are not needed to find it again; None where it was not opened through a spec.
        cut: how the videos were cut into segments.
        skip_still: whether segments in which nothing changed have the state of one before them.
    """

    backbone: BackboneSpec | None = None
    cut: Cut = field(default_factory=Cut)
    skip_still: bool = False

    def __post_init__(self) -> None:
        if self.backbone is not None:
            found = replace(self.backbone, prompt=None, cut_at_layer=None, device=None)
            object.__setattr__(self, "backbone", found)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary of JSON values."""
        backbone = None if self.backbone is None else asdict(self.backbone)
        return {"backbone": backbone, **asdict(self.cut), "skip_still": self.skip_still}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it lacks or distorts something.
        """
        backbone, seconds = document["backbone"], document["segment_seconds"]
        side = document["max_side_pixels"]
        # Documents from before hops were known do not have these.
        hop_frames, hop_seconds = document.get("hop_frames"), document.get("hop_seconds")
        if backbone is not None:
            wrong = [n for n, v in backbone.items() if not (v is None or isinstance(v, str))]
            if wrong:
                raise TypeError(f"backbone {wrong[0]} is {backbone[wrong[0]]!r}, not a text")
        try:
            return cls(
                backbone=None if backbone is None else BackboneSpec(**backbone),
                cut=Cut(
                    segment_frames=int(document["segment_frames"]),
                    segment_seconds=None if seconds is None else float(seconds),
                    key_frames=int(document["key_frames"]),
                    max_side_pixels=None if side is None else int(side),
                    hop_frames=None if hop_frames is None else int(hop_frames),
                    hop_seconds=None if hop_seconds is None else float(hop_seconds),
                ),
                # absent from what earlier versions wrote
                skip_still=bool(document.get("skip_still", False)),
            )
        except UsageError as error:
            raise ValueError(str(error)) from error
