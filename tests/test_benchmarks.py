"""The performance page is what its command writes from the kept results."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from hiprobe.backbones.catalogue import catalogue

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("performance_page", BENCHMARKS / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_fresh(page: ModuleType, tmp_path: Path) -> None:
    page.write_page(tmp_path / "page.md", results=BENCHMARKS / "results")
    kept = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == kept


def test_the_models_measured_are_those_of_the_catalogue() -> None:
    rows = json.loads((BENCHMARKS / "results" / "meta.json").read_text(encoding="utf-8"))["rows"]
    found = {row["name"]: row for row in rows}
    for entry in catalogue():
        row = found[entry.name]
        assert row["parameters"] == row["counted"] == entry.shape.parameters
        assert row["bytes_to_layer"] == row["counted_bytes_to_layer"]


def test_parts_that_are_not_there_are_said_to_be_missing(page: ModuleType, tmp_path: Path) -> None:
    page.write_page(tmp_path / "page.md", results=tmp_path)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "no GPU was available" in text
    assert "performance.py cpu" in text


def test_measured_parts_become_tables(page: ModuleType, tmp_path: Path) -> None:
    about = {
        "command": "c",
        "minutes": 1.0,
        "machine": "m",
        "torch": "2",
        "transformers": "5",
        "repeats": 3,
    }
    ways = [
        {"way": "generate, all states", "dtype": "float32", "seconds": [4.0, 6.0, 5.0]},
        {"way": "to layer 19", "dtype": "bfloat16", "seconds": [1.0, 2.0, 1.5]},
    ]
    peaks = {"float32": 0.4, "bfloat16": 2.3}
    cpu = {**about, "rows": ways, "gemm_tflops": peaks, "threads": 2}
    row = {
        **{"name": "big", "layer": 20, "batch": 2, "positions": 2112, "weights_bytes": 10e9},
        **{"peak_bytes": 12e9, "segments_a_second": 10.0, "preparing_seconds": 0.02},
        **{"flops": 25e12, "fraction": 0.5},
    }
    gpu = {**about, "rows": [row], "gemm_tflops": {"bfloat16": 500.0}}
    for name, document in (("cpu", cpu), ("gpu", gpu)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    page.write_page(tmp_path / "page.md", results=tmp_path)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| to layer 19 | bfloat16 | 1.50 | 1.00 to 2.00 | 3.3x |" in text
    assert "| big | 20 | 2 | 2112 | 10.0 | 12.0 | 10.00 | 0.020 | 25.0 | 50% |" in text
    assert "no GPU was available" not in text
