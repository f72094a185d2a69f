"""Table 2: frame-level average precision on XD-Violence, beside published numbers."""

from __future__ import annotations

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.full_protocol import run_protocol
from hiprobe.reproduce.protocol_rows import FRAME_AP, Protocol
from hiprobe.reproduce.result import Findings

PROTOCOL = Protocol("table2", "xd-violence", FRAME_AP, "xd")


def run(bench: Bench) -> Findings:
    """The table; `--data` is the root of XD-Violence or its manifest."""
    return run_protocol(bench, PROTOCOL)
