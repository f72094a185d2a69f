"""Tell a video that ends from one that was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hiprobe.video.container import stream_duration_seconds
from hiprobe.video.frame import DecodedFrame

_TS_PACKET_BYTES = (188, 192, 204)
"""Plain, with a time code before it (Blu-ray), with error correction behind it."""

_TS_SYNC = 0x47


def ends_early(path: Path, container: Any, stream: Any, last: DecodedFrame) -> bool:
    """Whether the file promises clearly more than it gave up to its `last` frame."""
    # A cut transport stream ends cleanly and its length is guessed from its last timestamp,
    # but a cut seldom falls between two packets.
    if container.format.name == "mpegts":
        return _ends_inside_packet(path)
    stated = stream_duration_seconds(container, stream)
    slack = max(0.5, 3 * last.duration_seconds)
    return stated is not None and stated - last.end_seconds > slack


def _ends_inside_packet(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4 * max(_TS_PACKET_BYTES))
    for length in _TS_PACKET_BYTES:
        at = 4 if length == 192 else 0
        if all(byte == _TS_SYNC for byte in head[at::length]):
            return path.stat().st_size % length != 0
    return False  # begins inside a packet: nothing to conclude
