"""Table 3: fitted on one set, tested on another that it has seen nothing of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.facts import paper_numbers
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.folds import tests_of
from hiprobe.reproduce.frame_test import FrameTest
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Findings, Row
from hiprobe.reproduce.rows import EVENT_IOU, SeedPools, Table, event_scores, pools_of
from hiprobe.reproduce.scored import Scored, score_tests, score_variants
from hiprobe.reproduce.steps import Steps

PROBE = Variant("probe", thresholds=True)
NOTES = (
    "Layer, scorer and threshold come from the first set alone. The diagonal is fitted on other "
    "folds of the same set, for comparison.",
    "A source that occurs in both sets under one name is left out of the fit.",
)


def run(bench: Bench) -> Findings:
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
    return Findings(tuple(rows), notes=NOTES)


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
