"""Which backbones there are, and how one is opened by name or from a folder.

Importing this module loads no torch: the command line lists backbones without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.backbones.hf import MODEL_TYPES
from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.backbones.lite.assemble import (
    FOLDER_BYTES,
    MODEL_TYPE,
    assemble_lite,
)
from hiprobe.backbones.lite.fetch import DOWNLOAD_BYTES
from hiprobe.backbones.lite.manifest import damaged_files, is_assembled
from hiprobe.errors import BackboneError, UsageError
from hiprobe.settings import backbones_folder


@dataclass(frozen=True)
class BackboneInfo:
    """What a user wants to know before fetching a backbone."""

    name: str
    summary: str
    parameters: int
    licence: str
    download_bytes: int
    size_bytes: int
    folder: Path
    on_disk: bool


@dataclass(frozen=True)
class _Alias:
    """A backbone that HiProbe can fetch by itself."""

    summary: str
    parameters: int
    licence: str
    download_bytes: int
    size_bytes: int
    get: Callable[[Path, Path | None, Callable[[str], None] | None], Path]
    is_complete: Callable[[Path], bool]


def _get_lite(target: Path, wheels: Path | None, say: Callable[[str], None] | None) -> Path:
    return assemble_lite(target, wheels=wheels, say=say)


def _load_lite(folder: Path, prompt: str, cut_at_layer: int | None) -> Backbone:
    from hiprobe.backbones.lite.model import load_lite

    return load_lite(folder, prompt=prompt, cut_at_layer=cut_at_layer)


def _load_hf(folder: Path, prompt: str, cut_at_layer: int | None) -> Backbone:
    from hiprobe.backbones.hf.load import load_hf

    return load_hf(folder, prompt=prompt, cut_at_layer=cut_at_layer)


_ALIASES = {
    "lite": _Alias(
        summary="EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct; for CPUs",
        parameters=141_000_000,
        licence="Apache-2.0; projector: trained on Flickr8k, non-commercial research",
        download_bytes=DOWNLOAD_BYTES,
        size_bytes=FOLDER_BYTES,
        get=_get_lite,
        is_complete=is_assembled,
    )
}
_LOADERS: dict[str, Callable[[Path, str, int | None], Backbone]] = {
    MODEL_TYPE: _load_lite,
    **dict.fromkeys(MODEL_TYPES, _load_hf),
}
"""By the `model_type` of a folder's config.json."""


def open_backbone(
    name: str | Path = "lite",
    *,
    prompt: str | None = None,
    cut_at_layer: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Backbone:
    """Open a backbone by its name or from a model folder; a named one is fetched on first use.

    Args:
        name: one of `list_backbones()`, or a folder with a config.json.
        prompt: what the backbone is asked; `DETECT_PROMPT` where None.
        cut_at_layer: load no deeper than this layer (it cannot describe then).
        say: takes lines about a download.

    Raises:
        BackboneError: the name is unknown, or the folder is no usable backbone.
        DownloadError: the backbone had to be fetched and could not.
        UsageError: `cut_at_layer` is negative.
    """
    if cut_at_layer is not None and cut_at_layer < 0:
        raise UsageError(f"cannot cut a backbone at layer {cut_at_layer}; choose 0 or above")
    folder = _folder_of(name, say)
    load = _loader_of(folder)
    return load(folder, DETECT_PROMPT if prompt is None else prompt, cut_at_layer)


def get_backbone(
    name: str,
    *,
    wheels: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Fetch a named backbone unless it lies whole and undamaged on this disk; its folder.

    Raises:
        BackboneError: the name is unknown.
        DownloadError: its parts cannot be had, or have another hash.
        StorageError: the folder cannot be written.
    """
    if name not in _ALIASES:
        raise BackboneError(f"backbone {name!r} is unknown; these can be fetched: {_known()}")
    alias, folder = _ALIASES[name], backbones_folder() / name
    if alias.is_complete(folder) and not damaged_files(folder):
        return folder
    return alias.get(folder, wheels, say)


def list_backbones() -> tuple[BackboneInfo, ...]:
    """The backbones that can be opened by name."""
    return tuple(_info(name, alias) for name, alias in _ALIASES.items())


def _info(name: str, alias: _Alias) -> BackboneInfo:
    folder = backbones_folder() / name
    return BackboneInfo(
        name=name,
        summary=alias.summary,
        parameters=alias.parameters,
        licence=alias.licence,
        download_bytes=alias.download_bytes,
        size_bytes=alias.size_bytes,
        folder=folder,
        on_disk=alias.is_complete(folder),
    )


def _folder_of(name: str | Path, say: Callable[[str], None] | None) -> Path:
    if isinstance(name, str) and name in _ALIASES:
        folder = backbones_folder() / name
        if _ALIASES[name].is_complete(folder):
            return folder
        if say:
            say(f"the backbone {name} is not on this disk yet")
        return _ALIASES[name].get(folder, None, say)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise BackboneError(
            f"backbone {str(name)!r} is neither known nor a folder; known are: {_known()}; or give "
            "a model folder with a config.json"
        )
    return folder


def _loader_of(folder: Path) -> Callable[[Path, str, int | None], Backbone]:
    try:
        model_type = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        return _LOADERS[model_type]
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{folder} has no readable config.json: {error}") from error
    except KeyError as error:
        raise BackboneError(
            f"the model in {folder} has no model_type that can be read here ({error}); these can: "
            f"{', '.join(_LOADERS)}"
        ) from error


def _known() -> str:
    return ", ".join(_ALIASES)
