"""A long video out of a short one: its packets again and again, without decoding."""

from __future__ import annotations

from pathlib import Path

import av

from hiprobe.errors import UsageError, VideoError
from hiprobe.store.atomic import atomic_path
from hiprobe.video.container import READ_ERRORS, open_video


def write_looped(path: Path, video: Path, *, seconds: float) -> Path:
    """Write a video that repeats another one from start to end, at least so long.

    Args:
        path: ends in .mp4 or .mkv.
        video: its packets are copied, and it begins with a picture that stands for itself.

    Raises:
        UsageError: `seconds` is not above 0.
        VideoError: the video cannot be read, or its packets have no times.
        StorageError: the file cannot be written.
    """
    if not seconds > 0:
        raise UsageError(f"a video of {seconds} s cannot be looped; give more than 0")
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as target:
        out, offset, written = None, 0, 0.0
        while written < seconds:
            with open_video(video) as (container, stream):
                if out is None:
                    out = target.add_stream_from_template(stream)
                end = 0
                try:
                    for packet in container.demux(stream):
                        if packet.size == 0:
                            continue
                        if packet.pts is None or packet.dts is None:
                            raise VideoError(f"{video} has packets without times; convert it first")
                        end = max(end, packet.pts + max(1, packet.duration or 0))
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = out
                        target.mux(packet)
                except READ_ERRORS as error:
                    raise VideoError(f"{video} cannot be copied: {error}") from error
                if end <= 0:
                    raise VideoError(f"{video} holds no packet; check that it plays")
                offset += end
                written = offset * float(stream.time_base)
    return path
