"""Tell a video that ends from one that was cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.video.duration import StatedDuration, stated_duration
from hiprobe.video.frame import DecodedFrame

_TS_PACKET_BYTES = (188, 192, 204)
"""Plain, with a time code before it (Blu-ray), with error correction behind it."""

_TS_SYNC = 0x47


_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""Before it the header's objects, after it the size of this one and the file's number."""

_ASF_HEAD_BYTES = 65536


@dataclass(frozen=True)
class Promise:
    """What an open file says of its own length.

    Attributes:
        stated: by the header; None where it does not say, or cannot know.
        is_cut: the file's size alone tells that its end is missing.
    """

    stated: StatedDuration | None
    is_cut: bool = False

    def is_broken_by(self, last: DecodedFrame) -> bool:
        """Whether there should be clearly more after the `last` frame."""
        if self.stated is None:
            return self.is_cut
        slack = max(0.5, 3 * last.duration_seconds)
        clock_end = last.pts * last.time_base_seconds + last.duration_seconds
        kept = _is_kept(self.stated, length=last.end_seconds, clock_end=clock_end, slack=slack)
        return self.is_cut or not kept


def promise_of(path: Path, container: Any, stream: Any) -> Promise:
    """What an open file says of its own length."""
    # A cut transport stream ends cleanly and its length is guessed from its last timestamp,
    # but a cut seldom falls between two packets.
    if container.format.name == "mpegts":
        return Promise(None, is_cut=_ends_inside_packet(path))
    # One length for all streams, where sound may go on after the pictures, and a guess from the
    # rate of bits where the file was cut; but the header also counts the file's bytes.
    if container.format.name == "asf":
        return Promise(None, is_cut=_lacks_bytes_of_asf(path))
    return Promise(stated_duration(container, stream))


def _is_kept(stated: StatedDuration, *, length: float, clock_end: float, slack: float) -> bool:
    """Whether so much was there as the header states; lengths and ends are never mixed."""
    if stated.seconds - length <= slack:
        return True
    if stated.reading == "end":
        return stated.seconds - clock_end <= slack
    # An unknown number is an end only where the end meets it: on a clock that began long before
    # the file, every end lies far beyond every length.
    return stated.reading == "unknown" and abs(stated.seconds - clock_end) <= slack


def _ends_inside_packet(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4 * max(_TS_PACKET_BYTES))
    for length in _TS_PACKET_BYTES:
        at = 4 if length == 192 else 0
        if all(byte == _TS_SYNC for byte in head[at::length]):
            return path.stat().st_size % length != 0
    return False  # begins inside a packet: nothing to conclude


def _lacks_bytes_of_asf(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_ASF_HEAD_BYTES)
    fields = head[head.find(_ASF_PROPERTIES) :][:92]
    if not fields.startswith(_ASF_PROPERTIES) or len(fields) < 92:
        return False
    size_bytes, flags = int.from_bytes(fields[40:48], "little"), fields[88]
    is_broadcast = bool(flags & 1)  # written as it went out: its size was not known
    return not is_broadcast and size_bytes > path.stat().st_size
