"""The paper's one layer, means over layers, vision change alone, and the committee of them all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from hiprobe.joined import COMMITTEE_READINGS, join_examples, members_of
from hiprobe.probe.committee import DESIGN, EVIDENCE_CLIPS, CommitteeScorer
from hiprobe.probe.fitting import usable_in_all
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import Mode, TrainingSet, any_states, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import HIGHEST_AUC, RowMaker, difference, known_clips
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.experiments.label_budget import draw_clips
from hiprobe.reproduce.held_out import VISION_ALONE, Pairs, held_out, source_folds
from hiprobe.reproduce.request import DataSource, ReproduceRequest, Steps
from hiprobe.reproduce.scored import states_digest
from hiprobe.states import VISION_READINGS, LabelledStates, Reading

BUDGETS = (2, 4, 8)
DRAWS = 12
# With evidence of infinitely many clips asked for, all members keep the same weight.
EQUAL = float("inf")
FEW = (
    "{count} clips of each kind from sources of their own, {draws} draws; tested on all clips of "
    "other sources, which the interval is over; the draws count as seeds"
)
NOTES = (
    "A committee reads every third layer of the deeper half; its members are weighed by "
    "scores of clips held out within a training part. Nothing is chosen on the clips tested.",
    "Both differences are over the same draws of sources. An interval of few labelled clips is "
    "over the recordings tested; how far the choice of labelled clips moves a value is the range "
    "behind it.",
)


@dataclass(frozen=True)
class ReadingChoice:
    """What is read, and how its members are weighed.

    Attributes:
        readings: of the members; none for the paper's recipe.
        evidence_clips: as in `CommitteeScorer`.
    """

    name: str
    readings: tuple[Reading, ...] = ()
    evidence_clips: float = EQUAL


CHANGE = tuple(r for r in COMMITTEE_READINGS if r in VISION_READINGS)
DECODER = tuple(r for r in COMMITTEE_READINGS if r not in VISION_READINGS)
PAPER = ReadingChoice("paper: DLSP's layer, last position")
VISION = ReadingChoice(VISION_ALONE.name, CHANGE)
BASES = {PAPER.name: "minus the paper's recipe", VISION.name: "minus vision change"}
SETTINGS = (
    PAPER,
    ReadingChoice("mean of layers, last position", ("last",)),
    ReadingChoice("mean of layers, three readings", DECODER),
    VISION,
    ReadingChoice("committee, weights before evidence", COMMITTEE_READINGS),
    ReadingChoice("committee", COMMITTEE_READINGS, EVIDENCE_CLIPS),
)


@dataclass(frozen=True)
class LabelSplit:
    """Clips to fit on and clips to test, one pair for each fold.

    Attributes:
        seed: of the folds, or the number of the draw.
    """

    pairs: Pairs
    seed: int


def run(bench: Bench) -> Findings:
    """Every setting on every data set, with all labels and with few."""
    rows: list[ResultRow] = []
    for data in bench.request.data:
        rows += _rows(bench, data)
    return Findings(tuple(rows), notes=NOTES)


def _rows(bench: Bench, data: DataSource) -> list[ResultRow]:
    """All tables of a data set. Settings one after the other: joined states need much memory."""
    views = usable_in_all(bench.extraction.views(data, COMMITTEE_READINGS))
    tables = _tables(bench, data, views[0])
    steps = Steps(bench.say, f"committee, {data.name}", len(tables) * len(SETTINGS))
    digest = states_digest([e for view in views for e in view])
    found: list[dict[str, list[dict[str, Any]]]] = [{} for _ in tables]
    for setting in SETTINGS:
        scoring = _Scoring(bench.request, setting, views)
        for (_, splits), own in zip(tables, found, strict=True):
            own[setting.name] = [
                bench.finished.piece(scoring.key(split, digest), partial(scoring.piece, split))
                for split in splits
            ]
            steps.step(setting.name)
    return [
        row
        for (table, _), own in zip(tables, found, strict=True)
        for row in _table_rows(table, own, views[0])
    ]


def _tables(
    bench: Bench, data: DataSource, examples: Sequence[LabelledStates]
) -> list[tuple[RowMaker, list[LabelSplit]]]:
    """A table with all labels and one for each budget that the sources allow, with its splits."""
    folds = partial(source_folds, examples, folds=bench.request.folds)
    every = [LabelSplit(folds(seed=seed), seed) for seed in bench.request.seeds]
    protocol = f"{len(every[0].pairs)} folds grouped by source"
    tables = [(bench.table(data, "All labelled clips", protocol), every)]
    for count in BUDGETS:
        drawn = few_labels(examples, count)
        if drawn:
            section = f"{count} labelled clips of each kind"
            protocol = FEW.format(count=count, draws=len(drawn))
            seeds = tuple(split.seed for split in drawn)
            tables.append(
                (RowMaker(data.name, section, protocol, seeds, bench.request.draws), drawn)
            )
    return tables


def few_labels(examples: Sequence[LabelledStates], count: int) -> list[LabelSplit]:
    """Draws of `count` clips of each kind, each from its own source; the other sources are tested.

    A draw is skipped where it leaves clips of one kind only. No draws where a kind has no more
    sources than are to be drawn.
    """
    if min(len({e.source for e in examples if e.label == v}) for v in (0, 1)) <= count:
        return []
    found: list[LabelSplit] = []
    # More seeds than draws: some leave one kind without a clip to test.
    for seed in range(20 * DRAWS):
        rng = np.random.default_rng(seed)
        drawn = draw_clips(examples, per_class=count, rng=rng)
        chosen, known = {id(e) for e in drawn}, {e.source for e in drawn}
        train = np.array([i for i, e in enumerate(examples) if id(e) in chosen])
        test = np.array([i for i, e in enumerate(examples) if e.source not in known], np.int64)
        if len({examples[i].label for i in test}) == 2:
            found.append(LabelSplit([(train, test)], seed))
        if len(found) == DRAWS:
            break
    return found


@dataclass(frozen=True)
class _Scoring:
    """One setting on the clips of one data set.

    Attributes:
        views: the same clips in each reading of `COMMITTEE_READINGS`.
    """

    request: ReproduceRequest
    setting: ReadingChoice
    views: Sequence[Sequence[LabelledStates]]

    @property
    def mode(self) -> Mode:
        """What both recipes are fitted on; a choice among modes would hide what differs."""
        return "clip" if self.request.mode == "auto" else self.request.mode

    def key(self, split: LabelSplit, digest: str) -> dict[str, Any]:
        """Everything that decides a piece."""
        pairs = [[train.tolist(), held.tolist()] for train, held in split.pairs]
        weights = {"design": DESIGN, "evidence_clips": self.setting.evidence_clips}
        settings = {"readings": self.setting.readings, "mode": self.mode, **weights}
        return {"states": digest, "seed": split.seed, "pairs": pairs, **settings}

    def piece(self, split: LabelSplit) -> dict[str, Any]:
        """Highest segment score of each clip, NaN where it was not tested, and the time it took."""
        data, scorer = self._set
        began = time.monotonic()
        recipe = Parameters(mode=self.mode, seed=split.seed).settled()
        if scorer is None:
            # in each training part alone, as `fit` does; a layer chosen on all clips would know the
            # tested ones
            layers = [choose_layer(data, train, recipe=recipe) for train, _ in split.pairs]
        else:
            # Joined states have one layer, which holds all members side by side.
            layers, recipe = [1] * len(split.pairs), replace(recipe, scorer=scorer)
        found = held_out(data, split.pairs, layers, mode=self.mode, recipe=recipe)
        return {"scores": found.highest.tolist(), "seconds": time.monotonic() - began}

    @cached_property
    def _set(self) -> tuple[TrainingSet, CommitteeScorer | None]:
        """Clips as arrays, and what is fitted on them; None for the paper's recipe."""
        by_reading = dict(zip(COMMITTEE_READINGS, self.views, strict=True))
        if not self.setting.readings:
            return training_set(by_reading["last"]), None
        own = [by_reading[r] for r in self.setting.readings]
        members = members_of([any_states(view[0]) for view in own])
        evidence = self.setting.evidence_clips
        scorer = CommitteeScorer(classifier=None, members=members, evidence_clips=evidence)
        return training_set(join_examples(own, members)), scorer


def _table_rows(
    table: RowMaker,
    pieces: Mapping[str, Sequence[Mapping[str, Any]]],
    examples: Sequence[LabelledStates],
) -> list[ResultRow]:
    """AUC of each setting, and how far it is above the paper's recipe and vision change alone."""
    labels, sources = np.array([e.label for e in examples]), [e.source for e in examples]
    units = {
        name: [known_clips(np.array(p["scores"], np.float64), labels, sources) for p in own]
        for name, own in pieces.items()
    }
    rows: list[ResultRow] = []
    for name, own in units.items():
        # kept with the piece, so that a resumed run shows the time that the work took
        seconds = sum(p["seconds"] for p in pieces[name])
        rows.append(replace(table.auc(name, HIGHEST_AUC, own), seconds=seconds))
        for base, metric in BASES.items():
            if name not in BASES:
                gain = difference(own, units[base], draws=table.draws)
                # without values of seeds: a difference of one draw of four clips says little, and
                # there are twelve
                rows.append(table.row(name, metric, replace(gain, by_seed=())))
    return rows
