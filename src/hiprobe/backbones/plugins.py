"""What other packages add by entry points: found by name, loaded when it is asked for."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hiprobe.errors import BackboneError


def added_by_packages(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name. None of them is imported.

    Raises:
        BackboneError: two packages use the same name for different things.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise BackboneError(
                f"{package_of(other)} and {package_of(entry)} both add {entry.name!r} to {group}; "
                "uninstall one of them"
            )
    return found


def load_entry(entry: EntryPoint) -> Any:
    """The object that an entry point names.

    Raises:
        BackboneError: importing it fails, in whatever way.
    """
    try:
        return entry.load()
    except Exception as error:  # code of another package can fail in any way
        raise BackboneError(
            f"{entry.name!r} ({entry.value}) of {package_of(entry)} cannot be loaded: "
            f"{type(error).__name__}: {error}; update or uninstall that package"
        ) from error


def package_of(entry: EntryPoint) -> str:
    """Name and version of the package that an entry point belongs to."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"
