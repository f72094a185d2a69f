"""Numbers in tables are read by people."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np

from hiprobe.report.documents import write_csv


def test_times_and_scores_have_no_binary_tail(quiet, tmp_path):
    times = np.arange(len(quiet)) * 2.4
    write_csv(replace(quiet, start_seconds=times, end_seconds=times + 2.4), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["end_seconds"] for row in rows] == ["2.4", "4.8", "7.2"]
    assert all(len(row["score"]) <= 8 for row in rows)
