"""Metrics pooled over folds and videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames, seconds_to_frames
from hiprobe.evaluation.metrics import binary, gated
from hiprobe.failures import failure_of
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import Units, clip_units
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo
from hiprobe.reproduce.held_out import Fit, Variant, fit_variant
from hiprobe.reproduce.request import ReproduceRequest
from hiprobe.reproduce.scored import ScoredTest, VideoScores, states_digest
from hiprobe.segment import without_gaps
from hiprobe.states import LabelledStates


@dataclass(frozen=True)
class SeedFit:
    """One seed's fit, and the digest of what it was fitted on.

    Attributes:
        digest: of labels, sources and states of the clips.
    """

    fit: Fit
    digest: str
    seed: int
    mode: str

    @classmethod
    def of(
        cls,
        examples: Sequence[LabelledStates],
        *,
        request: ReproduceRequest,
        seed: int,
    ) -> SeedFit:
        """Fit the full method on some clips."""
        variant = Variant("full method", thresholds=True)
        fit = fit_variant(examples, variant, request=request, seed=seed)
        return cls(fit, states_digest(examples), seed, request.mode)

    def scored(self, test: FrameTest, videos: Sequence[VideoScores]) -> ScoredTest:
        """The scores of a test's videos under this fit, in the form that is pooled."""
        return ScoredTest(
            test=test,
            layer=self.fit.layer,
            mode=self.fit.mode,
            clips=np.zeros(0),
            videos=tuple(videos),
            moments=self.fit.moments(),
            training=self.fit.training,
            seconds=0.0,
        )


def score_videos(
    bench: Bench, videos: Sequence[TestVideo], fits: Sequence[SeedFit]
) -> tuple[dict[str, list[VideoScores]], list[str]]:
    """Scores of each video under each fit, in the order of the fits; finished videos are kept.

    Args:
        fits: under which each video is scored, read once for all of them.

    Returns:
        By name of the video, and one sentence for each that could not be read.
    """
    scored: dict[str, list[VideoScores]] = {}
    lost: list[str] = []
    for number, video in enumerate(videos, start=1):
        bench.say(f"test video {number} of {len(videos)}: {video.name}")
        key = {
            # without the bench's draws or the data set's name: neither moves a score
            "what": "test video",
            "video": video.name,
            "frames": video.frames,
            "fits": [[f.digest, f.seed, f.mode] for f in fits],
        }
        try:
            found = bench.finished.piece(key, partial(_score, video, fits))
        except EvaluationError as error:  # its scores do not fit its frames
            lost.append(f"{video.name}: {error}")
            continue
        # One damaged video of hundreds must not end a run of hours; it is named in the notes.
        except Exception as error:
            lost.append(f"{video.name}: {failure_of(Path(video.name), error).reason}")
            continue
        scored[video.name] = [VideoScores.of_json(columns) for columns in found]
    return scored, lost


def _score(video: TestVideo, fits: Sequence[SeedFit]) -> list[list[list[float]]]:
    states = video.load()
    start, end = states.start_seconds.tolist(), states.end_seconds.tolist()
    return [[start, end, f.fit.smoothed(states).tolist()] for f in fits]


_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Scores of all tests of one seed, each unit with the few-shot moments of its own test.

    Attributes:
        units: clips, or the parts of videos.
        mean, deviation: float64 `[frames]`, of the few-shot scores that T comes from.
        training_mean, training_deviation: the same of the clips that were fitted on.
    """

    units: Units
    mean: _Floats
    deviation: _Floats
    training_mean: _Floats
    training_deviation: _Floats

    def threshold(self, kappa: float, *, training: bool = False) -> _Floats:
        """T of each frame (paper, eq. 10)."""
        if training:
            return self.training_mean + kappa * self.training_deviation
        return self.mean + kappa * self.deviation

    def gated(self, threshold: _Floats | float) -> Units:
        """The score where it exceeds T, 0 elsewhere."""
        return self.units.with_scores(gated(self.units.frames.scores, threshold=threshold))

    def binary(self, threshold: _Floats | float) -> Units:
        """1 where the score exceeds T, 0 elsewhere."""
        return self.units.with_scores(binary(self.units.frames.scores, threshold=threshold))


@dataclass(frozen=True)
class FramePool(Pool):
    """Frames of all videos; frames of segments that the backbone gave up on are left out.

    Attributes:
        videos: the same frames, by video.
        spans: int64 `[events, 2]`, half-open, in these frames.
        whole: bool `[frames]`, False in segments that a cut of a joined video runs through.
    """

    videos: ScoredFrames
    spans: NDArray[np.int64]
    whole: NDArray[np.bool_]

    def uncut(self) -> Units:
        """Units without the segments that a cut runs through."""
        frames = self.units.frames
        kept = np.add.reduceat(self.whole.astype(np.int64), frames.offsets[:-1])
        there = kept > 0
        offsets = np.concatenate(([0], np.cumsum(kept[there])))
        inner = ScoredFrames(frames.scores[self.whole], frames.labels[self.whole], offsets)
        sources = [s for s, t in zip(self.units.sources, there, strict=True) if t]
        return Units(inner, tuple(sources))


def pool_clips(tests: Sequence[ScoredTest]) -> Pool | None:
    """Held-out clips of all tests; whole videos where a test has no clips; None without either."""
    held = [e for t in tests for e in t.test.held]
    if not held:
        return _pool_whole_videos(tests)
    scores = np.concatenate([t.clips for t in tests])
    counts = [len(t.clips) for t in tests]
    labels, sources = [e.label for e in held], [e.source for e in held]
    return Pool(clip_units(scores.tolist(), labels, sources), *_moments(tests, counts))


def _pool_whole_videos(tests: Sequence[ScoredTest]) -> Pool | None:
    """Each natural video by its highest segment."""
    found = [
        [
            (float(np.nanmax(scores.scores)), int(bool(video.spans)), video.parts[0].source)
            for video, scores in zip(t.test.videos, t.videos, strict=True)
            if not video.joined and np.isfinite(scores.scores).any()
        ]
        for t in tests
    ]
    if not any(found):
        return None
    values, labels, sources = zip(*(one for own in found for one in own), strict=True)
    return Pool(clip_units(values, labels, sources), *_moments(tests, [len(own) for own in found]))


def pool_frames(tests: Sequence[ScoredTest]) -> FramePool | None:
    """Frames of all videos of all tests; None where there are none."""
    pieces = [
        [_video(video, scores) for video, scores in zip(t.test.videos, t.videos, strict=True)]
        for t in tests
    ]
    flat = [piece for own in pieces for piece in own]
    if not flat:
        return None
    lengths = [len(p.scores) for p in flat]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    scores = np.concatenate([p.scores for p in flat])
    labels = np.concatenate([p.labels for p in flat])
    parts = np.concatenate([p.parts for p in flat])
    units = Units(
        ScoredFrames(scores, labels, np.concatenate(([0], np.cumsum(parts)))),
        tuple(s for p in flat for s in p.sources),
    )
    moments = _moments(tests, [sum(len(p.scores) for p in own) for own in pieces])
    return FramePool(
        units,
        *moments,
        ScoredFrames(scores, labels, starts),
        np.concatenate([p.spans + s for p, s in zip(flat, starts[:-1], strict=True)]),
        np.concatenate([p.whole for p in flat]),
    )


def _moments(
    tests: Sequence[ScoredTest], counts: Sequence[int]
) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """The moments of each test, repeated for each of its clips or frames."""
    values = [
        (t.moments.mean, t.moments.deviation, t.training.mean, t.training.deviation) for t in tests
    ]
    first, second, third, fourth = np.repeat(np.array(values), counts, axis=0).T
    return first, second, third, fourth


@dataclass(frozen=True)
class _Video:
    scores: _Floats
    labels: NDArray[np.bool_]
    parts: list[int]
    sources: list[str]
    spans: NDArray[np.int64]
    whole: NDArray[np.bool_]


def _video(video: TestVideo, found: VideoScores) -> _Video:
    """One video's segments brought to its frames."""
    # The truth counts frames, and a gap in the pictures has none.
    counted, _ = without_gaps(found.start_seconds, found.end_seconds)
    starts = seconds_to_frames(counted, fps=video.fps)
    _check_end(video, found)
    # A frame belongs to the last segment that has begun; the first one also has what is before it.
    index = np.searchsorted(starts, np.arange(video.frames), side="right") - 1
    index = np.maximum(index, 0)
    labels = video.labels
    scores, whole = found.scores[index], ~_cut(video, starts)[index]
    # frames of segments that failed have no score to rank; counting them as 0 would call them
    # normal
    kept = np.isfinite(scores)
    place = np.concatenate(([0], np.cumsum(kept)))
    parts = [int(place[p.end_frame] - place[p.first_frame]) for p in video.parts]
    sources = [p.source for p, n in zip(video.parts, parts, strict=True) if n]
    spans = place[np.array(video.spans, np.int64).reshape(-1, 2)]
    # An event whose segments all failed is no longer there to be found.
    spans = spans[spans[:, 1] > spans[:, 0]]
    parts = [n for n in parts if n]
    return _Video(scores[kept], labels[kept], parts, sources, spans, whole[kept])


def _cut(video: TestVideo, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for segments that a cut runs through."""
    ends = np.append(starts[1:], video.frames)
    cuts = np.array(video.cuts, np.int64)
    inside = (starts[:, None] < cuts[None]) & (cuts[None] < ends[:, None])
    return np.asarray(inside.any(axis=1))


def _check_end(video: TestVideo, found: VideoScores) -> None:
    """Refuse scores that end elsewhere than the video, by more than its last segment."""
    _, ends = without_gaps(found.start_seconds, found.end_seconds)
    ended = float(ends[-1]) * video.fps
    length = float(found.end_seconds[-1] - found.start_seconds[-1]) * video.fps
    if abs(ended - video.frames) > max(length, 1.0) + 1.0:
        raise EvaluationError(
            f"{video.name}: segments end at frame {ended:.0f}, the truth has {video.frames} "
            f"frames: {abs(ended - video.frames):.0f} apart; check the frame rate {video.fps:g}"
        )
