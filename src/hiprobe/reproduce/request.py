"""The settings of a run of experiments, the list of experiments, and finished pieces.

To add an experiment, write a function `run(bench: Bench) -> Findings` in one file of
`hiprobe/reproduce/experiments/` and one line in `EXPERIMENTS` below. The function

- takes states from `bench.extraction.examples(data)` for each of `bench.request.data`; all
  experiments of a run share one pass over the videos, and its states are cached;
- wraps what takes long in `bench.finished.piece(key, compute)`, so that an interrupted run goes on;
- makes its rows with `bench.table(data, section, protocol)` and returns them as `Findings`.

The command, the result's files and the joined page need no change.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from hiprobe.documents.checked import read_json
from hiprobe.errors import UsageError
from hiprobe.probe import Mode
from hiprobe.spec import BackboneSpec
from hiprobe.states import READINGS, Reading
from hiprobe.store.atomic import atomic_path

if TYPE_CHECKING:
    from hiprobe.reproduce.clip_states import Bench
    from hiprobe.reproduce.experiment_result import Findings


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
class ReproduceRequest:
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


# Raised when experiments compute something else, so that old pieces are not taken.
VERSION = 1

Piece = TypeVar("Piece")
# Numbers, text, lists and dictionaries with text as keys, but not None; NaN is allowed.
JsonValue = Any


@dataclass(frozen=True)
class FinishedPieces:
    """Pieces of one experiment in one folder, one file for each key."""

    folder: Path

    def find(self, key: Mapping[str, Any]) -> JsonValue | None:
        """The piece of a key; None where it is not there yet.

        Args:
            key: everything that decides the piece, as JSON values: digest of the states, setting,
                seed. Two pieces with equal keys are the same piece.
        """
        return _read(*self._place(key))

    def keep(self, key: Mapping[str, Any], value: JsonValue) -> JsonValue:
        """Keep a piece; it is returned as it will be read next time (tuples become lists).

        Raises:
            StorageError: it cannot be written.
        """
        path, text = self._place(key)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"key": text, "value": value}), encoding="utf-8")
        # So a first run works on just the values that a resumed one will read.
        return json.loads(json.dumps(value))

    def piece(self, key: Mapping[str, Any], compute: Callable[[], Piece]) -> Piece:
        """The piece of a key; computed and stored where it is not there yet.

        It is always what JSON gives back: tuples come as lists, and keys as text.
        """
        found: Any = self.find(key)
        made: Piece = self.keep(key, compute()) if found is None else found
        return made

    def _place(self, key: Mapping[str, Any]) -> tuple[Path, str]:
        # sorted, so that the order in which a key is put together does not matter
        text = json.dumps({**key, "version": VERSION}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json", text


def _read(path: Path, text: str) -> JsonValue | None:
    """The kept value; None where it is absent, damaged or of another key."""
    try:
        found = read_json(path, nan=True, names=True)
    except (OSError, ValueError):
        return None
    # the key is compared in full: names of files hold 24 digits of its digest only
    whole = isinstance(found, dict) and found.get("key") == text
    return found.get("value") if whole else None


# Least distance in time of two lines.
SAY_SECONDS = 10.0


@dataclass
class Steps:
    """Prints how far a run of a known number of equal steps is, and how long it still takes."""

    say: Callable[[str], None]
    what: str
    total: int
    _done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def step(self, name: str) -> None:
        """One more step is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._said < SAY_SECONDS or self._done >= self.total:
            return
        self._said = now
        left = (now - self._began) / self._done * (self.total - self._done)
        shown = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        self.say(f"{self.what}: {self._done} of {self.total} ({name}), about {shown} left")


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be asked for by name.

    Attributes:
        title: what it shows, for the list and the heading of its page.
        function: `file:function` in `hiprobe.reproduce.experiments`.
        in_all: run by `all`: it needs nothing but labelled clips.
        data_sets: least number of data sets.
    """

    name: str
    title: str
    function: str
    in_all: bool = True
    data_sets: int = 1

    def load(self) -> Callable[[Bench], Findings]:
        """Its function, imported only now: many experiments need torch."""
        file, _, name = self.function.partition(":")
        found = import_module(f"hiprobe.reproduce.experiments.{file}")
        run: Callable[[Bench], Findings] = getattr(found, name)
        return run


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("table1", "UCF-Crime, frame AUC, with published numbers", "tables_1_2:table1",
               in_all=False),
    Experiment("table2", "XD-Violence, frame AP, with published numbers", "tables_1_2:table2",
               in_all=False),
    Experiment("table3", "fitted on one set, tested on another", "tables_3_5:table3", data_sets=2),
    Experiment("table4", "which layer, which scorer, and what the threshold does", "table4:run"),
    Experiment("table5", "key frames of a segment, K = 1 to 16", "tables_3_5:table5"),
    Experiment("fig2", "KL divergence, LDR and entropy over the layers", "layer_figures:fig2"),
    Experiment("fig3", "silhouette over the layers", "layer_figures:fig3"),
    Experiment("fig4", "t-SNE maps of the first, the chosen and the last layer",
               "layer_figures:fig4"),
    Experiment("fig6", "score curves with real and detected events", "fig6:run"),
    Experiment("label-budget", "AUC against the number of labelled clips", "label_budget:run"),
    Experiment("teach", "labels that the review proposes against labels at random",
               "labelling_loop:run", in_all=False),
    Experiment("committee", "one layer, the mean of layers, and the committee", "two_recipes:run",
               in_all=False),
    Experiment("background", "a probe on another camera, less its background",
               "camera_background:run", data_sets=2, in_all=False),
    Experiment("long-clips", "what to fit on when clips are long and abnormal in part",
               "long_clips:run", in_all=False),
    Experiment("windows", "windows that overlap, centred and causal, and what they cost",
               "windows:run", in_all=False),
    Experiment("zero-label", "the probe against what its backbone says without one",
               "without_labels:run"),
    Experiment("options", "what each choice that the paper leaves open does", "open_choices:run"),
    Experiment("ped2", "UCSD Ped2 by frame, few labelled segments", "ped2:run", in_all=False),
    Experiment("text-bottleneck", "words against pictures", "text_bottleneck:run", in_all=False),
    Experiment("calibration", "false alarms promised and seen, on scores of UCF-Crime",
               "promised_rates:run", in_all=False),
)  # fmt: skip


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
