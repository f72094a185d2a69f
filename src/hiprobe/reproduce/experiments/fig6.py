"""Figure 6: score curves with truth and detection, and the model's words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.metrics import within_video_auc
from hiprobe.localize import find_events
from hiprobe.paper import SIGMA_SEGMENTS
from hiprobe.pipeline import explain
from hiprobe.report.score_chart import TIMELINE_INCHES, timeline_drawing
from hiprobe.report.words import JOINED_NOTE, format_seconds
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.experiment_result import Figure, Findings, ResultRow
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.pooled import FramePool, pool_frames
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.rows import EVENT_IOU, event_match
from hiprobe.reproduce.scored import ScoredTest, score_tests
from hiprobe.reproduce.video_folds import clips_of, joining, tests_of
from hiprobe.timeline import Timeline

# Words cost far more than scores; the highest events are described.
MOST_EVENTS = 4

PROBE = Variant("probe", thresholds=True)
CAPTION = (
    "{data}: {kind} (paper, Figure 6). Red shade: detected, where the smoothed score exceeds the "
    "threshold. Blue hatched strip below: the truth. In the paper's figure the shade is the "
    "detection too. The probe has seen no clip of these sources."
)
NOTES = (
    "The first seed and the first fold with a video of both kinds: not picked for their looks.",
    "Smoothing reaches over two segments on either side at most.",
    "Sentences are quoted as the model gave them; those of a small model are often wrong.",
)


def run(bench: Bench) -> Findings:
    """One video with events and one without, for every data set that has videos."""
    rows: list[ResultRow] = []
    figures: list[Figure] = []
    notes = list(NOTES)
    for data in bench.request.data:
        shown = _shown(bench, data)
        if not shown:
            notes.append(f"{data.name}: no untrimmed video can be made of extracted states alone.")
        for one in shown:
            rows += _rows(bench, data, one)
            figures.append(_figure(data, one))
            sentences = words_about(bench, one.video, one.timeline)
            notes += [
                f"{data.name}, {one.slug}, the model's own words; {words}" for words in sentences
            ]
    return Findings(tuple(rows), tuple(figures), tuple(notes))


@dataclass(frozen=True)
class _Shown:
    """A scored video as its figure shows it.

    Attributes:
        kind: what it is, in words.
        slug: the same in the name of its figure.
    """

    kind: str
    slug: str
    video: TestVideo
    timeline: Timeline
    pool: FramePool
    layer: int


def _shown(bench: Bench, data: DataSource) -> list[_Shown]:
    """An abnormal and a normal video, scored by a fit that has seen neither."""
    seed = bench.request.seeds[0]
    # Read one after the other: with the first that has events, no other fold is joined or fitted.
    for test in tests_of(bench, data, seed=seed):
        with_events = [v for v in test.videos if v.spans]
        if with_events:
            normal = _normal(bench, data, test, seed)
            own = replace(test, videos=(with_events[0], *normal))
            scored = score_tests(bench, [own], [PROBE], seed=seed)[PROBE.name][0]
            kinds = (("a video with events", "abnormal"), ("a video without events", "normal"))
            return [
                _one(scored, place, *kind)
                for place, kind in zip(range(len(own.videos)), kinds, strict=False)
            ]
    return []


def _normal(bench: Bench, data: DataSource, test: FrameTest, seed: int) -> tuple[TestVideo, ...]:
    """A video without events of held-out sources; joined of normal clips where clips are joined."""
    natural = [v for v in test.videos if not v.spans]
    if natural or not all(v.joined for v in test.videos):
        return tuple(natural[:1])
    clips = clips_of(bench, data, test.held)
    found = joining(bench, data).normal_video(clips, name=f"seed{seed}-normal")
    return () if found is None else (found,)


def _one(scored: ScoredTest, place: int, kind: str, slug: str) -> _Shown:
    video, scores = scored.test.videos[place], scored.videos[place]
    # A pool of this video alone, so that its own events are counted.
    alone = replace(scored, test=replace(scored.test, videos=(video,)), videos=(scores,))
    pool = pool_frames([alone])
    if pool is None:  # there is a video
        raise ValueError(video.name)
    joined = "joined from clips" if video.joined else "whole"
    threshold, smoothed = scored.moments.threshold(), scores.scores
    times = (scores.start_seconds, scores.end_seconds)
    timeline = Timeline(
        *times,
        scores=smoothed if scores.raw is None else scores.raw,
        smoothed=smoothed,
        threshold=threshold,
        sigma_segments=SIGMA_SEGMENTS,
        events=find_events(*times, smoothed, threshold),
    )
    return _Shown(f"{kind}, {joined}", slug, video, timeline, pool, scored.layer)


def _figure(data: DataSource, one: _Shown) -> Figure:
    spans = [(start / one.video.fps, end / one.video.fps) for start, end in one.video.spans]
    drawing = timeline_drawing(
        one.timeline,
        truth_spans=spans,
        title=f"{data.name}: {one.kind}",
        note=JOINED_NOTE if one.video.joined else None,
    )
    caption = CAPTION.format(data=data.name, kind=one.kind)
    return Figure(f"scores-{data.name}-{one.slug}", caption, drawing, TIMELINE_INCHES)


def _rows(bench: Bench, data: DataSource, one: _Shown) -> list[ResultRow]:
    protocol = "one fold of the first seed; T adaptive, kappa 0.2"
    table = bench.table(data, "The videos of the figures", protocol)
    # the figure shows one fold of the first seed, and so do the rows beside it
    table = replace(table, seeds=table.seeds[:1])
    matched = event_match(one.pool, one.timeline.threshold)
    above = one.pool.videos.scores > one.timeline.threshold
    labels: NDArray[Any] = one.pool.videos.labels
    counted = {
        "seconds": one.video.frames / one.video.fps,
        "true events": float(matched.true),
        "detected events": float(matched.detected),
        f"matched at IoU {EVENT_IOU:g}": float(matched.found),
    }
    shares = {
        "normal frames above T": float(np.mean(above[~labels])) if (~labels).any() else np.nan,
        "abnormal frames above T": float(np.mean(above[labels])) if labels.any() else np.nan,
    }
    area = float(within_video_auc(one.pool.videos)[0])
    return [
        *(table.row(one.kind, name, value, count=True) for name, value in counted.items()),
        *(table.row(one.kind, name, value) for name, value in shares.items()),
        table.row(one.kind, "layer", float(one.layer), count=True),
        table.row(one.kind, "AUC within the video", area),
    ]


def words_about(bench: Bench, video: TestVideo, timeline: Timeline) -> list[str]:
    """A sentence for each described stretch; none where only states are there. They are kept.

    Args:
        timeline: its highest events are described.
    """
    if video.path is None:
        return []
    path = video.path
    highest = sorted(timeline.events, key=lambda e: -e.peak)[:MOST_EVENTS]
    events = tuple(sorted(highest, key=lambda e: e.start_seconds))

    def compute() -> list[list[Any]]:
        with bench.extraction.listen(f"words about {video.name}") as progress:
            explained = explain(
                replace(timeline, events=events),
                path,
                backbone=bench.extraction.backbone,
                progress=progress,
            )
        return [
            [e.kind, e.start_seconds, e.end_seconds, e.words or e.reason or ""]
            for e in explained.explanations
        ]

    key = {
        # The words are the slowest part by far; they hang on the backbone and the stretches alone.
        "words": video.name,
        "backbone": bench.extraction.backbone.fingerprint.digest,
        "events": [[e.start_seconds, e.end_seconds, e.peak_seconds] for e in events],
    }
    return [_sentence(*one) for one in bench.finished.piece(key, compute)]


def _sentence(kind: str, start_seconds: float, end_seconds: float, text: str) -> str:
    named = {"event": "detected", "normal": "a normal stretch near it", "summary": "whole video"}
    times = f"{format_seconds(start_seconds)} to {format_seconds(end_seconds)}"
    return f'{named.get(kind, kind)}, {times}: "{" ".join(text.split())}"'
