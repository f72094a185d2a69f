"""Reading a number between 0 and 1 out of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.baselines.asked import read_number


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0.7", 0.7),
        ("0,7", 0.7),
        (" .5\n", 0.5),
        ("1", 1.0),
        ("0. The street is empty.", 0.0),
        ("[0.3]", 0.3),
        ("**0.6**", 0.6),
        ("7/10", 0.7),
        ("70%", 0.7),
        ("5 out of 10", 0.5),
        ("Score: 0.3", 0.3),
        ("Answer: 1", 1.0),
        ("The anomaly score is 0.8 out of 1.", 0.8),
        ("1 person is walking. Score 0.2", 0.2),
        ("On a scale from 0 to 1, I give 0.9.", 0.9),
        ("I would say 0.85/1 since 3 people run", 0.85),
    ],
)
def test_a_number_is_read_however_it_is_put(text: str, expected: float) -> None:
    assert read_number(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Two people walk.",
        "2 people walk.",
        "8",
        "-0.5",
        "0 to 1",
        "between 0 and 1",
        "Frame1: 0\nFrame2: 1",
        "1.1111111",
        "1. The video is from 0 to 1.\n2. It ends.",
        "1. 1.1.1.1.1",
        "nan",
        "1e-3",
        "0." + "1" * 400,
        "3" * 5000,
    ],
)
def test_an_answer_without_one_is_none(text: str) -> None:
    assert read_number(text) is None


@given(st.text(max_size=200))
def test_any_text_gives_a_share_or_none(text: str) -> None:
    found = read_number(text)
    assert found is None or 0.0 <= found <= 1.0


@given(st.floats(0, 1), st.sampled_from(["{}", "Score: {}", "[{}]", "The score is {}."]))
def test_a_number_comes_back_as_it_was_said(value: float, form: str) -> None:
    said = f"{value:.3f}"
    assert read_number(form.format(said)) == pytest.approx(float(said))
