"""The performance page is what its script writes from the kept results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import write_performance

ROOT = Path(__file__).resolve().parent.parent


def text() -> str:
    return (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def test_the_page_is_fresh() -> None:
    assert write_performance.page(text(), results=ROOT / "benchmarks" / "results") == text()


def test_parts_that_are_not_there_are_said_to_be_missing(tmp_path: Path) -> None:
    made = write_performance.page(text(), results=tmp_path)
    assert "no GPU was available" in made
    assert made.count("Not measured yet") == 2
    assert "| internvl2.5-8b | 32 | 20 | 4096 | 8.075 B | 16.2 | 10.2 | 2048 |" in made


def test_a_run_on_a_gpu_becomes_a_table(tmp_path: Path) -> None:
    row = {
        **{"backbone": "big", "layer": 20, "batch": 2, "positions": 2112, "weights_bytes": 10e9},
        **{"peak_bytes": 12e9, "segments_a_second": 10.0, "preparing_seconds": 0.02},
        **{"flops": 25e12, "share_of_floor": 0.5, "cut_distance": None, "batch_distance": 0.003},
    }
    machine = {"processor": "p", "flags": [], "cores": 8, "threads": 8, "load": 0.1}
    document = {
        **{"command": "hiprobe bench --gpu", "date": "2026-01-01", "minutes": 1.0, "gpu": "G"},
        **{"machine": {**machine, "was_busy": False}, "python": "3", "libraries": {"torch": "2"}},
        **{"product_flops": 790e12, "parts": {"large": [row]}},
    }
    (tmp_path / "gpu.json").write_text(json.dumps(document))
    made = write_performance.page(text(), results=tmp_path)
    told = "| big | 20 | 2 | 2112 | 10.0 | 12.0 | 10.00 | 0.020 | 25.0 | 50% | 0.003 | - |"
    assert told in made
    assert "(790 TFLOP/s, G)" in made
    assert "no GPU was available" not in made


def test_a_page_without_a_place_for_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no place for the table models"):
        write_performance.page("# Performance\n", results=tmp_path)
