"""Published numbers next to ours, with the differences of protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.ground_truth import load_truth, span_sets
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.errors import UsageError
from hiprobe.evaluation.evaluate_scores import floors
from hiprobe.evaluation.frame_scores import join_frames
from hiprobe.evaluation.metrics import Ranking
from hiprobe.evaluation.truth import EndConvention, Truth, VideoTruth
from hiprobe.paper import KAPPA
from hiprobe.reproduce.estimate import FRAME_AP, FRAME_AUC, RowMaker, precision_estimate
from hiprobe.reproduce.experiment_result import (
    PaperNumber,
    ResultRow,
    facts,
    packaged,
    paper_numbers,
)
from hiprobe.reproduce.pooled import FramePool
from hiprobe.reproduce.request import ReproduceRequest

SECTION = "Published by others (not measured here)"


@dataclass(frozen=True)
class Peer:
    """One published number.

    Attributes:
        value: a fraction.
        kind: on what it was trained, in words.
        source: where it was read.
        read: whether that is the method's own paper or repository, in words.
        differs: what its released evaluation code does otherwise than ours; empty where it does
            the same, or is not public.
    """

    name: str
    value: float
    kind: str
    source: str
    read: str
    differs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A number without its source or its training is worth nothing in a table of comparisons.
        if not 0 < self.value <= 1 or not (self.kind and self.source and self.read):
            raise UsageError(
                f"{self.name}: {self.value} is no fraction, or has no kind, source or reading"
            )

    @property
    def setting(self) -> str:
        """The line of the table: name, training, and how its evaluation differs."""
        return f"{self.name}: {'; '.join((self.kind, *self.differs))}"


def peers(data_set: str) -> tuple[Peer, ...]:
    """Published numbers on a test set, in percent in `peers.json`, here as fractions.

    Raises:
        UsageError: no number of that data set is known.
    """
    known = packaged("peers.json")
    if not isinstance(known.get(data_set), list):
        raise UsageError(f"no published numbers for {data_set!r}; see peers.json")
    return tuple(
        Peer(
            name=p["name"],
            value=p["value"] / 100,
            kind=known["kinds"][p["kind"]],
            source=known["sources"][p["source"]],
            read=known["reads"][p["read"]],
            differs=tuple(known["differences"][d] for d in p["differs"]),
        )
        for p in known[data_set]
    )


def peer_rows(data_set: str, *, data: str, metric: str) -> tuple[ResultRow, ...]:
    """Rows of a table that show the published numbers; ours are blank in them.

    Args:
        data_set: its name in `peers.json`.
        data: what the table calls it.
    """
    protocol = (
        "as published; each line says on what it was trained, and how its released evaluation "
        "differs where that is public"
    )
    table = RowMaker(data, SECTION, protocol)
    return tuple(
        table.row(p.setting, metric, math.nan, paper=(PaperNumber(f"its own, {metric}", p.value),))
        for p in peers(data_set)
    )


def source_note(data_set: str) -> str:
    """The source of every number, those read at first hand first."""
    found, groups = peers(data_set), []
    for read in dict.fromkeys(packaged("peers.json")["reads"].values()):
        own = [f"{p.name} ({p.source})" for p in found if p.read == read]
        if own:
            groups.append(f"{read[0].upper()}{read[1:]}: {'; '.join(own)}.")
    return f"Sources of the published numbers. {' '.join(groups)}"


DATA = "ucf-crime"
ORACLE = "video-label oracle"


def span_rows(scores: Mapping[str, NDArray[np.float64]] | None = None) -> tuple[ResultRow, ...]:
    """One line for each set of spans and reading of the end frame.

    Args:
        scores: per-frame scores of any method, to show what the choice does to it too.

    Raises:
        EvaluationError: the scores are not of the test set's frames.
    """
    rows: list[ResultRow] = []
    table = RowMaker("UCF-Crime", protocol="290 test videos")
    for spans in span_sets(DATA):
        for end in get_args(EndConvention):
            truth = load_truth(DATA, spans=spans, end=end)
            read = "abnormal" if end == "inclusive" else "not abnormal"
            setting = f"{spans} spans, end frame {read}"
            # The count shows at once which reading of the spans a paper has used.
            rows.append(table.row(setting, "abnormal frames", float(truth.labels().sum())))
            # knows each video's label and nothing more, so what it moves is moved by the spans
            # alone
            ranked = {ORACLE: floors(truth)[ORACLE]}
            if scores is not None:
                ranked["scores given"] = join_frames(scores=scores, truth=truth)
            for what, frames in ranked.items():
                area, precision = Ranking.of(frames).auc_and_precision()
                rows.append(table.row(setting, f"AUC, {what}", area))
                rows.append(table.row(setting, f"AP, {what}", precision))
    return tuple(rows)


def different_videos() -> tuple[str, ...]:
    """Videos whose spans differ between the two sets."""
    one, other = (load_truth(DATA, spans=s) for s in span_sets(DATA))
    pairs = zip(one.videos, other.videos, strict=True)
    return tuple(a.name for a, b in pairs if a.spans != b.spans)


OURS = "HiProbe: DLSP layer, logistic regression, {share:.0%} of the training videos labelled"
# No language model takes part: what a method that reads one should be above.
OURS_VISION = (
    "Vision change alone, logistic regression, {share:.0%} of the training videos labelled"
)

FLOORS_SECTION = "Floors: what no picture is needed for"
TOLD = (
    "fitted on few training videos with one label each, tested on every frame of the test set; "
    "intervals over test videos"
)


@dataclass(frozen=True)
class Protocol:
    """What a table measures.

    Attributes:
        data_set: name in the catalogue of known sets.
        headline: metric of the paper, `FRAME_AUC` or `FRAME_AP`.
        column: key of the paper's column in `facts.json`.
    """

    name: str
    data_set: str
    headline: str
    column: str


@dataclass(frozen=True)
class Tested:
    """The outcome on one data set.

    Attributes:
        pools: frames of the test set under the fit of each seed.
        few: the labelled videos of each seed.
        rows: the test videos that were scored, in order.
        lost: one sentence for each test video that could not be scored.
    """

    data: str
    manifest: Manifest
    pools: tuple[FramePool, ...]
    few: tuple[Manifest, ...]
    rows: tuple[ManifestRow, ...]
    lost: tuple[str, ...]


def own_rows(
    tested: Tested, protocol: Protocol, request: ReproduceRequest, *, method: str = OURS
) -> list[ResultRow]:
    """A method under every metric; the paper gives its own a number for the headline alone.

    Args:
        method: how the table calls it; `{share}` becomes the labelled share.
    """
    table = RowMaker(tested.data, "", TOLD, request.seeds, request.draws)
    setting, pools = method.format(share=request.labelled_share), tested.pools
    units, gated = [p.units for p in pools], [p.gated(p.threshold(KAPPA)) for p in pools]
    videos = [p.videos for p in pools]
    area, precision, within = table.by_frame(setting, units, videos)
    gated_precision = precision_estimate(gated, draws=request.draws)
    rows = [
        area,
        table.auc(setting, f"{FRAME_AUC} after gating", gated),
        precision,
        table.row(setting, f"{FRAME_AP} after gating", gated_precision),
        within,
    ]
    if method != OURS:
        return rows
    # the paper's other numbers are of the other data set
    column = facts()["columns"][protocol.column]
    paper = tuple(p for p in paper_numbers("full") if p.column == column)
    return [replace(r, paper=paper) if r.metric == protocol.headline else r for r in rows]


def floor_rows(tested: Tested) -> list[ResultRow]:
    """Scores that use no picture, on the same frames."""
    videos = tuple(VideoTruth(r.name, r.frame_count or 0, r.spans, r.classes) for r in tested.rows)
    table = RowMaker(tested.data, FLOORS_SECTION, TOLD)
    found: list[ResultRow] = []
    for name, frames in floors(Truth(name=tested.data, videos=videos)).items():
        values = Ranking.of(frames).auc_and_precision()
        for metric, value in zip((FRAME_AUC, FRAME_AP), values, strict=True):
            found.append(table.row(name, metric, value))
    # Where the frames are of one kind a metric has no value.
    return [r for r in found if r.defined]


def protocol_notes(tested: Tested, request: ReproduceRequest) -> list[str]:
    """What decides the numbers besides the method."""
    manifest, labelled = tested.manifest, {r.source for few in tested.few for r in few.rows}
    sizes = sorted({len(few.rows) for few in tested.few})
    notes = [
        f"{tested.data}: labels are by video in fitting ({request.labelled_share:.0%} of "
        f"{len(manifest.split('train'))} training videos: {' or '.join(map(str, sizes))} a seed, "
        "listed in few-shot-seed*.csv); frame-level truth is used in testing only. Spans: "
        f"{manifest.span_set}, end frames read as {manifest.end}. {len(tested.rows)} test videos."
    ]
    shared = sum(r.source in labelled for r in tested.rows)
    if shared:
        notes.append(
            f"{shared} test videos come from a recording of which another part is labelled in "
            "some seed; the published split has it so."
        )
    if tested.lost:
        notes.append(
            f"{len(tested.lost)} test videos are left out, which is not the published protocol: "
            f"{'; '.join(tested.lost[:5])}"
        )
    return notes
