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
    Experiment("table1", "UCF-Crime, frame AUC, beside published numbers", "table1", in_all=False),
    Experiment("table2", "XD-Violence, frame AP, beside published numbers", "table2", in_all=False),
    Experiment("table3", "fitted on one set, tested on another", "table3", data_sets=2),
    Experiment("table4", "which layer, which scorer, and what the threshold does", "table4"),
    Experiment("table5", "key frames of a segment, K = 1 to 16", "table5"),
    Experiment("fig2", "KL divergence, LDR and entropy over the layers", "fig2"),
    Experiment("fig3", "silhouette over the layers", "fig3"),
    Experiment("fig4", "t-SNE maps of the first, the chosen and the last layer", "fig4"),
    Experiment("fig6", "score curves with truth and detection told apart", "fig6"),
    Experiment("label-budget", "AUC against the number of labelled clips", "label_budget"),
    Experiment("zero-label", "the probe beside what its backbone says without one", "zero_label"),
    Experiment("options", "what each choice that the paper leaves open does", "options"),
    Experiment("ped2", "UCSD Ped2 by frame, few labelled segments", "ped2", in_all=False),
    Experiment("text-bottleneck", "words against pictures", "text_bottleneck", in_all=False),
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
