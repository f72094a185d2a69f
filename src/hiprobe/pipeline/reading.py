"""What is read of every video of a run, and how: one value that passes through all stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from hiprobe.errors import UsageError
from hiprobe.provenance import Provenance
from hiprobe.segment import STILL_RULE, WHOLE, Cut, KeyParts, Stretch
from hiprobe.spec import spec_of
from hiprobe.states import READINGS, Reading, layer_numbers

# Segments per forward pass where nothing else is asked for.
BATCH_SEGMENTS = 4

# Segments after which the states of an unfinished video are kept.
CHECKPOINT_SEGMENTS = 64

# Pieces of so many segments that a shard has at least: fewer are not worth the decoding of all that
# lies before them.
SHARD_PIECES = 2


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings(Cut):
    """How the videos of a run are cut (see `Cut`), and what is read of their segments.

    Attributes:
        layers: layer numbers, None for 1..L.
        readings: positions at which the layers are read, in one pass.
        batch_segments: segments per forward pass; halved when memory runs out.
        checkpoint_segments: segments after which an unfinished video's states are kept.
        skip_still: where nothing changes, segments have the state of the last one that was read
            (`hiprobe.video.still`). It is about segments; a whole clip has one row anyway.

    Raises:
        UsageError: a number is out of its range, or a reading is unknown.
    """

    layers: Sequence[int] | None = None
    readings: tuple[Reading, ...] = ("last",)
    batch_segments: int = BATCH_SEGMENTS
    checkpoint_segments: int = CHECKPOINT_SEGMENTS
    skip_still: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_segments", "checkpoint_segments"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not self.readings or set(self.readings) - set(READINGS):
            raise UsageError(f"readings {list(self.readings)}: choose one or more of {READINGS}")

    @classmethod
    def like(cls, provenance: Provenance | None) -> Self:
        """Settings that cut videos as those of a provenance were; the defaults without one."""
        return cls() if provenance is None else cls(**asdict(provenance.cut))

    def provenance(self, backbone: object) -> Provenance:
        """What goes with the states that a backbone gives under these settings."""
        cut = Cut(**{field.name: getattr(self, field.name) for field in fields(Cut)})
        return Provenance(backbone=spec_of(backbone), cut=cut, skip_still=self.skip_still)

    def key_parts_without_gaps(self, unit: str, stretch: Stretch) -> KeyParts:
        """As of the cut; with still segments skipped, the states are others."""
        parts = super().key_parts_without_gaps(unit, stretch)
        return parts | {"still": STILL_RULE} if self.skip_still and unit == "segments" else parts

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


DEFAULTS = ExtractionSettings()


@dataclass(frozen=True, slots=True)
class Shard:
    """The segments `[first, end)` of a video, by their numbers; None is the end of the video."""

    first: int = 0
    end: int | None = None


EVERY_SEGMENT = Shard()


@dataclass(frozen=True, slots=True)
class ReadUnit:
    """What is read in one go, of one video or a stretch of it; equal ones give equal states.

    Attributes:
        settings: with its layers written out.
        prompts: in their order.
        want: "clip" for one row over the whole, "segments" for one row each.
        shard: the segments that are read, and kept as pieces of the video; None for a whole video.
    """

    video: Path
    stretch: Stretch
    settings: ExtractionSettings
    prompts: tuple[str, ...]
    want: tuple[Literal["clip", "segments"], ...]
    shard: Shard | None = None

    @classmethod
    def of(
        cls,
        video: Path | str,
        *,
        settings: ExtractionSettings,
        layer_count: int,
        prompts: Sequence[str],
        want: Sequence[Literal["clip", "segments"]],
        stretch: Stretch = WHOLE,
    ) -> Self:
        """A unit for a backbone of `layer_count` layers.

        Raises:
            UsageError: it does not have one of the layers.
        """
        layers, readings = settings.layers_of(layer_count), tuple(dict.fromkeys(settings.readings))
        # Written out first: layers may come as a list, which could not be looked up.
        written_out = replace(settings, layers=layers, readings=readings)
        asked = tuple(dict.fromkeys(prompts)), tuple(sorted(set(want)))
        return cls(Path(video), stretch, *_shared(written_out, *asked))


@lru_cache(maxsize=16)
def _shared(
    settings: ExtractionSettings,
    prompts: tuple[str, ...],
    want: tuple[Literal["clip", "segments"], ...],
) -> tuple[ExtractionSettings, tuple[str, ...], tuple[Literal["clip", "segments"], ...]]:
    """The first of these values that are equal, since a run may ask for thousands of units."""
    return settings, prompts, want
