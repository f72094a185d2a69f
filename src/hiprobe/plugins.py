"""Names that other packages add to: each kind of plug-in is a registry fed by entry points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; of two with one name the first that Python finds.

    Not cached: a package may be installed, or a folder put on `sys.path`, while we run.
    """
    from importlib.metadata import entry_points  # 20 ms, and most commands ask for no plug-in

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, entry)
    return found


class Registry(Generic[T]):
    """Values by name: ours, those registered from Python, and those of installed packages.

    Ours go through `register` too, with a loader as an entry point has one, rather than through
    our own `pyproject.toml`: entry points are read from the metadata of an *installed* package,
    so in a source tree on `PYTHONPATH`, in a frozen program, or after an update of an editable
    installation ours would be missing. A package cannot replace a name that is registered.

    Args:
        group: group of the entry points, such as "hiprobe.scorers".
        what: what one of them is called in messages, such as "scorer".
    """

    def __init__(self, group: str, what: str) -> None:
        self.group, self.what = group, what
        self._loaders: dict[str, Callable[[], T]] = {}

    def register(self, name: str, load: Callable[[], T]) -> None:
        """Add or replace a name.

        Args:
            load: gives the value when it is first needed, so that heavy imports can wait.
        """
        self._loaders[name] = load

    def names(self) -> tuple[str, ...]:
        """All names, those of installed packages last."""
        return tuple({**self._loaders, **installed(self.group)})

    def get(self, name: str) -> T:
        """The value of a name.

        Raises:
            UsageError: there is no such name, or the package that adds it cannot be loaded.
        """
        load = self._loaders.get(name)
        if load is not None:
            return load()
        entry = installed(self.group).get(name)
        if entry is None:
            raise UsageError(f"{self.what} {name!r} is unknown; choose one of {self.names()}")
        try:
            return entry.load()  # type: ignore[no-any-return]
        except Exception as error:  # whatever a stranger's module raises while it is imported
            package = entry.dist.name if entry.dist else "an installed package"
            raise UsageError(
                f"{self.what} {name!r} of {package} ({entry.value}) cannot be loaded: {error}; "
                "update or remove that package"
            ) from error
