"""Every experiment by its name, in the order in which `all` runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.reproduce.bench import Bench
    from hiprobe.reproduce.result import Findings


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be asked for by name.

    Attributes:
        module: file in `experiments/` with `run(bench) -> Findings`; loaded when it is run.
        in_all: False for one that needs data of its own; `all` leaves it out.
        data_sets: fewest data sets that it needs.
    """

    name: str
    title: str
    module: str
    in_all: bool = True
    data_sets: int = 1

    def load(self) -> Callable[[Bench], Findings]:
        """Its function."""
        found = import_module(f"hiprobe.reproduce.experiments.{self.module}")
        run: Callable[[Bench], Findings] = found.run
        return run


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("table4", "layer, scorer and threshold", "table4"),
)


def experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UsageError: there is none.
    """
    for found in EXPERIMENTS:
        if found.name == name:
            return found
    known = ", ".join(e.name for e in EXPERIMENTS)
    raise UsageError(f"experiment {name!r} is unknown; choose all or one of {known}")
