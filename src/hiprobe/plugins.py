"""Names that other packages add to: each kind of plug-in is a registry fed by entry points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hiprobe.errors import HiProbeError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name, to list them or ask for one; `Registry.get` settles a clash.

    Not cached: a package may be installed, or a folder put on `sys.path`, while we run.
    """
    from importlib.metadata import entry_points  # 20 ms, and most commands ask for no plug-in

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, entry)
    return found


def added_by_packages(
    group: str, *, error: type[HiProbeError], name: str | None = None
) -> dict[str, EntryPoint]:
    """Entry points of a group by name, where one name may stand for one thing only.

    None of them is imported.

    Args:
        group: such as "hiprobe.scorers".
        name: look at this one alone; two packages that clash over another do not stand in its way.

    Raises:
        HiProbeError: of the class `error`: two packages use a name for different things.
    """
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if name not in (None, entry.name):
            continue
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise error(
                f"{package_of(other)} and {package_of(entry)} both add {entry.name!r} to {group}; "
                "uninstall one of them"
            )
    return found


def load_entry(entry: EntryPoint, *, error: type[HiProbeError] = UsageError) -> Any:
    """The object that an entry point names.

    Raises:
        HiProbeError: of the class `error`: importing it fails, in whatever way.
    """
    try:
        return entry.load()
    except Exception as cause:  # a stranger's module can raise anything while it is imported
        raise error(
            f"{entry.name!r} ({entry.value}) of {package_of(entry)} cannot be loaded: "
            f"{type(cause).__name__}: {cause}; update or uninstall that package"
        ) from cause


def package_of(entry: EntryPoint) -> str:
    """Name and version of the package that an entry point belongs to."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"


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
            UsageError: there is no such name, two packages add it, or the package that does cannot
                be loaded.
        """
        load = self._loaders.get(name)
        if load is not None:
            return load()
        entry = added_by_packages(self.group, name=name, error=UsageError).get(name)
        if entry is None:
            raise UsageError(f"{self.what} {name!r} is unknown; choose one of {self.names()}")
        value: T = load_entry(entry)
        return value
