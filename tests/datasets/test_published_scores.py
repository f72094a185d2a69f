"""Published scores give the published figures."""

import numpy as np
import pytest
from numpy.typing import NDArray
from shared_data import published_files

from hiprobe.calibration import block_maxima, conformal_threshold, unit_threshold
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.score_files import read_frames, read_raw
from hiprobe.evaluation.evaluate_scores import evaluate_frames
from hiprobe.localize import Smoothing


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


def split_rates(per_hour: float, *, unit: str, splits: int) -> tuple[NDArray[np.float64], float]:
    """Alarms an hour in the other half of the normal videos, for each split; and mean recall."""
    truth = load_truth("ucf-crime")
    raw, fps = read_raw(published_files() / "covas_scores_ucf.json"), truth.fps
    normal, events = [], []
    for video in truth.videos:
        one = raw[video.name.removesuffix(".mp4")].smoothed(Smoothing(kind="ema"))
        assert one.starts is not None and one.ends is not None
        start, end = one.starts / fps, one.ends / fps
        if not video.spans:
            normal.append(block_maxima(start, end, one.scores, block_seconds=60))
        for a, b in video.half_open(truth.end):
            events.append(one.scores[(one.ends > a) & (one.starts < b)].max())
    rates, recalls = [], []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(normal))
        seen, new = ([normal[i] for i in part] for part in np.array_split(order, 2))
        if unit == "video":
            threshold = unit_threshold(seen, per_hour=per_hour, block_seconds=60)
        else:
            found = conformal_threshold(np.concatenate(seen), per_hour=per_hour, block_seconds=60)
            threshold = found.threshold
        if threshold is None:
            continue
        rates.append((np.concatenate(new) > threshold).mean() * 60)
        recalls.append((np.array(events) > threshold).mean())
    return np.array(rates), float(np.mean(recalls)) if recalls else np.nan


@pytest.mark.shared
@pytest.mark.parametrize("per_hour", [0.5, 1, 2])
def test_promised_alarm_rates_hold_on_published_scores(per_hour: float) -> None:
    rates, recall = split_rates(per_hour, unit="block", splits=200)
    assert rates.mean() <= per_hour * 1.1
    assert recall > 0.6
