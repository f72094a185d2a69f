"""Published scores give the published figures."""

import pytest
from shared_data import published_files

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.score_files import read_frames
from hiprobe.evaluation.evaluate_scores import evaluate_frames
from hiprobe.localize import Smoothing
from hiprobe.reproduce.experiments.promised_rates import CALIBRATIONS, read_causal, split_rates


@pytest.mark.shared
@pytest.mark.parametrize(
    ("smoothing", "auc", "precision", "within"),
    [(None, 0.8482, 0.3765, 0.7540), (Smoothing(kind="ema"), 0.8611, 0.4059, 0.7840)],
)
def test_published_scores_come_out_as_published(
    smoothing: Smoothing | None, auc: float, precision: float, within: float
) -> None:
    file, truth = published_files() / "covas_scores_ucf.json", load_truth("ucf-crime")
    frames = read_frames(file, truth=truth, smoothing=smoothing)
    found = evaluate_frames(frames=frames, truth=truth, draws=0).metrics
    names = ("auc", "average_precision", "within_video_mean")
    assert [round(found[name], 4) for name in names] == [auc, precision, within]


@pytest.mark.shared
@pytest.mark.parametrize("per_hour", [0.5, 1, 2])
def test_promised_alarm_rates_hold_on_published_scores(per_hour: float) -> None:
    scores = read_causal(published_files() / "covas_scores_ucf.json")
    found = split_rates(scores, CALIBRATIONS["by block, on average"], per_hour, splits=200)
    assert found.per_hour.mean() <= per_hour * 1.1
    assert found.found.mean() > 0.6
