"""`--workers` through the whole command: the same files as one process writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_interrupts import Run, write_video

from hiprobe.cli.app import app


def states_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def test_two_workers_write_what_one_process_writes(tiny_model: Path, tmp_path: Path) -> None:
    for number in range(4):
        write_video(tmp_path / "in" / f"{number}.mp4", seconds=2 + number, seed=number)
    (tmp_path / "in" / "broken.mp4").write_bytes(b"nothing" * 99)
    os.utime(tmp_path / "in" / "broken.mp4", (1e9, 1e9))
    words = ("extract", tmp_path / "in", "--backbone", tiny_model, "-q", "-o")
    one = Run(tmp_path / "cache-1", *words, tmp_path / "one").end()
    two = Run(tmp_path / "cache-2", *words, tmp_path / "two", "--workers", 2).end()
    assert one[0] == two[0] == 3, (one, two)
    assert one[2] == two[2]
    assert len(states_in(tmp_path / "one")) == 4
    assert states_in(tmp_path / "one") == states_in(tmp_path / "two")
    record = [(tmp_path / name / "hiprobe-run.json").read_text() for name in ("one", "two")]
    assert record[0] == record[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--address", "auto"), "add --engine ray"),
        (("--workers", "0"), "not a whole number from 1"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["extract", "x.mp4", "-o", str(tmp_path), *words])
    assert result.exit_code == 2 and told in result.output
