"""Rows and notes of tables 1 and 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hiprobe.datasets.floors import floors
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.evaluation.metrics import Ranking
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.localize import KAPPA
from hiprobe.reproduce.estimate import (
    auc_estimate,
    precision_estimate,
    row_of_estimate,
    within_estimate,
)
from hiprobe.reproduce.facts import facts, paper_numbers
from hiprobe.reproduce.pooled import FramePool
from hiprobe.reproduce.request import Request
from hiprobe.reproduce.result import PaperNumber, Row

OURS = "HiProbe: DLSP layer, logistic regression, {share:.0%} of the training videos labelled"
FLOORS_SECTION = "Floors: what no picture is needed for"
TOLD = (
    "fitted on few training videos with one label each, tested on every frame of the test set; "
    "intervals over test videos"
)
FRAME_AUC, FRAME_AP, WITHIN = "frame AUC", "frame AP", "AUC within a video"


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
    """What one data set came to.

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


def own_rows(tested: Tested, protocol: Protocol, request: Request) -> list[Row]:
    """The method under every metric; the paper's number beside the headline."""
    draws, pools = request.draws, tested.pools
    units, gated = [p.units for p in pools], [p.gated(p.threshold(KAPPA)) for p in pools]
    found = {
        FRAME_AUC: auc_estimate(units, draws=draws),
        f"{FRAME_AUC} after gating": auc_estimate(gated, draws=draws),
        FRAME_AP: precision_estimate(units, draws=draws),
        f"{FRAME_AP} after gating": precision_estimate(gated, draws=draws),
        WITHIN: within_estimate([p.videos for p in pools], draws=draws),
    }
    paper = {protocol.headline: _paper(protocol.column)}
    common = {**_common(tested), "setting": OURS.format(share=request.labelled_share)}
    return [
        row_of_estimate(m, e, common | {"paper": tuple(paper.get(m, ())), "seeds": request.seeds})
        for m, e in found.items()
    ]


def floor_rows(tested: Tested) -> list[Row]:
    """Scores that use no picture, on the same frames."""
    truth = Truth(
        name=tested.data,
        videos=tuple(
            VideoTruth(r.name, r.frame_count or 0, r.spans, r.classes) for r in tested.rows
        ),
    )
    common = {**_common(tested), "section": FLOORS_SECTION}
    found: list[Row] = []
    for name, frames in floors(truth).items():
        values = Ranking.of(frames).auc_and_precision()
        for metric, value in zip((FRAME_AUC, FRAME_AP), values, strict=True):
            found.append(Row(setting=name, metric=metric, ours=value, **common))
    return [r for r in found if not math.isnan(r.ours)]


def protocol_notes(tested: Tested, request: Request) -> list[str]:
    """What decides the numbers besides the method."""
    manifest, labelled = tested.manifest, {r.source for few in tested.few for r in few.rows}
    sizes = sorted({len(few.rows) for few in tested.few})
    told = [
        f"{tested.data}: labels are by video in fitting ({request.labelled_share:.0%} of "
        f"{len(manifest.split('train'))} training videos: {' or '.join(map(str, sizes))} a seed, "
        "listed in few-shot-seed*.csv); frame-level truth is used in testing only. Spans: "
        f"{manifest.span_set}, end frames read as {manifest.end}. {len(tested.rows)} test videos."
    ]
    shared = sum(r.source in labelled for r in tested.rows)
    if shared:
        told.append(
            f"{shared} test videos come from a recording of which another part is labelled in "
            "some seed; the published split has it so."
        )
    if tested.lost:
        told.append(
            f"{len(tested.lost)} test videos are left out, which is not the published protocol: "
            f"{'; '.join(tested.lost[:5])}"
        )
    return told


def _common(tested: Tested) -> dict[str, Any]:
    return {"data": tested.data, "protocol": TOLD, "section": ""}


def _paper(column: str) -> tuple[PaperNumber, ...]:
    wanted = facts()["columns"][column]
    return tuple(p for p in paper_numbers("full") if p.column == wanted)
