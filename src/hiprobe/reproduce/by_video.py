"""A large test set, video by video: each is read once for all seeds, scored, and let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import EvaluationError
from hiprobe.failures import failure_of
from hiprobe.localize import SIGMA_SEGMENTS, smooth
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Fit, Variant, fit_variant
from hiprobe.reproduce.frame_test import FrameTest, TestVideo
from hiprobe.reproduce.request import Request
from hiprobe.reproduce.scored import ScoredTest, VideoScores, states_digest
from hiprobe.states import LabelledStates, States

FULL = Variant("full method", thresholds=True)


@dataclass(frozen=True)
class Fitted:
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
        request: Request,
        seed: int,
        variant: Variant = FULL,
    ) -> Fitted:
        """Fit the method on some clips."""
        fit = fit_variant(examples, variant, request=request, seed=seed)
        return cls(fit, states_digest(examples), seed, request.mode)

    def smoothed(self, states: States) -> VideoScores:
        """Smoothed scores of one video's segments."""
        start, end = states.start_seconds, states.end_seconds
        raw = self.fit.scores(states)
        scores = smooth(raw, sigma_segments=SIGMA_SEGMENTS, start_seconds=start, end_seconds=end)
        return VideoScores(start, end, scores)

    def scored(self, test: FrameTest, videos: Sequence[VideoScores]) -> ScoredTest:
        """The same as one scored test, which can be pooled."""
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
    bench: Bench, videos: Sequence[TestVideo], fits: Sequence[Fitted]
) -> tuple[dict[str, list[VideoScores]], list[str]]:
    """Scores of each video under each fit, in the order of the fits; finished videos are kept.

    Returns:
        By name of the video, and one sentence for each that could not be read.
    """
    scored: dict[str, list[VideoScores]] = {}
    lost: list[str] = []
    for number, video in enumerate(videos, start=1):
        bench.say(f"test video {number} of {len(videos)}: {video.name}")
        try:
            found = bench.kept.piece(_key(video, fits), partial(_score, video, fits))
        except EvaluationError as error:  # its scores do not fit its frames
            lost.append(f"{video.name}: {error}")
            continue
        except Exception as error:
            lost.append(f"{video.name}: {failure_of(Path(video.name), error).reason}")
            continue
        scored[video.name] = [VideoScores(*(np.array(a, np.float64) for a in f)) for f in found]
    return scored, lost


def _key(video: TestVideo, fits: Sequence[Fitted]) -> dict[str, Any]:
    return {
        "what": "test video",
        "video": video.name,
        "frames": video.frames,
        "fits": [[f.digest, f.seed, f.mode] for f in fits],
    }


def _score(video: TestVideo, fits: Sequence[Fitted]) -> list[list[list[float]]]:
    states = video.load()
    found = [f.smoothed(states) for f in fits]
    return [[f.start_seconds.tolist(), f.end_seconds.tolist(), f.scores.tolist()] for f in found]
