"""UCSD Ped2 by frame, from a few labelled segments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.manifest import ManifestRow, read_manifest
from hiprobe.errors import LabelError
from hiprobe.evaluation.frame_scores import ScoredFrames, seconds_to_frames, segments_to_frames
from hiprobe.evaluation.metrics import Ranking, interval, mean_and_median, within_video_auc
from hiprobe.evaluation.truth import frame_labels
from hiprobe.joined import COMMITTEE_READINGS, Member, join_states, members_of
from hiprobe.pipeline import extract_video
from hiprobe.probe.committee import DESIGN
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import Estimate, RowMaker, Units, auc_estimate, within_estimate
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.experiments.two_recipes import CHANGE
from hiprobe.reproduce.held_out import VISION_ALONE, Fit, Variant, fit_variant
from hiprobe.reproduce.published_rows import peer_rows, source_note
from hiprobe.reproduce.request import DataSource, ReproduceRequest
from hiprobe.segment import without_gaps
from hiprobe.states import LabelledStates, Reading, States

# The paper's length, and one that fits events of a few seconds at 10 frames a second.
SEGMENT_FRAMES = (24, 8)

# Labelled test videos; as many normal training videos are labelled with them.
BUDGETS = (1, 2, 4, 6)

VARIANTS = (
    Variant("DLSP layer", layer="dlsp"),
    Variant("last layer", layer="last"),
    Variant("layer by inner cross-validation", layer="cv"),
)
# Readings that are fitted together, as `hiprobe fit --recipe committee` does.
TOGETHER: Mapping[str, tuple[Reading, ...]] = {
    VISION_ALONE.name: CHANGE,
    "committee": COMMITTEE_READINGS,
}

MICRO, MACRO = "frame AUC, all frames (micro)", "AUC within a video (macro)"
METRICS = {MICRO: "micro", MACRO: "macro"}
DRAWN = (
    "{per_seed} draws a seed of the labelled videos; up to {most} abnormal and {most} normal "
    "segments of each, and {most} of as many training videos, each labelled as a whole; tested on "
    "every frame of all other test videos; brackets hold the middle 95 % of the draws"
)
LEFT_OUT = (
    "every segment of one kind of all other videos labelled; each test video is tested by the "
    "fit that has not seen it; the most that labels can give here"
)
DRAWS_OF_A_SEED = 8
# Most labelled segments of one kind of one video.
MOST_OF_A_KIND = 2
NOTES = (
    "Segments that hold both kinds of frame are not used as labels, but their frames are "
    "tested. Published methods are trained on the normal training videos and tested on all 12 "
    "test videos; here some test videos give labels and are then not tested, so the numbers "
    "are not of the same protocol.",
    "Four of the twelve test videos are abnormal throughout: they have no AUC of their own, "
    "and count in the micro AUC only.",
)


def run(bench: Bench) -> Findings:
    """Every budget at both lengths; `--data` is Ped2's manifest with spans.

    Raises:
        LabelError: the data have no videos with spans, or no normal videos.
    """
    rows: list[ResultRow] = []
    words: dict[str, str] = {}
    for data in bench.request.data:
        for frames in SEGMENT_FRAMES:
            found = segmented_set(bench, data, segment_frames=frames)
            rows += _length(bench, data, found, frames)
            words[data.name] = found.words()
    rows += peer_rows("ucsd-ped2", data="UCSD Ped2", metric="frame AUC (micro)")
    return Findings(rows=tuple(rows), notes=(*NOTES, source_note("ucsd-ped2")), data=words)


def _length(bench: Bench, data: DataSource, found: SegmentedSet, frames: int) -> list[ResultRow]:
    rows: list[ResultRow] = []
    section = f"Segments of {frames} frames"
    protocol = DRAWN.format(per_seed=DRAWS_OF_A_SEED, most=MOST_OF_A_KIND)
    drawn = bench.table(data, section, protocol)
    for variant, read in _variants(found):
        for budget in BUDGETS:
            # no test video would be left
            if budget >= len(read.tested):
                continue
            seeds = [_draws(bench, read, variant, budget, seed) for seed in bench.request.seeds]
            setting = f"{budget} of {len(read.tested)} test videos labelled, {variant.name}"
            rows += _drawn_rows(drawn, setting, seeds)
        rows += _whole_rows(bench, data, read, variant, section)
    return rows


def _variants(found: SegmentedSet) -> Iterator[tuple[Variant, SegmentedSet]]:
    """Each variant with the states that it reads; joined ones are made when their turn comes."""
    for variant in VARIANTS:
        yield variant, found
    for name, readings in TOGETHER.items():
        # any video will do: the layers and widths are the backbone's
        members = members_of([found.tested[0].views[r] for r in readings])
        yield Variant(name, members=members), found.joined(members)


def _draws(
    bench: Bench, found: SegmentedSet, variant: Variant, budget: int, seed: int
) -> list[Scores]:
    bench.say(f"{budget} labelled videos, {variant.name}, seed {seed}")
    key = {"what": "draws", "states": found.digest, "layer": variant.layer, "budget": budget,
           "seed": seed, "draws": DRAWS_OF_A_SEED, "folds": bench.request.folds}  # fmt: skip

    def compute() -> list[list[float]]:
        values, request = [], _by_segment(bench)
        for draw in range(DRAWS_OF_A_SEED):
            # as in `label_budget`: the points of a curve are independent draws
            rng = np.random.default_rng([seed, draw, budget])
            labelled = draw_labelled(found, videos=budget, rng=rng)
            scores = score_others(found, labelled, variant, request=request, seed=seed)
            values.append([scores.micro, scores.macro])
        return values

    return [Scores(*v) for v in bench.finished.piece(key, compute)]


def _by_segment(bench: Bench) -> ReproduceRequest:
    """The request with the only mode that single labelled segments allow."""
    return replace(bench.request, mode="clip")


def _drawn_rows(
    table: RowMaker, setting: str, seeds: Sequence[Sequence[Scores]]
) -> list[ResultRow]:
    rows = []
    for metric, name in METRICS.items():
        values = np.array([[getattr(s, name) for s in own] for own in seeds], np.float64)
        spread = interval(values.ravel())
        known = spread.draws > 0
        found = Estimate(
            ours=_mean(values),
            low=spread.low if known else None,
            high=spread.high if known else None,
            by_seed=tuple(_mean(own) for own in values),
        )
        rows.append(table.row(setting, metric, found))
    return rows


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the draws that have a value: where all tested frames are of one kind none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _whole_rows(
    bench: Bench, data: DataSource, found: SegmentedSet, variant: Variant, section: str
) -> list[ResultRow]:
    bench.say(f"leave one out, {variant.name}")
    request = _by_segment(bench)
    key = {"what": "leave one out", "states": found.digest, "layer": variant.layer,
           "folds": request.folds, "draws": request.draws}  # fmt: skip
    piece = bench.finished.piece(
        key, lambda: leave_one_out(found, variant, request=request, draws=request.draws)
    )
    # no seed moves these rows: they have the first one's number and no range
    table = RowMaker(data.name, section, f"{LEFT_OUT}; interval over test videos")
    setting = f"all other videos labelled, {variant.name}"
    return [table.row(setting, metric, Estimate(**piece[name])) for metric, name in METRICS.items()]


@dataclass(frozen=True)
class SegmentedVideo:
    """A video's segments, and which of its frames are abnormal.

    Attributes:
        frame_labels: bool `[frames]`.
        views: of the readings that are fitted together.
        starts, ends: int64 `[segments]`, half-open, in frames.
        segment_labels: int64 `[segments]`: 0 or 1 where all frames are of one kind, else -1.
    """

    name: str
    states: States
    frame_labels: NDArray[np.bool_]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    segment_labels: NDArray[np.int64]
    views: Mapping[Reading, States]


@dataclass(frozen=True)
class SegmentedSet:
    """Videos with spans, which are tested, and normal ones, which only give labels."""

    tested: tuple[SegmentedVideo, ...]
    normal: tuple[SegmentedVideo, ...]
    digest: str

    def joined(self, members: Sequence[Member]) -> SegmentedSet:
        """The same videos with the states of these members side by side."""
        tested, normal = (
            tuple(replace(v, states=join_states(v.views, members)) for v in videos)
            for videos in (self.tested, self.normal)
        )
        names = ", ".join(m.name for m in members)
        return SegmentedSet(tested, normal, f"{self.digest} {names}, {DESIGN}")

    def words(self) -> str:
        """What the set is."""
        frames = sum(len(v.frame_labels) for v in self.tested)
        positive = sum(int(v.frame_labels.sum()) for v in self.tested)
        return (
            f"{len(self.tested)} test videos ({frames} frames, {positive} abnormal), "
            f"{len(self.normal)} normal training videos"
        )


@dataclass(frozen=True)
class Scores:
    """AUC over all frames together, and the mean over videos that have both kinds."""

    micro: float
    macro: float


def segmented_set(bench: Bench, data: DataSource, *, segment_frames: int) -> SegmentedSet:
    """States of all videos of a manifest with spans, cut into segments of `segment_frames`.

    Raises:
        LabelError: no videos with spans, or fewer than two normal ones.
        VideoError: one cannot be read.
    """
    rows = read_manifest(path=data.path).rows
    tested = [r for r in rows if r.spans]
    normal = [r for r in rows if not r.label]
    if len(tested) < 2 or len(normal) < 2:
        raise LabelError(
            f"{data.path}: {len(tested)} videos with spans and {len(normal)} normal ones; two of "
            "each are needed"
        )
    found = [_video(bench, row, segment_frames) for row in (*tested, *normal)]
    digest = hashlib.sha256()
    for video in found:
        digest.update(video.states.values.tobytes() + video.frame_labels.tobytes())
        for reading in COMMITTEE_READINGS:
            digest.update(video.views[reading].values.tobytes())
    count = len(tested)
    return SegmentedSet(tuple(found[:count]), tuple(found[count:]), digest.hexdigest()[:16])


def draw_labelled(
    found: SegmentedSet, *, videos: int, rng: np.random.Generator
) -> tuple[LabelledStates, ...]:
    """Segments of `videos` test videos and as many normal ones.

    A test video gives up to `MOST_OF_A_KIND` segments of each kind, a normal one as many normal.

    Args:
        videos: how many of the test videos give labels.
    """
    tested = [found.tested[i] for i in rng.choice(len(found.tested), videos, replace=False)]
    count = min(videos, len(found.normal))
    normal = [found.normal[i] for i in rng.choice(len(found.normal), count, replace=False)]
    labelled: list[LabelledStates] = []
    for video, kinds in [*((v, (1, 0)) for v in tested), *((v, (0,)) for v in normal)]:
        for kind in kinds:
            own = np.flatnonzero(video.segment_labels == kind)
            chosen = rng.permutation(own)[:MOST_OF_A_KIND]
            labelled += [_labelled(video, int(i)) for i in sorted(chosen)]
    return tuple(labelled)


def score_others(
    found: SegmentedSet,
    labelled: Sequence[LabelledStates],
    variant: Variant,
    *,
    request: ReproduceRequest,
    seed: int,
) -> Scores:
    """Fit on the labelled segments and score every frame of the test videos they are not of.

    Args:
        labelled: segments of videos of both kinds; a test video that gave one is not tested.
    """
    fit = fit_variant(labelled, variant, request=request, seed=seed)
    known = {e.source for e in labelled}
    frames = _joined({v.name: (v, fit) for v in found.tested if v.name not in known})
    macro = mean_and_median(within_video_auc(frames))[0]
    return Scores(Ranking.of(frames).auc_and_precision()[0], macro)


def leave_one_out(
    found: SegmentedSet, variant: Variant, *, request: ReproduceRequest, draws: int
) -> dict[str, dict[str, Any]]:
    """Every test video scored by a fit on all clean segments of all others, as JSON values.

    Args:
        draws: bootstrap draws of test videos.

    Returns:
        `micro` and `macro`, each to the fields of an `Estimate`.
    """
    fits = {}
    for video in found.tested:
        others = [v for v in (*found.tested, *found.normal) if v is not video]
        labelled = [
            _labelled(v, int(i)) for v in others for i in np.flatnonzero(v.segment_labels >= 0)
        ]
        fits[video.name] = (video, fit_variant(labelled, variant, request=request, seed=0))
    frames = _joined(fits)
    micro = auc_estimate([Units(frames, tuple(fits))], draws=draws)
    macro = within_estimate([frames], draws=draws)
    return {
        name: {"ours": e.ours, "low": e.low, "high": e.high}
        for name, e in (("micro", micro), ("macro", macro))
    }


def _video(bench: Bench, row: ManifestRow, segment_frames: int) -> SegmentedVideo:
    from hiprobe.video.video_info import video_info

    bench.say(f"{row.name}: segments of {segment_frames} frames")
    reading = bench.request.reading
    settings = replace(
        bench.extraction.settings(readings=tuple(dict.fromkeys((reading, *COMMITTEE_READINGS)))),
        segment_frames=segment_frames,
        segment_seconds=None,
    )
    views = extract_video(
        row.video,
        backbone=bench.extraction.backbone,
        settings=settings,
        cache=bench.extraction.cache,
    ).states
    states = views[reading]
    fps = row.fps or video_info(row.video).fps_from_header or 30.0
    counted, ended = without_gaps(states.start_seconds, states.end_seconds)
    frames = row.frame_count or int(seconds_to_frames(ended[-1], fps=fps))
    labels = frame_labels(row.spans, frames=frames)
    starts = seconds_to_frames(counted, fps=fps)
    ends = np.append(starts[1:], frames)
    owned = [labels[a:b] for a, b in zip(starts, ends, strict=True)]
    # 1 for all abnormal, 0 for all normal, -1 for both kinds.
    kinds = [1 if own.all() else -int(own.any()) for own in owned]
    return SegmentedVideo(row.name, states, labels, starts, ends, np.array(kinds, np.int64), views)


def _labelled(video: SegmentedVideo, segment: int) -> LabelledStates:
    row = np.zeros(len(video.states), np.bool_)
    row[segment] = True
    return LabelledStates(
        name=f"{video.name}, segment {segment}",
        label=int(video.segment_labels[segment]),
        source=video.name,
        clip=video.states.select_rows(row),
        segments=None,
    )


def _joined(fits: Mapping[str, tuple[SegmentedVideo, Fit]]) -> ScoredFrames:
    """Frames of all videos by name, each scored under the fit that stands with it."""
    pieces = [
        segments_to_frames(
            starts=video.starts,
            ends=video.ends,
            scores=fit.smoothed(video.states),
            frames=len(video.frame_labels),
            name=name,
        )
        for name, (video, fit) in fits.items()
    ]
    offsets = np.concatenate(([0], np.cumsum([len(p) for p in pieces]))).astype(np.int64)
    labels = np.concatenate([video.frame_labels for video, _ in fits.values()])
    return ScoredFrames(np.concatenate(pieces), labels, offsets)
