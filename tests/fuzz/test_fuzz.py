"""Damaged documents are read rightly or refused by name: 300 cases, and each that failed once."""

from __future__ import annotations

import pytest

import fuzz

CASES = 300

unix = pytest.mark.skipif(
    not hasattr(fuzz.os, "mkfifo"), reason="limits of memory and named pipes are of Unix"
)


def told(failures: list[fuzz.Failure]) -> str:
    return "\n".join(f"seed {f.seed}: {f.reason}" for f in failures)


@unix
def test_damaged_documents_are_read_rightly_or_refused_by_name() -> None:
    failures = fuzz.fuzz([*fuzz.kept_seeds(), *range(CASES)])
    assert not failures, told(failures)


@unix
def test_a_reader_that_raises_or_dies_is_found() -> None:
    assert [f.seed for f in fuzz.fuzz([-1, 0, -2])] == [-1, -2]
