"""Tables 1 and 2: fitted on about 1 % of the training videos, tested on the whole test set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hiprobe.datasets.catalog import known_set
from hiprobe.datasets.check import check_dataset
from hiprobe.datasets.floors import floors
from hiprobe.datasets.manifest import (
    Manifest,
    ManifestRow,
    manifest_clips,
    read_manifest,
    write_manifest,
)
from hiprobe.datasets.subset import draw_subset
from hiprobe.errors import EvaluationError, LabelError
from hiprobe.evaluation.metrics import Ranking
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.localize import KAPPA
from hiprobe.pipeline import extract_examples
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.by_video import Fitted, score_videos
from hiprobe.reproduce.estimate import Estimate, auc_estimate, precision_estimate, within_estimate
from hiprobe.reproduce.facts import facts, paper_numbers
from hiprobe.reproduce.frame_test import FrameTest, Part, TestVideo
from hiprobe.reproduce.peers import peer_rows, source_note
from hiprobe.reproduce.pooled import FramePool, pool_frames
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Findings, PaperNumber, Row

OURS = "HiProbe: DLSP layer, logistic regression, {share:.0%} of the training videos labelled"
FLOORS_SECTION = "Floors: what no picture is needed for"
NOMINAL_FPS = 30.0

SHARE = 0.01
"""Part of the training videos that is labelled (paper, section 4.1: about 1 %)."""


@dataclass(frozen=True)
class Protocol:
    """What a table measures.

    Attributes:
        data_set: name in the catalogue of known sets.
        headline: metric of the paper, `frame AUC` or `frame AP`.
        column: key of the paper's column in `facts.json`.
        share: part of the training videos that is labelled.
    """

    name: str
    data_set: str
    headline: str
    column: str
    share: float = SHARE


def run_protocol(bench: Bench, protocol: Protocol) -> Findings:
    """The table, from a data set's root folder or its manifest.

    Raises:
        LabelError, DatasetError: the data set is not there, or has no training or test videos.
        EvaluationError: no test video can be read.
    """
    rows: list[Row] = []
    notes: list[str] = []
    words: dict[str, str] = {}
    for data in bench.request.data:
        found = _DataSet(bench, protocol, data, _manifest(bench, protocol, data))
        rows += found.rows()
        notes += found.notes()
        words[data.name] = found.words()
    title = known_set(protocol.data_set).title
    rows += peer_rows(protocol.data_set, data=title, metric=protocol.headline)
    notes.append(source_note(protocol.data_set))
    return Findings(rows=tuple(rows), notes=tuple(notes), data=words)


def _manifest(bench: Bench, protocol: Protocol, data: DataSource) -> Manifest:
    """The manifest at a path, or the one that a check of the folder there makes."""
    try:
        return read_manifest(path=data.path)
    except LabelError:
        if not data.path.is_dir():
            raise
    bench.say(f"{data.name}: no manifest; looking at every video, as `hiprobe data check` does")
    with bench.extraction.listen(data.name) as progress:
        report = check_dataset(protocol.data_set, data.path, progress=progress)
    if report.manifest is None:
        raise LabelError(f"{data.path} holds no usable video of {protocol.data_set}")
    return report.manifest


class _DataSet:
    """One data set under the protocol."""

    def __init__(
        self, bench: Bench, protocol: Protocol, data: DataSource, manifest: Manifest
    ) -> None:
        self.bench, self.protocol, self.data, self.manifest = bench, protocol, data, manifest
        self.train = manifest.split("train")
        self.few = {
            s: draw_subset(manifest, fraction=protocol.share, seed=s, split="train")
            for s in bench.request.seeds
        }
        for seed, drawn in self.few.items():
            place = bench.request.out / protocol.name / f"few-shot-seed{seed}.csv"
            write_manifest(drawn, path=place)
        self.lost: list[str] = []
        self.tested: tuple[str, ...] = ()

    def rows(self) -> list[Row]:
        """Ours, and the floors on the same frames."""
        fits = [self._fit(seed) for seed in self.bench.request.seeds]
        pools = self._pools(fits)
        return [*self._ours(pools), *self._floors()]

    def words(self) -> str:
        """What the data set is, in one line."""
        title = known_set(self.protocol.data_set).title
        return f"{title}: {len(self.train)} training, {len(self.tested)} test videos"

    def notes(self) -> list[str]:
        """What decides the numbers besides the method."""
        share = f"{self.protocol.share:.0%} of {len(self.train)} training videos"
        sizes = sorted({len(few.rows) for few in self.few.values()})
        told = [
            f"{self.data.name}: labels are by video in fitting ({share}: "
            f"{' or '.join(map(str, sizes))} a seed, listed in few-shot-seed*.csv); frame-level "
            f"truth is used in testing only. Spans: {self.manifest.span_set}, end frames read as "
            f"{self.manifest.end}. {len(self.tested)} test videos."
        ]
        if self._shared():
            told.append(
                f"{self._shared()} test videos come from a recording of which another part is "
                "labelled in some seed; the published split has it so."
            )
        if self.lost:
            told.append(
                f"{len(self.lost)} test videos could not be read and are left out, which is not "
                f"the published protocol: {'; '.join(self.lost[:5])}"
            )
        return told

    def _shared(self) -> int:
        labelled = {r.source for few in self.few.values() for r in few.rows}
        return sum(r.source in labelled for r in self._test_rows())

    def _fit(self, seed: int) -> Fitted:
        extraction = self.bench.extraction
        examples, failures = extract_examples(
            manifest_clips(self.few[seed]),
            backbone=extraction.backbone,
            settings=extraction.settings(readings=(self.bench.request.reading,)),
            cache=extraction.cache,
        )
        self.bench.say(f"{self.data.name}, seed {seed}: {len(examples)} labelled videos")
        if {e.label for e in examples} != {0, 1}:
            told = failures[0].reason if failures else "no reason known"
            raise LabelError(f"seed {seed}: labelled videos of one kind only are left ({told})")
        return Fitted.of(examples, request=self.bench.request, seed=seed)

    def _pools(self, fits: Sequence[Fitted]) -> list[FramePool]:
        videos = [self._video(row) for row in self._test_rows()]
        scored, self.lost = score_videos(self.bench, videos, fits)
        kept = [v for v in videos if v.name in scored]
        if not kept:
            raise EvaluationError(f"none of {len(videos)} test videos could be read: {self.lost}")
        self.tested = tuple(v.name for v in kept)
        pools = []
        for position, fitted in enumerate(fits):
            test = FrameTest(self.data.name, (), tuple(kept), (), "")
            pool = pool_frames([fitted.scored(test, [scored[v.name][position] for v in kept])])
            if pool is None:
                raise EvaluationError("the test set has no frames")
            pools.append(pool)
        return pools

    def _test_rows(self) -> list[ManifestRow]:
        rows = [r for r in self.manifest.split("test") if r.annotated]
        if not rows:
            raise LabelError(f"{self.data.name} has no test videos whose abnormal frames are known")
        return rows

    def _video(self, row: ManifestRow) -> TestVideo:
        frames = row.frame_count or 0
        return TestVideo(
            name=row.name,
            load=partial(self.bench.extraction.video, row.video),
            frames=frames,
            fps=row.fps or NOMINAL_FPS,
            spans=row.spans,
            parts=(Part(0, frames, row.name),),
            joined=False,
        )

    def _ours(self, pools: Sequence[FramePool]) -> list[Row]:
        draws, units = self.bench.request.draws, [p.units for p in pools]
        gated = [p.gated(p.threshold(KAPPA)) for p in pools]
        paper = _paper(self.protocol.column)
        found: dict[str, tuple[Estimate, tuple[PaperNumber, ...]]] = {}
        for metric, measure in (("frame AUC", auc_estimate), ("frame AP", precision_estimate)):
            own = paper if metric == self.protocol.headline else ()
            found[metric] = (measure(units, draws=draws), own)
            found[f"{metric} after gating"] = (measure(gated, draws=draws), ())
        within = within_estimate([p.videos for p in pools], draws=draws)
        found["AUC within a video"] = (within, ())
        return [self._row(metric, *one) for metric, one in found.items()]

    def _row(self, metric: str, found: Estimate, paper: tuple[PaperNumber, ...]) -> Row:
        return Row(
            setting=OURS.format(share=self.protocol.share),
            metric=metric,
            ours=found.ours,
            low=found.low,
            high=found.high,
            by_seed=found.by_seed,
            paper=paper,
            seeds=self.bench.request.seeds,
            **self._common(),
        )

    def _floors(self) -> list[Row]:
        rows = {r.name: r for r in self._test_rows()}
        kept = [rows[n] for n in self.tested]
        truth = Truth(
            name=self.data.name,
            videos=tuple(VideoTruth(r.name, r.frame_count or 0, r.spans, r.classes) for r in kept),
        )
        found: list[Row] = []
        for name, frames in floors(truth).items():
            values = Ranking.of(frames).auc_and_precision()
            for metric, value in zip(("frame AUC", "frame AP"), values, strict=True):
                common = {**self._common(), "section": FLOORS_SECTION}
                found.append(Row(setting=name, metric=metric, ours=value, **common))
        return [r for r in found if not math.isnan(r.ours)]

    def _common(self) -> dict[str, Any]:
        return {
            "data": self.data.name,
            "protocol": (
                "fitted on few training videos with one label each, tested on every frame of the "
                "test set; intervals over test videos"
            ),
            "section": "",
        }


def _paper(column: str) -> tuple[PaperNumber, ...]:
    wanted = facts()["columns"][column]
    return tuple(p for p in paper_numbers("full") if p.column == wanted)
