"""What is written of a result: Markdown, CSV, JSON, pictures, and the page that joins results."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from hiprobe.errors import UsageError
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.experiment_result import (
    ExperimentResult,
    Figure,
    Findings,
    PaperNumber,
    ResultRow,
)
from hiprobe.reproduce.result_pages import read_result, result_markdown, write_page, write_result

PAPER = (PaperNumber("UCF-Crime, frame AUC", 0.8321),)
ROWS = (
    ResultRow(
        "fights", "last layer", "AUC", 0.75, 0.7, 0.8, (0.74, 0.76), PAPER, "8 folds", (0, 1), 1.5
    ),
    ResultRow("fights", "last layer", "AP", math.nan, protocol="8 folds", seeds=(0, 1)),
    ResultRow("fights", "layer | 3", "AUC", 0.5, protocol="8 folds", seeds=(0, 1)),
    ResultRow(
        "crashes", "last", "n", 1.0, protocol="other", seeds=(3,), section="More", count=True
    ),
    ResultRow("crashes", "last", "gap", -1e-9, protocol="other", seeds=(3,), section="More"),
)


def figure(name: str) -> Figure:
    curve = Curve("AUC", (1, 2, 4), (0.5, 0.6, 0.7), (0.4, 0.5, 0.6), (0.6, 0.7, 0.8), marked=2)
    panel = Panel("title", "x", "y", (curve,), log_x=True, ticks=((1.0, "one"), (4.0, "four")))
    return Figure(name, "What it shows.", panels_drawing([panel], columns=2), (4.0, 3.0))


def result(name: str = "table4") -> ExperimentResult:
    return ExperimentResult(
        name=name,
        title="layers",
        findings=Findings(ROWS, (figure("curve"),), ("A note.",)),
        command=f"hiprobe reproduce {name} --data a/b.csv",
        machine="a processor",
        backbone="lite, float32",
        data={"fights": "10 clips"},
        seconds=300.0,
        date="2026-01-01",
    )


def test_markdown_has_paper_ours_interval_protocol_seeds_and_time() -> None:
    text = result_markdown(result())
    assert "fights; 8 folds; seeds 0 to 1:" in text
    head, _, first, second = text[text.index("| setting") :].splitlines()[:4]
    assert head == "| setting | paper: UCF-Crime, frame AUC | AUC | AP | time, s |"
    assert first == (
        "| last layer | 0.8321 | 0.750 [0.700, 0.800]; seeds 0.740 to 0.760 | - | 1.5 |"
    )
    assert second == r"| layer \| 3 |  | 0.500 |  | 0.0 |"
    assert "**More**" in text and "crashes; other; seed 3:" in text
    assert "| last | 1 | 0.000 |" in text
    assert "`hiprobe reproduce table4 --data a/b.csv` (5 min, 2026-01-01)" in text
    assert "[![curve](curve.png)](curve.svg)" in text
    assert "- A note." in text


def test_a_folder_has_table_json_csv_and_both_kinds_of_picture(tmp_path: Path) -> None:
    write_result(result(), tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"table.md", "table.csv", "result.json", "curve.png", "curve.svg"}
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(ROWS)
    assert rows[0]["paper: UCF-Crime, frame AUC"] == "0.8321"
    assert (rows[0]["ours"], rows[0]["low"], rows[1]["ours"]) == ("0.75", "0.7", "")
    assert rows[0]["by_seed"] == "0.74 0.76"
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["rows"][1]["ours"] is None
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = result()
    write_result(written, tmp_path)
    found = read_result(tmp_path)
    assert repr(found.findings.rows) == repr(written.findings.rows)
    assert found.findings.figures == written.findings.figures
    assert result_markdown(found) == result_markdown(written)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"format": 1'])
def test_a_damaged_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UsageError, match="run it again"):
        read_result(tmp_path)


def test_a_page_joins_results_and_copies_their_pictures(tmp_path: Path) -> None:
    for root, name in (("first", "fig3"), ("first", "table4"), ("second", "own")):
        write_result(result(name), tmp_path / root / name)
    page = tmp_path / "docs" / "results.md"
    joined = write_page((tmp_path / "first", tmp_path / "second"), page)
    assert joined == ("first/table4", "first/fig3", "second/own")
    text = page.read_text()
    assert text.index("## table4") < text.index("## fig3") < text.index("## own")
    for line in (x for x in text.splitlines() if x.startswith("[![")):
        for part in line.replace("[![curve]", "").replace("[!", "").split("("):
            target = part.partition(")")[0]
            if target.endswith(("png", "svg")):
                assert (page.parent / target).is_file()
    assert len(list((page.parent / "figures" / "results").rglob("*.svg"))) == 3
    before = text
    write_page((tmp_path / "first", tmp_path / "second"), page)
    assert page.read_text() == before


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results"):
        write_page((tmp_path,), tmp_path / "results.md")


def test_rows_are_checked_when_built() -> None:
    with pytest.raises(UsageError, match="both ends"):
        ResultRow("d", "s", "m", 0.5, low=0.4)
    with pytest.raises(UsageError, match="2 values for 1 seeds"):
        replace(ROWS[0], seeds=(0,))
    with pytest.raises(UsageError, match="needs data"):
        ResultRow("", "s", "m", 0.5)
