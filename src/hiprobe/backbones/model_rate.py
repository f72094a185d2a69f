"""How long a segment takes on a backbone: as measured, or at best, by the operations it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hiprobe.backbones.cost import count_segment
from hiprobe.backbones.shape import Shape
from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES

Source = Literal["measured", "floor"]


@dataclass(frozen=True)
class Gpu:
    """A GPU as it is sold.

    Attributes:
        tflops: dense bfloat16 (float16 of those before 2020) with sums in float32, by its data
            sheet, in 10^12 operations a second.
        memory_bytes: what it has.
    """

    tflops: float
    memory_bytes: int


GPUS: Mapping[str, Gpu] = {
    "t4": Gpu(65, 16 * 10**9),
    "v100": Gpu(125, 32 * 10**9),
    "l4": Gpu(121, 24 * 10**9),
    "a10": Gpu(125, 24 * 10**9),
    "rtx4090": Gpu(165, 24 * 10**9),
    "a100": Gpu(312, 80 * 10**9),
    "l40s": Gpu(362, 48 * 10**9),
    "h100": Gpu(989, 80 * 10**9),
    "h200": Gpu(989, 141 * 10**9),
    "b200": Gpu(2250, 180 * 10**9),
}
# Share of the data sheet's number that a large plain matrix product reaches: 790 of 989 on an H100.
# No model goes faster, so this is the floor of its time.
REACHED = 0.8


@dataclass(frozen=True)
class ModelRate:
    """Time of one segment, as a line over the layer that is read.

    Attributes:
        base_seconds: below the decoder: preprocessing, vision tower, projector.
        layer_seconds: of each decoder layer.
        frame_pixels: height and width of the frames that this holds for.
        key_frames: of a segment.
        source: measured, or the least that the operations take.
        words: what was measured, or what the floor is taken from.
    """

    base_seconds: float
    layer_seconds: float
    frame_pixels: tuple[int, int]
    key_frames: int
    source: Source
    words: str

    def __post_init__(self) -> None:
        if min(self.base_seconds, self.layer_seconds) < 0:
            raise UsageError(
                f"a rate of {self.base_seconds} s and {self.layer_seconds} s a layer is negative"
            )

    def seconds(self, layers: float) -> float:
        """Of one segment that passes so many decoder layers."""
        return self.base_seconds + layers * self.layer_seconds

    def at(
        self, shape: Shape | None, *, frame_pixels: tuple[int, int], key_frames: int
    ) -> ModelRate:
        """The same backbone with other frames, by the operations that these need.

        Without a shape the time is taken to grow with the number of key frames alone.
        """
        if (frame_pixels, key_frames) == (self.frame_pixels, self.key_frames):
            return self
        if shape is None:
            base = layer = key_frames / self.key_frames
        else:
            other, own = (
                count_segment(shape, frames=frames, frame_pixels=pixels)
                for frames, pixels in (
                    (key_frames, frame_pixels),
                    (self.key_frames, self.frame_pixels),
                )
            )
            base = (other.flops - other.decoder_flops) / (own.flops - own.decoder_flops)
            layer = other.decoder_flops / own.decoder_flops
        return replace(
            self,
            base_seconds=self.base_seconds * base,
            layer_seconds=self.layer_seconds * layer,
            frame_pixels=frame_pixels,
            key_frames=key_frames,
        )


def floor_rate(
    shape: Shape,
    flops_a_second: float,
    *,
    words: str,
    frame_pixels: tuple[int, int],
    key_frames: int = KEY_FRAMES,
) -> ModelRate:
    """The least time there can be: all operations at the rate of a plain matrix product."""
    cost = count_segment(shape, frames=key_frames, frame_pixels=frame_pixels)
    return ModelRate(
        base_seconds=(cost.tower_flops + cost.projector_flops) / flops_a_second,
        layer_seconds=cost.decoder_flops / shape.layer_count / flops_a_second,
        frame_pixels=frame_pixels,
        key_frames=key_frames,
        source="floor",
        words=words,
    )


def gpu_named(name: str) -> Gpu:
    """A GPU of the table.

    Raises:
        UsageError: it is not in it.
    """
    found = GPUS.get(name.strip().lower())
    if found is None:
        raise UsageError(f"GPU {name!r} is not in the table; choose one of {', '.join(GPUS)}")
    return found
