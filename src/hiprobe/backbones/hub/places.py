"""Where a model of the hub lies on this disk: HiProbe's own folder, or the hub client's cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hiprobe.backbones.hf.weights import weight_files
from hiprobe.backbones.hub.record import is_fetched, read_record
from hiprobe.errors import BackboneError
from hiprobe.settings import backbones_folder

Place = Literal["hiprobe", "hub cache"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True)
class Found:
    """A model on this disk."""

    folder: Path
    place: Place


def is_hub_id(name: str) -> bool:
    """True for `owner/name`."""
    return _HUB_ID.fullmatch(name) is not None


def own_folder(hub: str) -> Path:
    """Where HiProbe keeps a model of the hub, whether it is there or not."""
    return backbones_folder() / hub.replace("/", "--")


def by_hand(hub: str, target: Path) -> str:
    """How a model comes onto a machine without a network."""
    return (
        f"on a machine with a network run `hiprobe backbones get {hub}` and copy the folder it "
        f"prints to {target} here, or give any folder with the model as --backbone FOLDER"
    )


def locate(hub: str) -> Found | None:
    """The whole model on this disk; None where it is not, or only in part. No network is used."""
    folder = own_folder(hub)
    if is_fetched(folder) or (read_record(folder) is None and is_complete(folder)):
        return Found(folder, "hiprobe")
    snapshot = _snapshot(hub)
    return None if snapshot is None else Found(snapshot, "hub cache")


def is_complete(folder: Path) -> bool:
    """True where config, a tokenizer and all weights are there, as far as their names tell."""
    try:
        weight_files(folder)
    except (BackboneError, OSError):
        return False
    return (folder / "config.json").is_file() and any((folder / n).is_file() for n in _TOKENIZERS)


def _snapshot(hub: str) -> Path | None:
    """The hub cache's copy: of the main branch if whole, else the newest whole one."""
    repository = _hub_cache() / f"models--{hub.replace('/', '--')}"
    snapshots = repository / "snapshots"
    if not snapshots.is_dir():
        return None
    copies = sorted(snapshots.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    try:
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        main = ""
    copies.sort(key=lambda p: p.name != main)  # stable: the main branch first, then by age
    return next((copy for copy in copies if is_complete(copy)), None)


def _hub_cache() -> Path:
    """By HF_HUB_CACHE and HF_HOME, as the client itself reads them."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
