"""Labels on what the review proposes against labels at random: what do rounds of them gain?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import LabelError, StatesError
from hiprobe.joined import COMMITTEE_READINGS, Member
from hiprobe.names import path_text
from hiprobe.probe import Probe
from hiprobe.probe.fitting import usable_in_all
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Panel, curve_of_rows, panels_drawing
from hiprobe.reproduce.estimate import (
    HIGHEST_AUC,
    Estimate,
    Units,
    Weigh,
    auc_estimate,
    clip_units,
    difference,
    estimate,
    mean_auc,
)
from hiprobe.reproduce.experiment_result import Figure, Findings, ResultRow
from hiprobe.reproduce.experiments.label_budget import draw_clips
from hiprobe.reproduce.held_out import source_folds
from hiprobe.reproduce.request import DataSource, ReproduceRequest, Steps
from hiprobe.reproduce.scored import states_digest
from hiprobe.review.library import Library
from hiprobe.review.probe_in_use import ProbeInUse
from hiprobe.review.proposals import Candidate, candidates
from hiprobe.review.result_videos import ResultVideo
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.teach import Teacher
from hiprobe.review.values import Proposal
from hiprobe.states import LabelledStates, Reading, States, VideoStates
from hiprobe.store.states_file import write_states

START, LABELS_A_ROUND, ROUNDS = 4, 8, 5
# One of so many parts of the sources is held apart, by seed.
PARTS = 3

REVIEWER = "oracle"
PROTOCOL = (
    f"{START} clips of each kind to start with, {LABELS_A_ROUND} labels a round on the other clips "
    f"of two thirds of the sources, each answered with the label of its clip; tested on the third "
    f"that is held apart by seed"
)
NOTES = (
    "Proposals, refits and versions are those of the review itself, on a library of its own for "
    "each seed. At random means: drawn evenly from all that could be proposed.",
    "A short video is asked about as a whole, and the oracle gives the label of its clip. Of a "
    "longer one, events and peaks are asked about; that label need not be true of each of them.",
    "Of whole clips, the states hold one vector over all of a clip, as `extract` makes them. With "
    "segments only, they are as `detect` leaves them, and a refit reads the segments.",
    "Both ways of a seed have the same first clips and the same sources held apart. The first "
    "interval of a difference is over draws of these sources, the same for both; the second one, "
    "1.96 standard errors wide on either side, is over the seeds, on the clips at hand.",
    "A refit's time is that of the processor, one thread: reading states, the layer where it can "
    "be chosen, cross-validation, the table of layers, and scoring all videos again.",
)


@dataclass(frozen=True)
class ReviewSetting:
    """What the probe of a review reads.

    Attributes:
        readings: of a committee; none for the paper's recipe.
        has_whole: whether the states of the videos hold one vector over the whole, too.
    """

    name: str
    readings: tuple[Reading, ...] = ()
    has_whole: bool = True


SETTINGS = (
    ReviewSetting("paper, whole clips"),
    ReviewSetting("paper, segments only", has_whole=False),
    ReviewSetting("committee, whole clips", COMMITTEE_READINGS),
)

# The next stretches to label.
Pick = Callable[[Teacher, np.random.Generator], Sequence[Proposal | Candidate]]


def _proposed(teacher: Teacher, _: np.random.Generator) -> Sequence[Proposal]:
    return teacher.proposals(LABELS_A_ROUND)


def _at_random(teacher: Teacher, rng: np.random.Generator) -> Sequence[Candidate]:
    found = list(candidates(teacher.library))
    return [found[i] for i in rng.permutation(len(found))[:LABELS_A_ROUND]]


PROPOSED, AT_RANDOM = "proposed", "at random"
WAYS: dict[str, Pick] = {PROPOSED: _proposed, AT_RANDOM: _at_random}


@dataclass(frozen=True)
class LabelCourse:
    """One way of choosing under one seed.

    Attributes:
        rounds: the held-out clips with their scores, at the start and after each round.
        seconds: processor time of each refit.
    """

    rounds: tuple[Units, ...]
    seconds: tuple[float, ...]


def run(bench: Bench) -> Findings:
    """Both ways on every data set.

    Raises:
        LabelError: too few clips or sources of a kind to start with and to hold apart.
        StatesError: a clip has no segments.
    """
    rows: list[ResultRow] = []
    for data in bench.request.data:
        for setting in settings_of(bench, data):
            rows += _rows(bench, data, setting)
    return Findings(tuple(rows), (_figure(bench, rows),), NOTES)


def settings_of(bench: Bench, data: DataSource) -> list[ReviewSetting]:
    """Those whose readings the data hold, which files of states may not."""
    held = bench.extraction.holds
    videos = [clip.video for clip in bench.extraction.clips(data)]
    return [s for s in SETTINGS if all(held(v, r) for r in s.readings for v in videos)]


def _rows(bench: Bench, data: DataSource, setting: ReviewSetting) -> list[ResultRow]:
    readings = setting.readings or (bench.request.reading,)
    views = usable_in_all(bench.extraction.views(data, readings))
    probe = Probe(recipe="committee" if setting.readings else "paper")
    examples = probe.joined(views) if setting.readings else views[0]
    digest, seeds = states_digest([e for view in views for e in view]), bench.request.seeds
    steps = Steps(bench.say, f"teach, {data.name}, {setting.name}", len(seeds) * len(WAYS))
    found: dict[str, list[LabelCourse]] = {way: [] for way in WAYS}
    # As files, since the review's own library reads them so: what is measured is what a user runs.
    with _states_on_disk(views, has_whole=setting.has_whole) as places:
        for seed in seeds:
            pool, held = _split(examples, seed)
            loop = _Loop(bench.request, setting, probe.members, pool, places, held, seed)
            for way in WAYS:
                key = {"states": digest, "seed": seed, "way": way, **loop.settings()}
                piece = bench.finished.piece(key, partial(loop.course, way))
                found[way].append(_course(piece, held))
                steps.step(way)
    return _table_rows(bench, data, setting, found)


def _split(
    examples: Sequence[LabelledStates], seed: int
) -> tuple[list[LabelledStates], list[LabelledStates]]:
    """The clips to teach with and those of other sources that are tested."""
    for train, rest in source_folds(examples, folds=PARTS, seed=seed):
        pool, held = [examples[i] for i in train], [examples[i] for i in rest]
        counts = [sum(e.label == kind for e in pool) for kind in (0, 1)]
        # not every fold will do: one may leave too few clips of a kind to start with, or test one
        # kind only
        if min(counts) > START and {e.label for e in held} == {0, 1}:
            return pool, held
    raise LabelError(
        f"{len(examples)} clips of {len({e.source for e in examples})} sources: too few to start "
        f"with {START} of each kind and to hold a third of the sources apart; add clips"
    )


@contextmanager
def _states_on_disk(
    views: Sequence[Sequence[LabelledStates]], *, has_whole: bool
) -> Iterator[dict[str, Path]]:
    """Name of a clip to the file of its states, as the review scores videos.

    Args:
        views: the same clips at each reading.
    """
    with tempfile.TemporaryDirectory() as folder:
        places = {e.name: Path(folder) / f"{n}.safetensors" for n, e in enumerate(views[0])}
        for clips in zip(*views, strict=True):
            segments = {s.reading: s for s in map(_segments, clips)}
            whole = {e.clip.reading: e.clip for e in clips if e.clip is not None and has_whole}
            write_states(places[clips[0].name], VideoStates(states=segments, clip=whole))
        yield places


def _segments(example: LabelledStates) -> States:
    if example.segments is None:
        raise StatesError(f"{example.name} has no segments to review; extract it with segments")
    return example.segments


@dataclass(frozen=True)
class _Loop:
    """A review of the clips of a pool, from the first few labels on.

    Attributes:
        members: of a committee, else none.
        places: files of states, by name of the clip.
        held: clips of other sources, which are tested.
    """

    request: ReproduceRequest
    setting: ReviewSetting
    members: tuple[Member, ...]
    pool: Sequence[LabelledStates]
    places: dict[str, Path]
    held: Sequence[LabelledStates]
    seed: int

    def settings(self) -> dict[str, Any]:
        """What decides a course besides states, seed and way."""
        counts = {"start": START, "labels": LABELS_A_ROUND, "rounds": ROUNDS, "parts": PARTS}
        fixed = {"mode": self.request.mode, "folds": self.request.folds}
        return {**counts, **fixed, "setting": self.setting.name}

    def course(self, way: str) -> dict[str, Any]:
        """Scores of the held-out clips and processor seconds of the refits, as JSON values."""
        # another stream than the draw of the first clips, which must be the same for both ways
        rng = np.random.default_rng([self.seed, 1])
        with self._opened() as (library, kinds):
            teacher = Teacher(library)
            scores, seconds = [self._scores(library)], []
            for _ in range(ROUNDS):
                for one in WAYS[way](teacher, rng):
                    library.label(
                        kind="anomaly" if kinds[one.video_id] else "normal",
                        reviewer=REVIEWER,
                        event_id=one.event_id,
                        video_id=one.video_id,
                        start_seconds=one.start_seconds,
                        end_seconds=one.end_seconds,
                    )
                # not the clock on the wall: other programs of the machine would be in the figure
                began = time.process_time()
                refit = teacher.refit()
                seconds.append(time.process_time() - began)
                # accepted whatever it scores, as otherwise a round's labels would not show
                teacher.accept(refit.id, REVIEWER)
                scores.append(self._scores(library))
        return {"scores": scores, "seconds": seconds}

    @contextmanager
    def _opened(self) -> Iterator[tuple[Library, dict[str, int]]]:
        """A review of all clips but the first ones, and the label of each of its videos."""
        drawn = draw_clips(self.pool, per_class=START, rng=np.random.default_rng(self.seed))
        others = [e for e in self.pool if e.name not in {d.name for d in drawn}]
        request = self.request
        probe = Probe(
            recipe="committee" if self.members else "paper",
            members=self.members,
            mode=request.mode,
            folds=request.folds,
            seed=self.seed,
        ).fit(drawn)
        with tempfile.TemporaryDirectory() as folder:
            probe.save(Path(folder) / "probe")
            videos = [self._video(e, probe) for e in others]
            store = ReviewStore.open(Path(folder) / STORE_NAME)
            ids = store.add_videos([(v.path, v.content) for v in videos])
            found = dict(zip(ids, videos, strict=True))
            with Library(store, found, ProbeInUse.open(Path(folder) / "probe")) as library:
                library.show({name: video.timeline for name, video in found.items()})
                yield library, {name: e.label for name, e in zip(ids, others, strict=True)}

    def _video(self, example: LabelledStates, probe: Probe) -> ResultVideo:
        return ResultVideo(
            path=path_text(self.places[example.name]),
            content=None,
            timeline=probe.detect(_segments(example)),
            probe=probe.facts(),
            truth=None,
        )

    def _scores(self, library: Library) -> list[float]:
        probe = library.probe_in_use().probe
        return [float(np.nanmax(probe.detect(_segments(e)).smoothed)) for e in self.held]


def _course(piece: dict[str, Any], held: Sequence[LabelledStates]) -> LabelCourse:
    labels, sources = [e.label for e in held], [e.source for e in held]
    rounds = tuple(clip_units(scores, labels, sources) for scores in piece["scores"])
    return LabelCourse(rounds, tuple(piece["seconds"]))


def _section(setting: ReviewSetting) -> str:
    return f"What labels of a review gain: {setting.name}"


def _table_rows(
    bench: Bench, data: DataSource, setting: ReviewSetting, found: dict[str, list[LabelCourse]]
) -> list[ResultRow]:
    table = bench.table(data, _section(setting), PROTOCOL)
    draws, rows = bench.request.draws, []
    for number in range(ROUNDS + 1):
        given = _words(number)
        units = {way: [c.rounds[number] for c in found[way]] for way in WAYS}
        for way in WAYS:
            rows.append(table.row(given, _metric(way), auc_estimate(units[way], draws=draws)))
        if number:
            gain = difference(units[PROPOSED], units[AT_RANDOM], draws=draws)
            rows += _gain_rows(table.row, given, gain)
    rows += _gain_rows(table.row, "mean of all rounds", _mean_gain(found, draws=draws))
    seconds = [s for courses in found.values() for c in courses for s in c.seconds]
    refits = bench.table(data, f"Refits: {setting.name}", "all refits of both ways and all seeds")
    values = {"median": np.median(seconds), "longest": np.max(seconds)}
    for name, value in values.items():
        rows.append(refits.row("processor seconds of a refit", name, float(value), count=True))
    return rows


GAIN, OVER_SEEDS = "proposed minus at random", "proposed minus at random, over seeds"
AHEAD = "seeds ahead"


def _gain_rows(row: Callable[..., ResultRow], given: str, gain: Estimate) -> list[ResultRow]:
    own = np.array(gain.by_seed)
    # of a mean, by the normal distribution; with five seeds it is a rough guide, as the note says
    error = 1.96 * float(own.std(ddof=1)) / np.sqrt(len(own)) if len(own) > 1 else np.nan
    over_seeds = Estimate(gain.ours, gain.ours - error, gain.ours + error)
    ahead = float((own > 0).mean())
    return [row(given, GAIN, gain), row(given, OVER_SEEDS, over_seeds), row(given, AHEAD, ahead)]


def _mean_gain(found: dict[str, list[LabelCourse]], *, draws: int) -> Estimate:
    """Gain in the mean of the AUCs after each round, the start left out."""
    means = {way: [mean_auc(c.rounds[1:]) for c in found[way]] for way in WAYS}

    # a function of its own, so that each gain keeps the pair of its own seed
    def minus(one: Weigh, other: Weigh) -> Weigh:
        return lambda weights: one(weights) - other(weights)

    gains = [minus(*pair) for pair in zip(means[PROPOSED], means[AT_RANDOM], strict=True)]
    sources = [c.rounds[0].sources for c in found[PROPOSED]]
    return estimate(gains, sources, draws=draws)


def _metric(way: str) -> str:
    return f"{HIGHEST_AUC}, {way}"


def _words(number: int) -> str:
    """Labels given after so many rounds."""
    return f"{number * LABELS_A_ROUND} labels"


def _figure(bench: Bench, rows: Sequence[ResultRow]) -> Figure:
    counts = [number * LABELS_A_ROUND for number in range(ROUNDS + 1)]
    panels = []
    sections = {r.section: None for r in rows if r.metric == _metric(PROPOSED)}
    for data in bench.request.data:
        for section in sections:
            of_data = [r for r in rows if r.data == data.name and r.section == section]
            if not of_data:
                continue
            curves = []
            for way in WAYS:
                own = [r for r in of_data if r.metric == _metric(way)]
                curves.append(curve_of_rows(way, counts, own))
            title = f"{data.name}, {section.partition(': ')[2]}"
            panels.append(Panel(title, "labels given in the review", HIGHEST_AUC, tuple(curves)))
    caption = (
        f"{HIGHEST_AUC} on sources held apart against labels given in the review, after a start "
        f"with {START} clips of each kind; the band is over sources."
    )
    columns = len(sections)
    drawing = panels_drawing(panels, columns=columns)
    lines = -(-len(panels) // columns)
    return Figure("teach", caption, drawing, (4.6 * columns + 0.4, 3.6 * lines))
