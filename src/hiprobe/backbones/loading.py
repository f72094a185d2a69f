"""How a backbone's numbers are held and where it runs: what the user may choose on opening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hiprobe.errors import UsageError
from hiprobe.fingerprint import Fingerprint

DTYPES = ("float32", "bfloat16", "float16")
QUANTISED = ("int8", "fp8")
"""Whole numbers with a scale for each output, or 8-bit floats (e4m3) with one."""

TRAINED_RESIZE, AREA_RESIZE = "trained", "area"
RESIZES = (TRAINED_RESIZE, AREA_RESIZE)
"""`trained`: Pillow's filter that the model was trained with; `area`: OpenCV's INTER_AREA, faster,
with other pixels and so other states."""

AS_VIDEO, AS_PICTURES = "video", "pictures"
FRAMES_AS = (AS_VIDEO, AS_PICTURES)
"""`video`: the key frames of a segment as one video with its times, as the model was trained on
videos; `pictures`: each by itself, labelled `Frame1:` and so on."""


@dataclass(frozen=True)
class LoadOptions:
    """Choices on opening; None leaves it to the machine and the model.

    All but the device are part of the fingerprint. The device is not: it moves states by rounding
    only, and states made on a GPU are meant to be used where there is none.

    Attributes:
        dtype: one of `DTYPES`; None for bfloat16 where the hardware has it, else float32.
        device: cuda, mps or cpu, as torch names them; None for the best there is.
        resize: one of `RESIZES`, how frames are brought to the model's size.
        quantise: one of `QUANTISED`, the decoder's weights in one byte each; None as they are.
        frames_as: one of `FRAMES_AS`; None for a video where the model has a way for videos.

    Raises:
        UsageError: a name is unknown.
    """

    dtype: str | None = None
    device: str | None = None
    resize: str | None = None
    quantise: str | None = None
    frames_as: str | None = None

    def __post_init__(self) -> None:
        known = {
            "dtype": DTYPES,
            "resize": RESIZES,
            "quantise": QUANTISED,
            "frames_as": FRAMES_AS,
        }
        for name, names in known.items():
            value = getattr(self, name)
            if value is not None and value not in names:
                raise UsageError(f"{name} {value!r} is unknown; choose one of {', '.join(names)}")

    def like(self, fingerprint: Fingerprint) -> LoadOptions:
        """These choices, and where nothing is chosen those that a fingerprint was made with."""
        made: Mapping[str, object] = fingerprint.settings
        names = ("resize_by", "quantise", "frames_as")
        resize, quantise, frames_as = (str(made.get(n) or "") or None for n in names)
        return replace(
            self,
            dtype=self.dtype or fingerprint.dtype,
            resize=self.resize or resize,
            quantise=self.quantise or quantise,
            frames_as=self.frames_as or frames_as,
        )
