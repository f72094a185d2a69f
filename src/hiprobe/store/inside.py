"""The one place that decides where in an output folder a file may lie."""

from __future__ import annotations

from pathlib import Path

from hiprobe.errors import OutsideFolderError


def inside(folder: Path, name: str | Path) -> Path:
    """`folder / name`, which lies in `folder` whatever the name says.

    Links on the way are followed: a subfolder that leads elsewhere is outside. The last part is
    not, since a file that is written takes the place of a link.

    Raises:
        OutsideFolderError: it would lie elsewhere, or is the folder itself.
    """
    path = folder / name
    is_name = path.name not in ("", ".", "..") and path != folder
    if not is_name or not path.parent.resolve().is_relative_to(folder.resolve()):
        raise OutsideFolderError(
            f"{name} would be written outside of {folder}, and nothing is; rename what it is "
            "named after, or remove the link that leads there"
        )
    return path
