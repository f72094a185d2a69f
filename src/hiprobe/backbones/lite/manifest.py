"""manifest.json of a model folder: size and hash of each file that decides the states."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiprobe.backbones.lite.fetch import file_sha256
from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json
from hiprobe.store.schemas import LiteManifest

FORMAT_VERSION = 1


def write_manifest(folder: Path, *, names: Sequence[str]) -> None:
    """Write the manifest over these files of the folder.

    The model card is left out on purpose: the manifest is part of the fingerprint, and another
    wording must not make a probe unusable.
    """
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)}
        for name in names
    }
    text = json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def is_assembled(folder: Path) -> bool:
    """True where the folder holds every file of its manifest in full length."""
    try:
        files = read_manifest(folder)
        return all((folder / name).stat().st_size == e["bytes"] for name, e in files.items())
    except (OSError, BackboneError):
        return False


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of each file that decides the states.

    Raises:
        BackboneError: there is no readable manifest.
    """
    try:
        files = read_json(folder / "manifest.json", LiteManifest)["files"]
        if any(Path(name).name != name or len(name) > 255 or "\0" in name for name in files):
            raise ValueError("it names what can be no file in this folder")
        return {str(n): {"bytes": e["bytes"], "sha256": e["sha256"]} for n, e in files.items()}
    except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BackboneError(
            f"{folder} has no readable manifest.json ({error}); run: hiprobe backbones get lite"
        ) from error


def damaged_files(folder: Path) -> tuple[str, ...]:
    """Names of files that are missing or whose content is not that of the manifest."""
    return tuple(
        name
        for name, entry in read_manifest(folder).items()
        if not (folder / name).is_file()
        or (folder / name).stat().st_size != entry["bytes"]  # before a terabyte of it is hashed
        or file_sha256(folder / name) != entry["sha256"]
    )
