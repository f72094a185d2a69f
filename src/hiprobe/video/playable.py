"""What a browser's player takes as it is, and single pictures of a video."""

from __future__ import annotations

from pathlib import Path

from hiprobe.errors import VideoError
from hiprobe.segment import Frame
from hiprobe.video.container import open_video
from hiprobe.video.decode import FrameReader

# Other forms of H.264 (10 bits, 4:4:4) exist, and few players show them.
_PIXEL_FORMATS = frozenset(("yuv420p", "yuvj420p"))

_BACK_SECONDS = 2.0


def is_playable(path: Path) -> bool:
    """Whether the file is H.264 in MP4, which every browser plays and seeks in.

    Raises:
        VideoError: as `open_video`.
    """
    with open_video(path) as (container, stream):
        codec = stream.codec_context
        is_mp4 = "mp4" in container.format.name.split(",")
        return is_mp4 and codec.name == "h264" and codec.pix_fmt in _PIXEL_FORMATS


def still_at(path: Path, seconds: float, *, max_side_pixels: int) -> Frame:
    """The picture at a moment, uint8 RGB `[height, width, 3]`; the last one before it at the end.

    Raises:
        VideoError: there is no picture near that moment.
    """
    found = None
    try:
        found = next(iter(FrameReader(path, start_seconds=seconds)), None)
    except VideoError:
        pass  # behind the last picture; one shortly before it may do
    if found is None:
        for frame in FrameReader(path, start_seconds=max(0.0, seconds - _BACK_SECONDS)):
            found = frame
    if found is None:
        raise VideoError(f"{path.name} has no picture at {seconds:.3f} s")
    return found.rgb_within(max_side_pixels=max_side_pixels)
