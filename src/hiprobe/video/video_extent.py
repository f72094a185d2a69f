"""How long a video is and how large its pictures are, by its header, without decoding."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import VideoError
from hiprobe.video.container import frame_rate, nominal_frame_seconds, open_video
from hiprobe.video.times import stated_duration
from hiprobe.video.video_info import read_packets


@dataclass(frozen=True)
class VideoExtent:
    """What a plan needs to know of one video.

    Attributes:
        frame_count: pictures, as the header states them or as its length and rate give them.
        seconds: length.
        frame_pixels: height and width as they are stored.
        is_counted: the header says neither number nor length, so the packets were counted, for
            which the whole file is read.
    """

    path: Path
    frame_count: int
    seconds: float
    frame_pixels: tuple[int, int]
    is_counted: bool = False

    def __post_init__(self) -> None:
        if self.frame_count < 1 or not self.seconds > 0:
            raise VideoError(f"{self.path} holds no picture by its header; check that it plays")


def video_extent(path: Path | str) -> VideoExtent:
    """The extent of a video.

    Raises:
        VideoError: the file cannot be opened, is no video, or has no picture.
    """
    file = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other tracks: the run itself will say it
        with open_video(file) as (container, stream):
            codec, base = stream.codec_context, float(stream.time_base)
            pixels, usual = (codec.height, codec.width), nominal_frame_seconds(stream)
            stated, rate = stated_duration(container, stream), frame_rate(stream)
            count, start = int(stream.frames or 0), float((stream.start_time or 0) * base)
    length = None if stated is None else stated.length_seconds(start_seconds=start)
    if count and (length or rate):
        return VideoExtent(file, count, length or count * usual, pixels)
    if length and rate:
        return VideoExtent(file, max(1, round(length * rate)), length, pixels)
    return _counted(file, pixels, usual_seconds=usual)


def _counted(file: Path, pixels: tuple[int, int], *, usual_seconds: float) -> VideoExtent:
    """By its packets; where they have no sure times, each stands for the usual duration."""
    packets = read_packets(file)
    count = packets.count or len(packets.times)
    seconds = count * usual_seconds
    if packets.times:
        (first, _), (last, duration) = packets.times[0], packets.times[-1]
        seconds = (last - first + duration) * packets.time_base_seconds
    return VideoExtent(file, count, seconds, pixels, is_counted=True)
