"""Documents are valid UTF-8 and strict JSON; no cell is run by a spreadsheet."""

import csv
import json
from pathlib import Path

import pytest

from hiprobe.store.text_files import (
    json_text,
    path_cell,
    plain_cell,
    safe_cell,
    write_table,
    write_text,
)


def test_half_characters_are_written_out(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "caf\udce9 \ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == r"caf\xe9 \ud800"
    text = json_text({"a\udce9": ["\udcff\n", "é"]})
    text.encode()
    assert json.loads(text) == {r"a\xe9": ["\\xff\n", "é"]}
    assert "é" in text


def test_a_number_that_is_not_finite_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": float("nan")})


CELLS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-x",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "''=1",
    "'a",
    "a=1",
    "",
]


@pytest.mark.parametrize("text", CELLS)
def test_a_cell_is_harmless_and_can_be_turned_back(text: str) -> None:
    assert safe_cell(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert plain_cell(safe_cell(text)) == text


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ("x", "y", "z"), [(-1.5, "-2e-3", "-a")])
    rows = list(csv.reader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[1] == ["-1.5", "-2e-3", "'-a"]


def test_a_path_in_a_cell_is_the_same_file_to_every_reader(tmp_path: Path) -> None:
    (tmp_path / "=a.mp4").write_text("x")
    assert path_cell("a.mp4") == "a.mp4"
    assert (tmp_path / path_cell("=a.mp4")).is_file() and path_cell("=a.mp4")[0] == "."
