"""Windows that overlap: what a shorter hop gives and what it costs, on untrimmed videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.frame_scores import ScoredFrames, seconds_to_frames, segments_to_frames
from hiprobe.evaluation.metrics import Ranking, match_events, mean_and_median, within_video_auc
from hiprobe.evaluation.metrics.event_metrics import runs
from hiprobe.paper import SIGMA_SEGMENTS
from hiprobe.pipeline import extract_video
from hiprobe.probe import Probe
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import FRAME_AUC, WITHIN, Estimate
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import EVENT_F1, EVENT_IOU
from hiprobe.reproduce.scored import states_digest
from hiprobe.reproduce.video_folds import tests_of
from hiprobe.states import States
from hiprobe.timeline import EMA_WEIGHT, SmoothingKind, Timeline

# So many windows begin within the length of one; 1 is no overlap.
WINDOWS_OF_A_LENGTH = (1, 2, 4)

KINDS: tuple[SmoothingKind, ...] = ("gaussian", "ema", "none")

FOUND, DELAY, PASSES = "share of events alarmed", "delay, median, s", "passes a second of video"
METRICS = (FRAME_AUC, WITHIN, EVENT_F1, FOUND, DELAY, PASSES)

NOTES = (
    "Probes are fitted on clips without windows; the same probe reads each video with every hop. "
    "Its threshold is that of the same smoothing. Smoothed in spans is what detection does: its "
    "width counts spans, which a hop makes shorter. In seconds, it is as long as without a hop.",
    "The delay is from an event's first frame until an alarm can be raised that shows a part of "
    "it: at the end of a segment or of a window. Where scores look ahead there is none.",
    "Until the first window has ended a causal score counts as 0.",
)


@dataclass(frozen=True)
class HopChoice:
    """How a video is cut and scored.

    Attributes:
        windows: that begin within the length of one.
        in_seconds: the smoothing is as long in seconds as without overlap, not in spans.
    """

    windows: int
    kind: SmoothingKind
    in_seconds: bool

    @property
    def words(self) -> str:
        """Its name in the table."""
        hop = "no hop" if self.windows == 1 else f"hop of 1/{self.windows}"
        looks = {"gaussian": "centred", "ema": "causal", "none": "causal, not smoothed"}[self.kind]
        unit = "seconds" if self.in_seconds else "spans"
        length = f", smoothed in {unit}" if self.windows > 1 and self.kind != "none" else ""
        return f"{looks}, {hop}{length}"

    def timeline(self, probe: Probe, states: States) -> Timeline:
        """What `detect` gives of a video that is cut and scored in this way."""
        longer = self.windows if self.in_seconds else 1
        if self.kind == "none":
            return probe.detect(states, smoothing="none")
        if self.kind == "ema":
            # `longer` steps of this weight forget as much as one step of the usual one
            weight = 1 - (1 - EMA_WEIGHT) ** (1 / longer)
            return probe.detect(states, smoothing="ema", ema_weight=weight)
        return probe.detect(states, smoothing="gaussian", sigma_segments=SIGMA_SEGMENTS * longer)


WAYS = tuple(
    HopChoice(windows, kind, in_seconds)
    for kind in KINDS
    for windows in WINDOWS_OF_A_LENGTH
    for in_seconds in ((False, True) if windows > 1 and kind != "none" else (False,))
)


def run(bench: Bench) -> Findings:
    """Every hop and smoothing on the held-out videos of every data set."""
    rows: list[ResultRow] = []
    notes = list(NOTES)
    for data in bench.request.data:
        found = [_seed(bench, data, seed) for seed in bench.request.seeds]
        if not any(found):
            notes.append(f"{data.name}: no untrimmed video can be made of extracted states alone.")
            continue
        rows += _rows(bench, data, found)
    return Findings(rows=tuple(rows), notes=tuple(notes))


def _seed(bench: Bench, data: DataSource, seed: int) -> list[dict[str, Any]]:
    """For each fold with videos: what each way gives of each video, as JSON values."""
    tests = [t for t in tests_of(bench, data, seed=seed) if any(_can_be_read(v) for v in t.videos)]
    steps = Steps(bench.say, f"windows, {data.name}, seed {seed}", len(tests))
    found = []
    for test in tests:
        key = {
            "states": states_digest(test.fit),
            "videos": [v.name for v in test.videos],
            "spans": [v.spans for v in test.videos],
            "parts": [[p.source for p in v.parts] for v in test.videos],
            "mode": bench.request.mode,
            "seed": seed,
            "ways": [w.words for w in WAYS],
        }
        found.append(bench.finished.piece(key, partial(_fold, bench, test, seed)))
        steps.step(test.videos[0].name)
    return found


def _can_be_read(video: TestVideo) -> bool:
    return video.path is not None and bool(video.spans)


def _fold(bench: Bench, test: FrameTest, seed: int) -> dict[str, list[dict[str, Any]]]:
    probes = {kind: _fitted(bench, test, kind, seed) for kind in KINDS}
    videos = [v for v in test.videos if _can_be_read(v)]
    found: dict[str, list[dict[str, Any]]] = {way.words: [] for way in WAYS}
    for video in videos:
        # read once for all ways: smoothing needs no pass of its own
        by_hop = {windows: _states(bench, video, windows) for windows in WINDOWS_OF_A_LENGTH}
        for way in WAYS:
            states = by_hop[way.windows]
            timeline = way.timeline(probes[way.kind], states)
            found[way.words].append(_measured(video, timeline, states))
    return found


def _fitted(bench: Bench, test: FrameTest, kind: SmoothingKind, seed: int) -> Probe:
    request = bench.request
    probe = Probe(mode=request.mode, folds=request.folds, seed=seed, smoothing=kind)
    return probe.fit(test.fit)


def _states(bench: Bench, video: TestVideo, windows: int) -> States:
    """States of a video with so many windows to a length."""
    settings = bench.extraction.settings()
    if settings.segment_seconds is not None:
        settings = replace(settings, hop_seconds=settings.segment_seconds / windows)
    else:
        settings = replace(settings, hop_frames=settings.segment_frames // windows)
    if video.path is None:  # `_can_be_read` has seen to it
        raise ValueError(video.name)
    found = extract_video(
        video.path,
        backbone=bench.extraction.backbone,
        settings=settings,
        cache=bench.extraction.cache,
    )
    return found.states[bench.request.reading]


def _measured(video: TestVideo, timeline: Timeline, states: States) -> dict[str, Any]:
    """Score and alarm of each frame, and the delay of each event; NaN where it has no alarm."""
    starts = seconds_to_frames(timeline.start_seconds, fps=video.fps)
    # the first frame may be shown a little after second 0, and the truth counts from frame 0
    starts[0] = 0
    scores = segments_to_frames(
        starts=starts,
        ends=np.append(starts[1:], video.frames),
        # nothing is known yet, so nothing is alarmed; leaving the frames out would favour causal
        # scores
        scores=np.where(timeline.waiting, 0.0, timeline.smoothed),
        frames=video.frames,
        name=video.name,
    )
    alarmed, delays = _alarmed(video, timeline, states)
    return {
        "scores": scores.tolist(),
        "above": (scores > timeline.threshold).tolist(),
        "labels": video.labels.tolist(),
        "alarmed": alarmed,
        "delays": delays,
        "passes": len(states),
        "seconds": video.frames / video.fps,
    }


def _alarmed(
    video: TestVideo, timeline: Timeline, states: States
) -> tuple[list[bool], list[float]]:
    """Which events an alarm shows, and how long after its first frame each alarm is raised."""
    above = np.where(timeline.waiting, 0.0, timeline.smoothed) > timeline.threshold
    shown_from, shown_until = timeline.start_seconds, timeline.end_seconds
    raised = shown_until
    if timeline.overlap == "last":  # a span has the score of the window that ended where it begins
        length = float(np.median(states.end_seconds - states.start_seconds))
        shown_from, shown_until = shown_from - length, timeline.start_seconds
        raised = timeline.start_seconds
    found, delays = [], []
    for first, end in video.spans:
        start, stop = first / video.fps, end / video.fps
        own = above & (shown_from < stop) & (shown_until > start)
        found.append(bool(own.any()))
        # the Gaussian looks ahead, so the moment at which a live camera would alarm does not exist
        live = own.any() and timeline.smoothing != "gaussian"
        delays.append(float(raised[own].min() - start) if live else float("nan"))
    return found, delays


def _rows(
    bench: Bench, data: DataSource, seeds: Sequence[Sequence[dict[str, Any]]]
) -> list[ResultRow]:
    # of any fold: they share it
    protocol = next(iter(tests_of(bench, data, seed=bench.request.seeds[0]))).protocol
    table = bench.table(data, "Windows that overlap", protocol)
    rows = []
    for way in WAYS:
        own = [_summary([v for fold in seed for v in fold[way.words]]) for seed in seeds]
        for metric in METRICS:
            values = [s[metric] for s in own]
            if not np.isnan(values).all():
                rows.append(table.row(way.words, metric, Estimate.of_seeds(values)))
    return rows


def _summary(videos: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The metrics over all videos of a seed."""

    def joined(name: str, dtype: type) -> NDArray[Any]:
        return np.concatenate([np.array(v[name], dtype) for v in videos])

    offsets = np.cumsum([0, *(len(v["scores"]) for v in videos)]).astype(np.int64)
    labels = joined("labels", np.bool_)
    frames = ScoredFrames(joined("scores", np.float64), labels, offsets)
    events = match_events(
        detected=runs(joined("above", np.bool_), offsets), true=runs(labels, offsets), iou=EVENT_IOU
    )
    delays = joined("delays", np.float64)
    known = delays[~np.isnan(delays)]
    return {
        FRAME_AUC: Ranking.of(frames).auc_and_precision()[0],
        WITHIN: mean_and_median(within_video_auc(frames))[0],
        EVENT_F1: events.f1,
        FOUND: float(joined("alarmed", np.bool_).mean()),
        DELAY: float(np.median(known)) if len(known) else float("nan"),
        PASSES: sum(v["passes"] for v in videos) / sum(v["seconds"] for v in videos),
    }
