"""Tables 3 and 5: another data set, and the number of key frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.experiment_result import Figure, Findings, Row, facts, paper_numbers
from hiprobe.reproduce.frame_probe import FrameTest
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import (
    CLIP_AUC,
    EVENT_IOU,
    FRAME_AUC,
    SeedPools,
    Table,
    event_scores,
    pools_of,
)
from hiprobe.reproduce.scored import Scored, score_tests, score_variants
from hiprobe.reproduce.video_folds import tests_of

PROBE = Variant("probe", thresholds=True)
OTHER_SET_NOTES = (
    "Layer, scorer and threshold come from the first set alone. The diagonal is fitted on other "
    "folds of the same set, for comparison.",
    "A source that occurs in both sets under one name is left out of the fit.",
)


def table3(bench: Bench) -> Findings:
    """All ordered pairs of data sets, and each set by itself."""
    rows: list[Row] = []
    sets = bench.request.data
    steps = Steps(bench.say, "table3", len(sets) ** 2)
    for target in sets:
        rows += _rows(bench, target, target, _within(bench, target))
        steps.step(f"{target.name} by itself")
        for origin in (d for d in sets if d.name != target.name):
            rows += _rows(bench, origin, target, _across(bench, origin, target))
            steps.step(f"{origin.name} to {target.name}")
    return Findings(tuple(rows), notes=OTHER_SET_NOTES)


def _within(bench: Bench, data: DataSource) -> list[Scored]:
    return [score_variants(bench, data, [PROBE], seed=s) for s in bench.request.seeds]


def _across(bench: Bench, origin: DataSource, target: DataSource) -> list[Scored]:
    move = _Move(bench, origin, target)
    return [
        score_tests(bench, move.tests(seed), [PROBE], seed=seed) for seed in bench.request.seeds
    ]


@dataclass(frozen=True)
class _Move:
    """Tests of one set, each fitted on another set."""

    bench: Bench
    origin: DataSource
    target: DataSource

    def tests(self, seed: int) -> Iterator[FrameTest]:
        """The target's tests of a seed; what they are fitted on is the whole other set."""
        examples = self.bench.extraction.examples(self.origin)
        for test in tests_of(self.bench, self.target, seed=seed):
            tested = {e.source for e in test.held} | {
                p.source for v in test.videos for p in v.parts
            }
            fit = tuple(e for e in examples if e.source not in tested)
            protocol = f"fitted on all of {self.origin.name}; {_videos(test)}"
            yield replace(test, fit=fit, protocol=protocol)


def _videos(test: FrameTest) -> str:
    if not test.videos:
        return "clips only"
    joined = any(v.joined for v in test.videos)
    return "clips, and videos joined from them" if joined else "videos with frame-level truth"


def _rows(
    bench: Bench, origin: DataSource, target: DataSource, found: Sequence[Scored]
) -> list[Row]:
    table = Table(bench, target, f"Tested on {target.name}")
    pools = pools_of(found, PROBE.name)
    same = origin.name == target.name
    setting = f"fitted on {origin.name}" + (", other folds" if same else "")
    paper = paper_numbers("full" if same else "zero-shot")
    return [*table.ranking_rows(setting, pools, paper=paper), *_events(table, setting, pools)]


def _events(table: Table, setting: str, pools: SeedPools) -> list[Row]:
    if not pools.frames:
        return []
    found = event_scores(pools.frames, lambda p: p.threshold(0.2))
    name = f"event F1 at IoU {EVENT_IOU:g}"
    return [table.row(setting, name, found, protocol=pools.protocol)]


KEY_FRAMES = (1, 2, 4, 8, 12, 16)
KEY_FRAME_PROBE = Variant("probe")
KEY_FRAME_NOTES = (
    "Each K is an extraction of its own: K key frames of every segment, and K over every clip.",
    "Joined videos are those of the first seed, since each K reads them anew; clips are of all "
    "seeds.",
)


def table5(bench: Bench) -> Findings:
    """Every K on every data set."""
    rows: list[Row] = []
    videos = [d for d in bench.request.data if not bench.extraction.is_extracted(d)]
    for data in videos:  # with an estimate of its own, which is none for what follows
        bench.extraction.read_together(data, KEY_FRAMES)
    steps = Steps(bench.say, "table5", len(videos) * len(KEY_FRAMES))
    for data in videos:
        rows += _key_frame_rows(bench, data, steps)
    left_out = [d.name for d in bench.request.data if d not in videos]
    extra = [f"{n}: left out, extracted states hold one K only; give videos." for n in left_out]
    figures = (_figure(videos, rows),) if rows else ()
    return Findings(tuple(rows), figures, (*KEY_FRAME_NOTES, *extra))


def _key_frame_rows(bench: Bench, data: DataSource, steps: Steps) -> list[Row]:
    table = Table(bench, data, "Key frames", "DLSP layer, logistic regression")
    rows: list[Row] = []
    for k in KEY_FRAMES:
        first, *others = bench.request.seeds
        found = [score_variants(bench, data, [KEY_FRAME_PROBE], seed=first, key_frames=k)]
        found += [
            score_variants(bench, data, [KEY_FRAME_PROBE], seed=s, key_frames=k, by_frame=False)
            for s in others
        ]
        name = f"K = {k}"
        paper = paper_numbers(name) if name in facts()["numbers"] else ()
        rows += table.ranking_rows(name, pools_of(found, KEY_FRAME_PROBE.name), paper=paper)
        steps.step(f"{data.name}, {name}")
    return sorted(rows, key=lambda r: -len(r.seeds))  # a table for each set of seeds


def _figure(sets: list[DataSource], rows: list[Row]) -> Figure:
    metrics = [m for m in dict.fromkeys(r.metric for r in rows) if m in (CLIP_AUC, FRAME_AUC)]
    panels = []
    for metric in metrics:
        curves = tuple(
            _curve(data.name, [r for r in rows if r.data == data.name and r.metric == metric])
            for data in sets
        )
        ticks = tuple((float(k), str(k)) for k in KEY_FRAMES)
        panels.append(Panel(metric, "key frames K", metric, curves, log_x=True, ticks=ticks))
    caption = "AUC against the number of key frames; bands are 95 % intervals over sources."
    drawing = panels_drawing(panels, columns=2)
    return Figure("key-frames", caption, drawing, (4.5 * len(panels) + 0.5, 3.4))


def _curve(name: str, rows: list[Row]) -> Curve:
    return Curve(
        name,
        [float(r.setting.removeprefix("K = ")) for r in rows],
        [r.ours for r in rows],
        [r.ours if r.low is None else r.low for r in rows],
        [r.ours if r.high is None else r.high for r in rows],
    )
