"""The planted part outweighs the model's by far, so that no rounding decides a score."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hiprobe.states import READINGS

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "backbones")]
import backbone_cases
import tiny_sets
from planted import PLANTED, planted_opener, share_of_noise


def segment(*, noise: int, seed: int):
    frames = list(tiny_sets.span_frames(8, ((0, noise),), seed=seed))
    return backbone_cases.segment_of(frames)


def test_the_share_of_noise_is_that_of_the_frames() -> None:
    assert [share_of_noise(segment(noise=n, seed=3)) for n in (0, 2, 8)] == [0.0, 0.25, 1.0]


def test_kinds_are_a_hundred_times_further_apart_than_the_model_moves_them(tmp_path: Path) -> None:
    backbone = planted_opener(tmp_path)()
    clips = [segment(noise=n, seed=seed) for n in (0, 8) for seed in range(6)]
    found = backbone.states(clips, layers=range(1, backbone.layer_count + 1), readings=READINGS)
    for values in found.values():
        within = max(np.ptp(kind, axis=0).max() for kind in (values[:6], values[6:]))
        assert np.abs(values[6:] - values[:6]).min() > PLANTED / 2 > 50 * within
