"""Which files count as video, by their endings; nothing is opened."""

from __future__ import annotations

import os
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    )
)
"""Endings taken as video inside folders; a table may name any file."""

STATES_SUFFIX = ".safetensors"
"""Ending of extracted states, accepted wherever a video is."""


def find_videos(folder: Path) -> list[Path]:
    """Video and states files at any depth below a folder, sorted, without hidden ones.

    A link that leads nowhere and a folder that may not be read are among them, so that reading it
    gives the reason.
    """
    videos = (
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in VIDEO_SUFFIXES | {STATES_SUFFIX}
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
        and (p.is_file() or (p.is_symlink() and not p.exists()))
    )
    return sorted((*videos, *unreadable_folders(folder)))


def unreadable_folders(folder: Path) -> list[Path]:
    """Folders at any depth whose files cannot be listed, the first itself too, no hidden ones."""
    found: list[Path] = []
    for _, inside, _ in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        inside[:] = [name for name in inside if not name.startswith(".")]
    return found
