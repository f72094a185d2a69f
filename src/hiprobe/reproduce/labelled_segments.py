"""Few-shot fits on single labelled segments of videos with frame-level truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.manifest import ManifestRow, read_manifest
from hiprobe.errors import LabelError
from hiprobe.evaluation.frames import ScoredFrames
from hiprobe.evaluation.metrics import Ranking, mean_and_median, within_video_auc
from hiprobe.evaluation.to_frames import seconds_to_frames, segments_to_frames
from hiprobe.gaps import without_gaps
from hiprobe.localize import SIGMA_SEGMENTS, smooth
from hiprobe.pipeline import extract_video
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.estimate import Units, auc_estimate, within_estimate
from hiprobe.reproduce.fits import Fit, Variant, fit_variant
from hiprobe.reproduce.request import DataSource, Request
from hiprobe.states import LabelledStates, States

DRAWS_OF_A_SEED = 8
MOST_OF_A_KIND = 2
"""Most labelled segments of one kind of one video."""


@dataclass(frozen=True)
class SegmentedVideo:
    """A video's segments, and which of its frames are abnormal.

    Attributes:
        frame_labels: bool `[frames]`.
        starts, ends: int64 `[segments]`, half-open, in frames.
        segment_labels: int64 `[segments]`: 0 or 1 where all frames are of one kind, else -1.
    """

    name: str
    states: States
    frame_labels: NDArray[np.bool_]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    segment_labels: NDArray[np.int64]


@dataclass(frozen=True)
class SegmentedSet:
    """Videos with spans, which are tested, and normal ones, which only give labels."""

    tested: tuple[SegmentedVideo, ...]
    normal: tuple[SegmentedVideo, ...]
    digest: str

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
    """States of all videos of a manifest with spans, cut into segments of so many frames.

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
    count = len(tested)
    return SegmentedSet(tuple(found[:count]), tuple(found[count:]), digest.hexdigest()[:16])


def draw_labelled(
    found: SegmentedSet, *, videos: int, rng: np.random.Generator
) -> tuple[LabelledStates, ...]:
    """Segments of `videos` test videos and as many normal ones.

    A test video gives up to `MOST_OF_A_KIND` segments of each kind, a normal one as many normal.
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
    request: Request,
    seed: int,
) -> Scores:
    """Fit on the labelled segments and score every frame of the test videos they are not of."""
    fit = fit_variant(labelled, variant, request=request, seed=seed)
    known = {e.source for e in labelled}
    frames = _joined([v for v in found.tested if v.name not in known], lambda video: fit)
    return Scores(Ranking.of(frames).auc_and_precision()[0], _macro(frames))


def leave_one_out(
    found: SegmentedSet, variant: Variant, *, request: Request, draws: int
) -> dict[str, dict[str, float | None]]:
    """Every test video scored by a fit on all clean segments of all others, as JSON values."""
    fits = {}
    for video in found.tested:
        others = [v for v in (*found.tested, *found.normal) if v is not video]
        labelled = [
            _labelled(v, int(i)) for v in others for i in np.flatnonzero(v.segment_labels >= 0)
        ]
        fits[video.name] = fit_variant(labelled, variant, request=request, seed=0)
    frames = _joined(found.tested, lambda video: fits[video.name])
    units = Units(frames, tuple(v.name for v in found.tested))
    micro = auc_estimate([units], draws=draws)
    macro = within_estimate([frames], draws=draws)
    return {
        name: {"ours": e.ours, "low": e.low, "high": e.high}
        for name, e in (("micro", micro), ("macro", macro))
    }


def _video(bench: Bench, row: ManifestRow, segment_frames: int) -> SegmentedVideo:
    from hiprobe.video.probe import video_info

    bench.say(f"{row.name}: segments of {segment_frames} frames")
    reading = bench.request.reading
    settings = replace(
        bench.extraction.settings(readings=(reading,)),
        segment_frames=segment_frames,
        segment_seconds=None,
    )
    states = extract_video(
        row.video,
        backbone=bench.extraction.backbone,
        settings=settings,
        cache=bench.extraction.cache,
    ).states[reading]
    fps = row.fps or video_info(row.video).fps_from_header or 30.0
    counted, ended = without_gaps(states.start_seconds, states.end_seconds)
    frames = row.frame_count or int(seconds_to_frames(ended[-1], fps=fps))
    labels = np.zeros(frames, np.bool_)
    for start, end in row.spans:
        labels[start:end] = True
    starts = seconds_to_frames(counted, fps=fps)
    ends = np.append(starts[1:], frames)
    kinds = [_kind(labels[a:b]) for a, b in zip(starts, ends, strict=True)]
    return SegmentedVideo(row.name, states, labels, starts, ends, np.array(kinds, np.int64))


def _kind(labels: NDArray[np.bool_]) -> int:
    if labels.all():
        return 1
    return 0 if not labels.any() else -1


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


def _joined(videos: Sequence[SegmentedVideo], fit_of: Any) -> ScoredFrames:
    pieces = []
    for video in videos:
        fit: Fit = fit_of(video)
        scores = smooth(
            fit.scores(video.states),
            sigma_segments=SIGMA_SEGMENTS,
            start_seconds=video.states.start_seconds,
            end_seconds=video.states.end_seconds,
        )
        pieces.append(
            segments_to_frames(
                starts=video.starts,
                ends=video.ends,
                scores=scores,
                frames=len(video.frame_labels),
                name=video.name,
            )
        )
    offsets = np.concatenate(([0], np.cumsum([len(p) for p in pieces]))).astype(np.int64)
    labels = np.concatenate([v.frame_labels for v in videos])
    return ScoredFrames(np.concatenate(pieces), labels, offsets)


def _macro(frames: ScoredFrames) -> float:
    return mean_and_median(within_video_auc(frames))[0]
