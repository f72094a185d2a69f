"""Where an experiment works: its request, the shared states, and what is already finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hiprobe.reproduce.extraction import Extraction
from hiprobe.reproduce.kept import Kept
from hiprobe.reproduce.request import Request


@dataclass(frozen=True)
class Bench:
    """Everything that an experiment is given.

    Attributes:
        request: the settings of the run.
        extraction: states of the data, extracted once for all experiments.
        kept: finished pieces of this experiment, so that an interrupted run goes on.
        say: takes a line about the course of the run.
    """

    request: Request
    extraction: Extraction
    kept: Kept
    say: Callable[[str], None]
