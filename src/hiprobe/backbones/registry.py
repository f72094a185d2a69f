"""Which backbones there are, and how one is opened by name or from a folder.

Importing this module loads no torch: the command line lists backbones without it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hiprobe.backbones.catalogue import Entry, catalogue, find_entry
from hiprobe.backbones.hf import MODEL_TYPES
from hiprobe.backbones.hub.fetch import DownloadProgress, fetch_model
from hiprobe.backbones.hub.places import Place, by_hand, is_hub_id, locate, own_folder
from hiprobe.backbones.interface import DETECT_PROMPT, Backbone
from hiprobe.backbones.lite.assemble import (
    FOLDER_BYTES,
    MODEL_TYPE,
    assemble_lite,
)
from hiprobe.backbones.lite.fetch import DOWNLOAD_BYTES
from hiprobe.backbones.lite.manifest import damaged_files, is_assembled
from hiprobe.backbones.loading import TRAINED_RESIZE, LoadOptions
from hiprobe.backbones.shape import Shape
from hiprobe.errors import BackboneError, UsageError
from hiprobe.prompts import PRESETS
from hiprobe.settings import backbones_folder


@dataclass(frozen=True)
class BackboneInfo:
    """What a user wants to know before fetching a backbone.

    Attributes:
        name: short name.
        hub: `owner/name` on the hub; None for one that HiProbe puts together itself.
        summary: what it is.
        parameters: of the whole model.
        licence: of its weights, in short.
        download_bytes, size_bytes: about what is fetched, and what lies on the disk then.
        folder: where it lies, or would be put.
        place: whose folder that is; None where it is not on this disk.
        shape: for counting what a segment costs; None where that is not counted.
    """

    name: str
    hub: str | None
    summary: str
    parameters: int
    licence: str
    download_bytes: int
    size_bytes: int
    folder: Path
    place: Place | None
    shape: Shape | None

    @property
    def on_disk(self) -> bool:
        """Whether it can be opened without a network."""
        return self.place is not None


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


def _load_lite(
    folder: Path, prompt: str, cut_at_layer: int | None, options: LoadOptions
) -> Backbone:
    from hiprobe.backbones.lite.model import load_lite

    runs = LoadOptions(dtype="float32", device="cpu", resize=TRAINED_RESIZE)
    for name, value in asdict(options).items():
        if value not in (None, getattr(runs, name)):
            raise BackboneError(
                f"the lite backbone runs in float32 on the CPU, as it was trained; leave out "
                f"{name} {value!r}"
            )
    return load_lite(folder, prompt=prompt, cut_at_layer=cut_at_layer)


def _load_hf(folder: Path, prompt: str, cut_at_layer: int | None, options: LoadOptions) -> Backbone:
    from hiprobe.backbones.hf.load import load_hf

    return load_hf(
        folder,
        prompt=prompt,
        cut_at_layer=cut_at_layer,
        dtype=options.dtype,
        device=options.device,
        resize=options.resize,
        quantise=options.quantise,
    )


_Load = Callable[[Path, str, int | None, LoadOptions], Backbone]


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
_ALIASES_TEXT = ", ".join(_ALIASES)
_LOADERS: dict[str, _Load] = {
    MODEL_TYPE: _load_lite,
    **dict.fromkeys(MODEL_TYPES, _load_hf),
}
"""By the `model_type` of a folder's config.json."""


def open_backbone(
    name: str | Path = "lite",
    *,
    prompt: str | None = None,
    cut_at_layer: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
    resize: str | None = None,
    quantise: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Backbone:
    """Open a backbone by its name or from a model folder.

    `lite` is fetched on first use; the others, which are large, by `get_backbone`.

    Args:
        name: one of `list_backbones()`, `owner/name` of the hub, or a folder with a config.json.
        prompt: what the backbone is asked, or a name of `hiprobe.prompts.PRESETS`;
            `DETECT_PROMPT` where None.
        cut_at_layer: load no deeper than this layer (it cannot describe then).
        dtype, device, resize, quantise: see `LoadOptions`.
        say: takes lines about a download.

    Raises:
        BackboneError: the name is unknown, the model is not on this disk, or the folder is no
            usable backbone.
        DownloadError: the backbone had to be fetched and could not.
        UsageError: `cut_at_layer` is negative, or the name of an option is unknown.
    """
    options = LoadOptions(dtype, device, resize, quantise)
    if cut_at_layer is not None and cut_at_layer < 0:
        raise UsageError(f"cannot cut a backbone at layer {cut_at_layer}; choose 0 or above")
    folder = backbone_folder(name, say=say)
    load = _loader_of(folder)
    text = DETECT_PROMPT if prompt is None else PRESETS.get(prompt, prompt)
    return load(folder, text, cut_at_layer, options)


def get_backbone(
    name: str,
    *,
    wheels: Path | None = None,
    revision: str | None = None,
    say: Callable[[str], None] | None = None,
    progress: DownloadProgress | None = None,
) -> Path:
    """Fetch a backbone unless it lies whole and undamaged on this disk; its folder.

    Args:
        name: one of `list_backbones()`, or any `owner/name` of the hub.
        wheels: folder with the wheels of `lite`, for a machine without a network.
        revision: branch, tag or commit of a hub model.
        say: takes lines about the course.
        progress: takes the bytes done and in all, of a hub model.

    Raises:
        BackboneError: the name is unknown.
        DownloadError: its parts cannot be had, or have another hash.
        StorageError: the folder cannot be written.
        UsageError: wheels or a revision are given for a model that has none.
    """
    if name in _ALIASES:
        if revision is not None:
            raise UsageError(f"{name} has no revisions; leave out --revision")
        alias, folder = _ALIASES[name], backbones_folder() / name
        if alias.is_complete(folder) and not damaged_files(folder):
            return folder
        return alias.get(folder, wheels, say)
    if wheels is not None:
        raise UsageError(f"{name} is not made of wheels; leave out --wheels")
    hub = _hub_id(name)
    found = locate(hub)
    if found is not None and found.place == "hub cache" and revision is None:
        if say:
            say(f"{hub} lies in the cache of the hub's client already")
        return found.folder
    return fetch_model(hub, revision=revision, say=say, progress=progress)


def list_backbones() -> tuple[BackboneInfo, ...]:
    """The backbones that can be opened by name; any other model of the hub can be too."""
    own = (_info(name, alias) for name, alias in _ALIASES.items())
    return (*own, *(_hub_info(entry) for entry in catalogue()))


def _info(name: str, alias: _Alias) -> BackboneInfo:
    folder = backbones_folder() / name
    return BackboneInfo(
        name=name,
        hub=None,
        summary=alias.summary,
        parameters=alias.parameters,
        licence=alias.licence,
        download_bytes=alias.download_bytes,
        size_bytes=alias.size_bytes,
        folder=folder,
        place="hiprobe" if alias.is_complete(folder) else None,
        shape=None,
    )


def _hub_info(entry: Entry) -> BackboneInfo:
    found = locate(entry.hub)
    return BackboneInfo(
        name=entry.name,
        hub=entry.hub,
        summary=entry.hub,
        parameters=entry.shape.parameters,
        licence=entry.licence,
        download_bytes=entry.download_bytes,
        size_bytes=entry.download_bytes,
        folder=found.folder if found else own_folder(entry.hub),
        place=found.place if found else None,
        shape=entry.shape,
    )


def backbone_folder(name: str | Path, *, say: Callable[[str], None] | None = None) -> Path:
    """The folder of a backbone on this disk, named as for `open_backbone`; `lite` is fetched.

    Raises:
        BackboneError: the name is unknown, or the model is not on this disk.
        DownloadError: `lite` cannot be fetched.
    """
    if isinstance(name, str) and name in _ALIASES:
        folder = backbones_folder() / name
        if _ALIASES[name].is_complete(folder):
            return folder
        if say:
            say(f"the backbone {name} is not on this disk yet")
        return _ALIASES[name].get(folder, None, say)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    hub = _hub_id(str(name))
    found = locate(hub)
    if found is None:
        entry = find_entry(hub)
        size = f", about {entry.download_bytes / 1e9:.1f} GB" if entry else ""
        raise BackboneError(
            f"the backbone {name} is not on this disk; `hiprobe backbones get {name}` fetches it"
            f"{size}; without a network, {by_hand(hub, own_folder(hub))}"
        )
    return found.folder


def _hub_id(name: str) -> str:
    """The hub id of a known name, or the name where it is one itself."""
    entry = find_entry(name)
    if entry is not None:
        return entry.hub
    if is_hub_id(name):
        return name
    known = [*_ALIASES, *(e.name for e in catalogue())]
    near = difflib.get_close_matches(name.lower(), known, n=3)
    raise BackboneError(
        f"backbone {name!r} is neither a known name nor a folder"
        f"{'; did you mean ' + ' or '.join(near) + '?' if near else ''}; `hiprobe backbones` lists "
        f"the names ({_ALIASES_TEXT} and others), owner/name takes a model of the hub, and a "
        "folder needs a config.json"
    )


def _loader_of(folder: Path) -> _Load:
    try:
        model_type = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        return _LOADERS.get(model_type, _load_hf)  # the generic path says what it cannot read
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{folder} has no readable config.json: {error}") from error
    except KeyError as error:
        raise BackboneError(
            f"the config.json in {folder} names no model_type; it is no model of transformers"
        ) from error
