"""The paper's numbers: fractions, from one file, and no slip of the pen passes for a blank."""

from __future__ import annotations

import pytest

from hiprobe.errors import UsageError
from hiprobe.reproduce.experiment_result import facts, paper_numbers


def test_published_percent_become_fractions() -> None:
    last = paper_numbers("last layer")
    assert [n.value for n in last] == pytest.approx([0.8321, 0.7928])
    assert [n.column for n in last] == ["UCF-Crime, frame AUC", "XD-Violence, frame AP"]


def test_a_number_that_the_paper_does_not_give_is_left_out() -> None:
    assert len(paper_numbers("K = 16")) == 1


def test_the_default_k_is_the_full_method() -> None:
    assert paper_numbers("K = 8") == paper_numbers("full")


def test_every_number_is_a_percentage() -> None:
    values = [v for own in facts()["numbers"].values() for v in own.values()]
    assert len(values) == 21
    assert all(50 < v < 100 for v in values)


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(UsageError, match="no setting 'first layer'"):
        paper_numbers("first layer")
