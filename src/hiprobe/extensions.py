"""What other installed packages add to HiProbe through their entry points."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hiprobe.errors import UsageError

WRITERS = "hiprobe.writers"


def installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name; nothing of them is imported yet.

    Raises:
        UsageError: two packages offer the same name.
    """
    return _installed(group, tuple(sys.path))


@cache
def _installed(group: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    # Kept for each search path: going through all installed packages takes tens of milliseconds,
    # and the endings of result files are asked for once for every file of a folder.
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        first = found.setdefault(entry.name, entry)
        # The same package may be found twice, as sources and as it was installed.
        if first.value != entry.value:
            raise UsageError(
                f"two installed packages offer {entry.name!r} as {group}: {first.value} and "
                f"{entry.value}; uninstall one of them"
            )
    return found


def load_entry(entry: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        UsageError: it cannot be imported.
    """
    try:
        return entry.load()
    except Exception as error:  # code of other packages may raise anything
        package = f" of the package {entry.dist.name}" if entry.dist else ""
        raise UsageError(
            f"{entry.name!r}{package} ({entry.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}; repair or uninstall the package"
        ) from error
