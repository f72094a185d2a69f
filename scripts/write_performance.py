"""Write the tables of docs/performance.md; the words between them are written by hand.

    hiprobe bench -o somewhere          # and on a machine with a GPU: hiprobe bench --gpu
    python scripts/write_performance.py --keep somewhere/bench.json
    python scripts/write_performance.py --check

What is kept lies in benchmarks/results/: `bench.json` of a run on the processor, and others that
begin with `bench`; `gpu.json` of one on a GPU. The table of models is counted from their shapes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiprobe.backbones.catalogue import CatalogueEntry, catalogue
from hiprobe.backbones.cost import count_segment, middle_layer, weight_bytes
from hiprobe.bench.bench_tables import BenchTable, machine_line, tables_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
REFERENCE_TFLOPS = 790
"""Dense bfloat16 of an H100, as matrix products reach it."""
START, END = "<!-- table: {name} -->\n", "<!-- end of table: {name} -->"
NO_GPU = "Not measured yet: no GPU was available where this page was written.\n"
NO_RUN = "Not measured yet.\n"


def page(text: str, *, results: Path) -> str:
    """The page with its tables made anew from the catalogue and from what is kept."""
    for name, table in (
        ("models", models_table()),
        ("bench", _kept(sorted(results.glob("bench*.json")), NO_RUN)),
        ("gpu", _kept(sorted(results.glob("gpu*.json")), NO_GPU)),
    ):
        start, end = START.format(name=name), END.format(name=name)
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the page has no place for the table {name}: {start.strip()}")
        text = f"{before}{start}\n{table}\n{end}{after}"
    return text


def _kept(files: Sequence[Path], without: str) -> str:
    """The tables of some runs, each after the sentence on its machine."""
    sections = []
    for file in files:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        sections += [machine_line(document) + "\n", *(t.markdown() for t in tables_of(document))]
    return "\n".join(sections) or without


def models_table() -> str:
    """All models by their shapes: what they need to l* and whole, and how fast a GPU could be."""
    header = (
        *("model", "layers", "*l\\**", "width", "parameters", "GB", "GB to *l\\**", "tokens"),
        *("TFLOP to *l\\**", "TFLOP", "segments/s to *l\\**", "segments/s"),
    )
    rows = tuple(_model_row(entry) for entry in catalogue())
    return BenchTable("", "", header, rows).markdown().partition("\n\n")[2]


def _model_row(entry: CatalogueEntry) -> tuple[str, ...]:
    shape, layer = entry.shape, middle_layer(entry.shape)
    cut, whole = count_segment(shape, layer=layer), count_segment(shape)
    return (
        entry.name,
        str(shape.layer_count),
        str(layer),
        str(shape.width),
        f"{shape.parameters / 1e9:.3f} B",
        f"{2 * shape.parameters / 1e9:.1f}",
        f"{weight_bytes(shape, layer=layer) / 1e9:.1f}",
        str(whole.visual_tokens),
        f"{cut.flops / 1e12:.1f}",
        f"{whole.flops / 1e12:.1f}",
        f"{REFERENCE_TFLOPS * 1e12 / cut.flops:.0f}",
        f"{REFERENCE_TFLOPS * 1e12 / whole.flops:.0f}",
    )


def main() -> int:
    """Keep a run, then write or check the page; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="bench.json of a run, to be kept and shown")
    parser.add_argument("--name", help="what to keep it as, in place of bench.json or gpu.json")
    parser.add_argument("--check", action="store_true", help="fail where the page is stale")
    given = parser.parse_args()
    if given.keep is not None:
        is_gpu = "large" in json.loads(given.keep.read_text(encoding="utf-8"))["parts"]
        RESULTS.mkdir(exist_ok=True)
        shutil.copyfile(
            given.keep, RESULTS / (given.name or f"{'gpu' if is_gpu else 'bench'}.json")
        )
    old = PAGE.read_text(encoding="utf-8")
    new = page(old, results=RESULTS)
    if given.check and old != new:
        print(f"{PAGE} is stale: run scripts/write_performance.py", file=sys.stderr)
        return 1
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
