"""Tell a video that ends from one that was cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.video.container import stream_duration_seconds
from hiprobe.video.frame import DecodedFrame

_TS_PACKET_BYTES = (188, 192, 204)
"""Plain, with a time code before it (Blu-ray), with error correction behind it."""

_TS_SYNC = 0x47


@dataclass(frozen=True)
class Promise:
    """What an open file says of its own length.

    Attributes:
        seconds: of the video, by the header; None where it does not say, or cannot know.
        ends_in_packet: the file ends inside a packet of a transport stream.
    """

    seconds: float | None
    ends_in_packet: bool = False

    def is_broken_by(self, last: DecodedFrame) -> bool:
        """Whether there should be clearly more after the `last` frame."""
        slack = max(0.5, 3 * last.duration_seconds)
        is_short = self.seconds is not None and self.seconds - last.end_seconds > slack
        return self.ends_in_packet or is_short


def promise_of(path: Path, container: Any, stream: Any) -> Promise:
    """What an open file says of its own length."""
    # A cut transport stream ends cleanly and its length is guessed from its last timestamp,
    # but a cut seldom falls between two packets.
    if container.format.name == "mpegts":
        return Promise(None, ends_in_packet=_ends_inside_packet(path))
    return Promise(stream_duration_seconds(container, stream))


def _ends_inside_packet(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4 * max(_TS_PACKET_BYTES))
    for length in _TS_PACKET_BYTES:
        at = 4 if length == 192 else 0
        if all(byte == _TS_SYNC for byte in head[at::length]):
            return path.stat().st_size % length != 0
    return False  # begins inside a packet: nothing to conclude
