"""Table 1: frame-level ROC-AUC on UCF-Crime, beside published numbers."""

from __future__ import annotations

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.full_protocol import run_protocol
from hiprobe.reproduce.protocol_rows import FRAME_AUC, Protocol
from hiprobe.reproduce.result import Findings

PROTOCOL = Protocol("table1", "ucf-crime", FRAME_AUC, "ucf")


def run(bench: Bench) -> Findings:
    """The table; `--data` is the root of UCF-Crime or its manifest."""
    return run_protocol(bench, PROTOCOL)
