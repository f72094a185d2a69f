"""Which backbones there are, and how one is opened by name or from a folder.

Importing this module loads no torch: the command line lists backbones without it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hiprobe.backbones.hf import MODEL_TYPES
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.listing import BackboneInfo, list_backbones
from hiprobe.backbones.lite.assemble import MODEL_TYPE
from hiprobe.backbones.names import backbone_folder, get_backbone
from hiprobe.backbones.spec import DEFAULT_BACKBONE, TRAINED_RESIZE, BackboneSpec
from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json

__all__ = ["BackboneInfo", "backbone_folder", "get_backbone", "list_backbones", "open_backbone"]


def _load_lite(folder: Path, spec: BackboneSpec) -> Backbone:
    from hiprobe.backbones.lite.load import load_lite

    runs = {"dtype": "float32", "device": "cpu", "resize": TRAINED_RESIZE}
    for name in ("dtype", "device", "resize", "quantise", "frames_as"):
        value = getattr(spec, name)
        if value not in (None, runs.get(name)):
            raise BackboneError(
                f"the lite backbone runs in float32 on the CPU, as it was trained; leave out "
                f"{name} {value!r}"
            )
    return load_lite(folder, prompt=spec.text, cut_at_layer=spec.cut_at_layer)


def _load_hf(folder: Path, spec: BackboneSpec) -> Backbone:
    from hiprobe.backbones.hf.load import load_hf

    return load_hf(
        folder,
        prompt=spec.text,
        cut_at_layer=spec.cut_at_layer,
        dtype=spec.dtype,
        device=spec.device,
        resize=spec.resize,
        quantise=spec.quantise,
        frames_as=spec.frames_as,
    )


_Load = Callable[[Path, BackboneSpec], Backbone]


_LOADERS: dict[str, _Load] = {
    MODEL_TYPE: _load_lite,
    **dict.fromkeys(MODEL_TYPES, _load_hf),
}
"""By the `model_type` of a folder's config.json."""


def open_backbone(
    name: str | Path = DEFAULT_BACKBONE,
    *,
    prompt: str | None = None,
    cut_at_layer: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
    resize: str | None = None,
    quantise: str | None = None,
    frames_as: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Backbone:
    """Open a backbone by its name or from a model folder.

    `lite` is fetched on first use; the others, which are large, by `get_backbone`.

    Args:
        name: one of `list_backbones()`, `owner/name` of the hub, or a folder with a config.json.
        prompt: what the backbone is asked, or a name of `hiprobe.prompts.PRESETS`;
            `DETECT_PROMPT` where None.
        cut_at_layer: load no deeper than this layer (it cannot describe then).
        dtype, device, resize, quantise, frames_as: see `BackboneSpec`.
        say: takes lines about a download.

    Raises:
        BackboneError: the name is unknown, the model is not on this disk, or the folder is no
            usable backbone.
        DownloadError: the backbone had to be fetched and could not.
        UsageError: `cut_at_layer` is negative, or the name of an option is unknown.
    """
    choices = {
        "prompt": prompt,
        "cut_at_layer": cut_at_layer,
        "dtype": dtype,
        "device": device,
        "resize": resize,
        "quantise": quantise,
        "frames_as": frames_as,
    }
    if isinstance(name, Path):
        return BackboneSpec.of_folder(name, **choices).open(say=say)
    return BackboneSpec(name, **choices).open(say=say)  # type: ignore[arg-type]


def loader_of(folder: Path) -> _Load:
    """What opens a model folder, by the type of model that it names.

    Raises:
        BackboneError: its config.json cannot be read, or names no type.
    """
    try:
        model_type = read_json(folder / "config.json", nan=True)["model_type"]
        return _LOADERS.get(model_type, _load_hf)  # the generic path says what it cannot read
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{folder} has no readable config.json: {error}") from error
    except KeyError as error:
        raise BackboneError(
            f"the config.json in {folder} names no model_type; it is no model of transformers"
        ) from error
