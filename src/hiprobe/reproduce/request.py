"""What one run of `hiprobe reproduce` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.errors import UsageError
from hiprobe.probe import Mode
from hiprobe.states import READINGS, Reading

MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_SEEDS = 5
DEFAULT_FOLDS = 8
DEFAULT_DRAWS = 1000
DEFAULT_SHARE = 0.01


@dataclass(frozen=True)
class DataSource:
    """Labelled clips: a folder or a table, as `read_clips` takes them.

    Attributes:
        name: what tables call it.
        normal: names of the normal classes; empty to recognise them.
    """

    name: str
    path: Path
    normal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """Settings that all experiments of a run share.

    Attributes:
        data: at least one set of clips; names differ.
        out: folder of the results; each experiment has its own folder in it.
        backbone: which one, and how it is opened.
        readings: positions extracted together; the first is the one experiments read.
        mode: what a probe is fitted on, see `Mode`; "auto" chooses inside each training fold.
        seeds: of folds, draws and joined videos.
        folds: most folds, grouped by source.
        draws: bootstrap draws of sources.
        segment_seconds: None for segments of 24 frames.
        labelled_share: part of the training split that is labelled, where a data set has a test
            split (paper, section 4.1: about 1 %).
    """

    data: tuple[DataSource, ...]
    out: Path
    backbone: BackboneSpec = field(default_factory=BackboneSpec)
    readings: tuple[Reading, ...] = ("last",)
    mode: Mode | Literal["auto"] = "clip"
    seeds: tuple[int, ...] = tuple(range(DEFAULT_SEEDS))
    folds: int = DEFAULT_FOLDS
    draws: int = DEFAULT_DRAWS
    segment_seconds: float | None = None
    labelled_share: float = DEFAULT_SHARE

    def __post_init__(self) -> None:
        names = [d.name for d in self.data]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"data sets {names}: give at least one, and each a name of its own")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UsageError(f"seeds {self.seeds}: give at least one, each once")
        if self.folds < 2 or self.draws < 1:
            raise UsageError(f"folds {self.folds} and draws {self.draws}: at least 2 and 1")
        if not self.readings or not set(self.readings) <= set(READINGS):
            raise UsageError(f"readings {self.readings}: choose among {READINGS}")
        if not 0 < self.labelled_share <= 1:
            raise UsageError(f"labelled share {self.labelled_share}: above 0, at most 1")
        if self.mode not in ("auto", *MODES):
            raise UsageError(f"mode {self.mode!r} is unknown; choose auto or one of {MODES}")

    @property
    def reading(self) -> Reading:
        """The position that experiments read unless they compare several."""
        return self.readings[0]
