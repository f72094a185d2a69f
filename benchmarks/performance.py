"""Measure time and memory of the backbones and write docs/performance.md.

Each part is kept in benchmarks/results/ and the page is written from all that are there, so that
the parts can be run on different machines. Run with nothing else on the machine:

    python benchmarks/performance.py meta
    python benchmarks/performance.py cpu --repeats 5
    python benchmarks/performance.py gpu --repeats 10
    python benchmarks/performance.py page
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from page import write_page

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
PARTS = ("meta", "cpu", "gpu")


def main() -> int:
    """Run one part, or only write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("part", choices=(*PARTS, "page"))
    parser.add_argument("--repeats", type=int, default=5, help="timed passes of each way")
    parser.add_argument("--seed", type=int, default=0, help="of weights and frames")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    given = parser.parse_args()
    if given.part != "page":
        document = _run(given)
        given.results.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=1) + "\n"
        (given.results / f"{given.part}.json").write_text(text, encoding="utf-8")
    write_page(given.page, results=given.results)
    return 0


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of the description."""


def _run(given: argparse.Namespace) -> dict[str, Any]:
    import torch
    import transformers

    began = time.perf_counter()
    rows, more = _measure(given, torch)
    return {
        "part": given.part,
        "machine": machine(torch),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seed": given.seed,
        "repeats": given.repeats,
        "command": f"python benchmarks/performance.py {given.part} --repeats {given.repeats} "
        f"--seed {given.seed}",
        "minutes": (time.perf_counter() - began) / 60,
        "rows": rows,
        **more,
    }


def _measure(given: argparse.Namespace, torch: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from measure import cpu_rows, gemm_tflops, large_rows, meta_rows

    if given.part == "meta":
        return list(meta_rows(say)), {}
    if given.part == "cpu":
        threads = {"threads": torch.get_num_threads()}
        peaks = {
            name: gemm_tflops(size=2048, device="cpu", dtype=dtype, repeats=5)
            for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        }
        rows = list(cpu_rows(repeats=given.repeats, seed=given.seed, say=say))
        return rows, {**threads, "gemm_tflops": peaks}
    if not torch.cuda.is_available():
        sys.exit("no GPU that torch can use is here; run this part on a machine that has one")
    peak = gemm_tflops(size=8192, device="cuda", dtype=torch.bfloat16, repeats=20)
    rows = list(
        large_rows(device="cuda", repeats=given.repeats, seed=given.seed, peak_tflops=peak, say=say)
    )
    return rows, {"gemm_tflops": {"bfloat16": peak}}


def machine(torch: Any) -> str:
    """Processor, cores in use, GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    known, wanted = _cpu("flags").split(), ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    flags = " ".join(flag for flag in wanted if flag in known)
    plural = "core" if cores == 1 else "cores"
    text = f"{cores} {plural}, {_cpu('model name') or platform.machine()}, {flags}"
    if torch.cuda.is_available():
        text += f"; {torch.cuda.get_device_name(0)}"
    return text.rstrip(", ")


def _cpu(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def say(line: str) -> None:
    """Progress, on stderr."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
