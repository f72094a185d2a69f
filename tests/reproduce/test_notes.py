"""The reader's page: text by hand, tables from results, nothing else touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.errors import UsageError
from hiprobe.reproduce.experiment_result import ExperimentResult, Findings, ResultRow
from hiprobe.reproduce.paper_notes import COMPUTED, MARKER, fill, results_in
from hiprobe.reproduce.published_rows import different_videos, span_rows
from hiprobe.reproduce.request import EXPERIMENTS
from hiprobe.reproduce.result_pages import write_result

PAGE = Path(__file__).parents[2] / "docs" / "paper-notes.md"
BLANK = "before\n<!-- table: {} -->\n<!-- end of table -->\nafter\n"


def _result(name: str = "options") -> ExperimentResult:
    rows = [
        ResultRow("made-up", setting, metric, value, section=section)
        for section, setting, value in (("Penalty", "C = 1", 0.71), ("Penalty", "none", 0.62),
                                        ("Smoothing", "sigma = 0", 0.5))
        for metric in ("highest-segment AUC", "clip AUC")
    ]  # fmt: skip
    return ExperimentResult(
        name=name,
        title="t",
        findings=Findings(tuple(rows)),
        command=f"hiprobe reproduce {name} --data made-up",
        machine="a machine",
        backbone="toy",
        data={},
        seconds=1.0,
        date="2026-01-01",
    )


def test_a_table_stands_between_its_markers_and_the_text_stays() -> None:
    text = fill(BLANK.format("options / Penalty"), [_result()])
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| none | 0.620 | 0.620 |" in text
    assert "sigma = 0" not in text
    assert "`hiprobe reproduce options --data made-up`; toy; a machine; 2026-01-01" in text


def test_writing_twice_changes_nothing() -> None:
    once = fill(BLANK.format("options / Penalty"), [_result()])
    assert fill(once, [_result()]) == once


def test_what_is_not_measured_is_said() -> None:
    text = fill(BLANK.format("options / Penalty"), [])
    assert "Not measured yet: run `hiprobe reproduce options`" in text


def test_a_wrong_name_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(UsageError, match="no section 'Penalties'"):
        fill(BLANK.format("options / Penalties"), [_result()])
    with pytest.raises(UsageError, match="no `<!-- table"):
        fill("no marker", [_result()])


def test_the_range_names_both_settings() -> None:
    text = fill(BLANK.format("what the silent choices move"), [_result()])
    assert "| made-up | Penalty | 0.620 (none) to 0.710 (C = 1) |" in text


def test_a_section_that_an_older_run_lacks_is_said() -> None:
    text = fill(BLANK.format("options / Smoothing, by frame"), [_result()])
    assert "do not have this table" in text


def test_a_choice_that_moves_nothing_is_said_so() -> None:
    rows = tuple(ResultRow("made-up", s, "highest-segment AUC", 0.7501, section="Entropy bins")
                 for s in ("B = 10", "B = 20"))  # fmt: skip
    result = replace(_result(), findings=Findings(rows))
    text = fill(BLANK.format("what the silent choices move"), [result])
    assert "| made-up | Entropy bins | 0.750 for all 2 |" in text


def test_weights_of_the_smoothing() -> None:
    text = fill(BLANK.format("weights of the smoothing"), [])
    own = float(next(line for line in text.splitlines() if "0.4 (default)" in line).split("|")[2])
    near = np.exp(-0.5 / 0.16)
    assert own == pytest.approx(1 / (1 + 2 * near + 2 * np.exp(-2 / 0.16)), abs=1e-4)


def test_both_sets_of_spans_and_both_readings() -> None:
    rows = {(r.setting, r.metric): r.ours for r in span_rows()}
    assert len(different_videos()) == 14
    assert rows["official spans, end frame not abnormal", "abnormal frames"] == 84_182
    auc = "AUC, video-label oracle"
    assert rows["official spans, end frame abnormal", auc] == pytest.approx(0.8157, abs=2e-4)
    assert len({v for (_, m), v in rows.items() if m == "abnormal frames"}) == 4


def test_given_scores_are_measured_under_each() -> None:
    scores = {v.name: np.arange(v.frames) / v.frames for v in load_truth("ucf-crime").videos}
    rows = [r for r in span_rows(scores) if r.metric == "AUC, scores given"]
    assert len(rows) == 4 and len({r.ours for r in rows}) == 4


def test_results_are_read_from_out_folders(tmp_path: Path) -> None:
    write_result(_result(), tmp_path / "options")
    assert [r.name for r in results_in([tmp_path])] == ["options"]


def test_every_marker_of_the_page_names_something_that_exists() -> None:
    names = [m[2] for m in MARKER.finditer(PAGE.read_text(encoding="utf-8"))]
    known = {e.name for e in EXPERIMENTS}
    assert len(names) > 8
    assert all(n in COMPUTED or n.partition("/")[0].strip() in known for n in names)
