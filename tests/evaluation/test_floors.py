"""The floors, against the figures known for them."""

import numpy as np
import pytest

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.evaluation.evaluate_scores import FLOORS, centre_prior, floors, headline_metrics


def test_ucf_crime_floors() -> None:
    found = {
        name: headline_metrics(frames, draws=0)[0]
        for name, frames in floors(load_truth("ucf-crime", end="half-open")).items()
    }
    assert tuple(found) == FLOORS
    assert found["video-label oracle"]["auc"] == pytest.approx(0.8157, abs=5e-5)
    assert found["oracle x centre prior"]["auc"] == pytest.approx(0.8652, abs=5e-5)
    assert found["constant"]["auc"] == 0.5
    assert found["video-label oracle"]["within_video_mean"] == 0.5
    assert found["video-label oracle"]["video_auc"] == 1


def test_xd_violence_oracle_by_step_wise_precision() -> None:
    oracle = floors(load_truth("xd-violence"))["video-label oracle"]
    metrics, _ = headline_metrics(oracle, draws=0)
    assert metrics["average_precision"] == pytest.approx(0.498, abs=5e-4)


@pytest.mark.parametrize("frames", [1, 2, 7, 100])
def test_the_prior_is_symmetric_and_highest_in_the_middle(frames: int) -> None:
    bump = centre_prior(frames)
    np.testing.assert_allclose(bump, bump[::-1])
    assert bump.argmax() in ((frames - 1) // 2, frames // 2)
