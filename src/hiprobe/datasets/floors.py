"""What can be reached without looking at a frame: the floors that a method must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.evaluate import headline_metrics
from hiprobe.evaluation.frames import ScoredFrames
from hiprobe.evaluation.metrics import mean_and_median, within_video_auc
from hiprobe.evaluation.truth import Truth

FLOORS = ("video-label oracle", "oracle x centre prior", "centre prior", "constant")
"""In the order of the table."""


def floors(truth: Truth) -> dict[str, ScoredFrames]:
    """Four scores that use no picture, by name.

    The oracle is 1 in every frame of an anomalous video and 0 elsewhere: perfect video labels,
    no localisation. The centre prior is a Gaussian bump in the middle of every video.
    """
    frames = ScoredFrames(np.zeros(int(truth.offsets[-1])), truth.labels(), truth.offsets)
    oracle = np.repeat(frames.anomalous.astype(np.float64), np.diff(truth.offsets))
    centre = np.concatenate([centre_prior(v.frames) for v in truth.videos])
    scores = (oracle, oracle * centre, centre, np.full(len(oracle), 0.5))
    return {name: frames.with_scores(s) for name, s in zip(FLOORS, scores, strict=True)}


def floor_metrics(truth: Truth) -> dict[str, dict[str, float]]:
    """Metrics of each floor, by the names that `Evaluation.metrics` has."""
    return {name: _metrics(frames) for name, frames in floors(truth).items()}


def _metrics(frames: ScoredFrames) -> dict[str, float]:
    median = mean_and_median(within_video_auc(frames))[1]
    return {**headline_metrics(frames, draws=0)[0], "within_video_median": median}


def centre_prior(frames: int) -> NDArray[np.float64]:
    """exp(-x^2 / (2 sigma^2)), float64 `[frames]`, at x in (-1, 1) over the video, sigma 1/2.

    Sigma does not move a ranking metric: only the order of the distances counts.
    """
    place = (2 * np.arange(frames) + 1) / frames - 1
    bump: NDArray[np.float64] = np.exp(-(place**2) / (2 * 0.5**2))
    return bump
