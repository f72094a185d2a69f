import pytest

from hiprobe.report.words import format_score, format_seconds, overlap_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (75.25, "1:15.2"), (3661.5, "1:01:01.5"), (-2, "-0:02.0")],
)
def test_times_carry_over(seconds, words):
    assert format_seconds(seconds) == words


def test_a_failed_score_is_named():
    assert format_score(float("nan")) == "no score"
    assert format_score(0.12345) == "0.123"


def test_overlap_counts_nothing_twice():
    assert overlap_seconds((2, 5), [(0, 3), (1, 3.5), (4.5, 9)]) == pytest.approx(2.0)
    assert overlap_seconds((2, 5), [(5, 9)]) == 0
