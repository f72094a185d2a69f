"""BackboneSpec: which backbone is used, and how it is opened, as one value."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hiprobe.errors import UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.prompts import DEFAULT_PROMPT, PRESETS, prompt_name
from hiprobe.settings import share_processors

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone


DEFAULT_BACKBONE = "lite"

DTYPES = ("float32", "bfloat16", "float16")
# Whole numbers with a scale for each output, or 8-bit floats (e4m3) with one.
QUANTISED = ("int8", "fp8")

TRAINED_RESIZE, AREA_RESIZE = "trained", "area"
# `trained`: Pillow's filter that the model was trained with; `area`: OpenCV's INTER_AREA, faster,
# with other pixels and so other states.
RESIZES = (TRAINED_RESIZE, AREA_RESIZE)

AS_VIDEO, AS_PICTURES = "video", "pictures"
# `video`: the key frames of a segment as one video with its times, as the model was trained on
# videos; `pictures`: each by itself, labelled `Frame1:` and so on.
FRAMES_AS = (AS_VIDEO, AS_PICTURES)

# Fields that are one of a few names. All of them are part of the fingerprint.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "dtype": DTYPES,
    "resize": RESIZES,
    "quantise": QUANTISED,
    "frames_as": FRAMES_AS,
}

# Attribute of an opened backbone that says how it was opened, see `spec_of`.
SPEC = "spec"

# Field -> option of the command line. The layer has none: a command knows where it may stop.
OPTIONS = {
    "name": "--backbone",
    "prompt": "--prompt",
    **{name: f"--{name.replace('_', '-')}" for name in ("device", *CHOICES)},
}


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone is used and how it is opened; None leaves a choice to the model, the machine,
    or another spec (see `over`).

    All but the device are part of the fingerprint. The device is not: it moves states by rounding
    only, and states made on a GPU are meant to be used where there is none.

    Attributes:
        name: a name of `list_backbones()`, `owner/name` of the hub, or a folder; None for lite.
        prompt: what it is asked: a text, or a name of `hiprobe.prompts.PRESETS`, which is kept as
            its text.
        cut_at_layer: load no deeper than this layer (it cannot describe then); None for all.
        dtype: one of `DTYPES`; None for bfloat16 where the hardware has it, else float32.
        device: cuda, mps or cpu, as torch names them; None for the best there is.
        resize: one of `RESIZES`, how frames are brought to the model's size.
        quantise: one of `QUANTISED`, the decoder's weights in one byte each; None as they are.
        frames_as: one of `FRAMES_AS`; None for a video where the model has a way for videos.

    Raises:
        UsageError: the layer is negative, or a choice is not among its names.
    """

    name: str | None = None
    prompt: str | None = None
    cut_at_layer: int | None = None
    dtype: str | None = None
    device: str | None = None
    resize: str | None = None
    quantise: str | None = None
    frames_as: str | None = None

    def __post_init__(self) -> None:
        for name, names in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in names:
                raise UsageError(f"{name} {value!r} is unknown; choose one of {', '.join(names)}")
        if self.cut_at_layer is not None and self.cut_at_layer < 0:
            raise UsageError(f"cannot cut a backbone at layer {self.cut_at_layer}; give 0 or above")
        if self.prompt in PRESETS:
            object.__setattr__(self, "prompt", PRESETS[self.prompt])

    @classmethod
    def of_folder(cls, folder: Path, **choices: Any) -> Self:
        """A spec of a model folder, by its absolute path: it is found from any working folder, and
        a folder called `lite` is not taken for the backbone of that name.
        """
        return cls(name=str(folder.expanduser().absolute()), **choices)

    @property
    def known_as(self) -> str:
        """The name or folder, where none is chosen that of the default backbone."""
        return self.name or DEFAULT_BACKBONE

    @property
    def text(self) -> str:
        """The prompt, or the default one."""
        return PRESETS[DEFAULT_PROMPT] if self.prompt is None else self.prompt

    def over(self, other: BackboneSpec) -> BackboneSpec:
        """These choices, and where nothing is chosen those of another spec."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value is not None})

    def like(self, fingerprint: Fingerprint) -> BackboneSpec:
        """These choices, and where nothing is chosen those that a fingerprint was made with.

        Neither name nor prompt is taken: a fingerprint holds the model's type, not its place, and
        who reads again under a fingerprint says under which prompt.
        """
        made = fingerprint.settings
        return self.over(
            BackboneSpec(
                dtype=fingerprint.dtype,
                resize=str(made.get("resize_by") or "") or None,
                quantise=str(made.get("quantise") or "") or None,
                frames_as=str(made.get("frames_as") or "") or None,
            )
        )

    def open(self, *, say: Callable[[str], None] | None = None) -> Backbone:
        """Load the backbone; `lite` is fetched on first use, the others by `get_backbone`.

        Args:
            say: takes lines about a download.

        Raises:
            BackboneError: the name is unknown, the model is not on this disk, the folder is no
                usable backbone, or it cannot be opened in this way.
            DownloadError: the backbone had to be fetched and could not.
            BackboneMemoryError: the model does not fit into memory.
        """
        from hiprobe.backbones.registry import open_spec

        share_processors()
        return open_spec(self, say=say)

    def command_words(self) -> list[str]:
        """These choices as words of a command line, for `shlex.join`; what is not chosen is left
        out, so that the same words read again give an equal spec.
        """
        words: list[str] = []
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                words += [option, prompt_word(value) if name == "prompt" else value]
        return words

    def __str__(self) -> str:
        """As words of a command line."""
        return shlex.join(self.command_words())


def prompt_word(text: str) -> str:
    """How a prompt is given on a command line: the name of its preset, else its text."""
    return prompt_name(text) if text in PRESETS.values() else text


def spec_of(backbone: object) -> BackboneSpec | None:
    """How a backbone was opened, also behind a view of it; None where it was made otherwise."""
    seen: object = backbone
    while seen is not None:
        found = getattr(seen, SPEC, None)
        if isinstance(found, BackboneSpec):
            return found
        seen = getattr(seen, "backbone", None)
    return None
