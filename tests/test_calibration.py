"""Conformal thresholds keep their promise on footage drawn anew, and drift is told."""

import numpy as np
import pytest

from hiprobe.calibration import block_maxima, conformal_threshold, drift, unit_threshold
from hiprobe.errors import UsageError


def test_a_block_is_as_long_as_the_cool_down_and_takes_the_highest_score() -> None:
    end = np.arange(1, 131.0)
    scores = np.zeros(130)
    scores[[10, 59, 60, 125]] = [0.3, 0.5, 0.2, 0.9]
    found = block_maxima(end - 1, end, scores, block_seconds=60)
    np.testing.assert_array_equal(found, [0.5, 0.9])  # 10 s are too little for a third block
    gap = np.where(end > 60, end + 1000, end)
    np.testing.assert_array_equal(block_maxima(gap - 1, gap, scores, block_seconds=60), found)
    lost = block_maxima([0, 1], [1, 2], [np.nan, 0.4], block_seconds=1)
    np.testing.assert_array_equal(lost, [np.nan, 0.4])
    with pytest.raises(UsageError, match="cool-down above 0"):
        block_maxima([0], [1], [0.5], block_seconds=0)


def test_short_footage_says_what_it_can_promise() -> None:
    found = conformal_threshold(
        np.linspace(0, 1, 360), per_hour=1 / 24, block_seconds=60, confidence=0.95
    )
    assert not found.is_kept and found.threshold == 1
    assert found.promised_per_hour == pytest.approx(0.5, abs=0.01)
    assert found.needed_hours == pytest.approx(72, abs=0.2)
    assert "6 hours" in found.text and "no less than 0.5 alarms" in found.text
    assert "bring 72 hours" in found.text
    average = conformal_threshold(np.linspace(0, 1, 99), per_hour=1.2, block_seconds=60)
    assert (average.rank, average.is_kept) == (2, True)


@pytest.mark.parametrize(("rate", "confidence"), [(0, None), (60, None), (1, 1.0), (1, 0.0)])
def test_what_cannot_be_promised_is_refused(rate: float, confidence: float | None) -> None:
    with pytest.raises(UsageError):
        conformal_threshold([0.1], per_hour=rate, block_seconds=60, confidence=confidence)
    with pytest.raises(UsageError, match="no block"):
        conformal_threshold([np.nan], per_hour=1, block_seconds=60)


@pytest.mark.parametrize("blocks", [60, 150, 500])
def test_the_promise_holds_on_footage_drawn_anew(blocks: int) -> None:
    rng, chance = np.random.default_rng(blocks), 0.05
    average, sure = [], []
    for _ in range(2000):
        seen = rng.random(blocks)
        of = {"per_hour": chance * 60, "block_seconds": 60.0}
        # Uniform scores: the chance of an alarm is what lies above the threshold.
        average.append(1 - conformal_threshold(seen, **of).threshold)
        sure.append(1 - conformal_threshold(seen, **of, confidence=0.9).threshold)
    assert chance * 0.6 < np.mean(average) < chance * 1.03
    assert np.mean(np.array(sure) <= chance) > 0.88


def test_whole_recordings_keep_the_promise_where_blocks_of_one_are_alike() -> None:
    rng, chance = np.random.default_rng(3), 0.1
    alarms = []
    for _ in range(1500):
        units = [np.full(5, rng.random()) for _ in range(41)]
        threshold = unit_threshold(units[:40], per_hour=chance * 60, block_seconds=60)
        assert threshold is not None
        alarms.append((units[40] > threshold).mean())
    assert 0.03 < np.mean(alarms) <= chance * 1.1
    lost = [np.append(unit, np.nan) for unit in units]
    assert unit_threshold(lost, per_hour=6, block_seconds=60) == unit_threshold(
        units, per_hour=6, block_seconds=60
    )
    assert unit_threshold(units[:3], per_hour=6, block_seconds=60) is None


def test_drift_is_told_soon_and_seldom_without_one() -> None:
    rng = np.random.default_rng(11)
    known = rng.random(200)
    false = [drift(rng.random(200), rng.random(300)).max() >= 20 for _ in range(200)]
    assert np.mean(false) <= 0.05
    found = drift(known, rng.random(60) * 0.5 + 0.5)
    assert found[-1] > 20
    assert drift(known, rng.random(100) * 0.5).max() <= 2  # lower scores break no promise
    assert drift([0.5] * 50, [0.5] * 100).max() <= 1  # nor do ties
