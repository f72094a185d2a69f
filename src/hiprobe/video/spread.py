"""A few segments of a video, spread evenly over it, without decoding what lies between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import KEY_FRAMES, SEGMENT_FRAMES, Segment
from hiprobe.video.probe import video_info
from hiprobe.video.segments import read_segments


@dataclass(frozen=True)
class SpreadSegments:
    """Segments that begin at some times of a video; each iteration reads them anew.

    Attributes:
        starts_seconds: where they begin, ascending.
        segment_seconds: their length; `segment_frames` each where None.
        key_frames: K of each.
    """

    path: Path
    starts_seconds: tuple[float, ...]
    segment_seconds: float | None
    max_side_pixels: int | None
    segment_frames: int = SEGMENT_FRAMES
    key_frames: int = KEY_FRAMES

    def __len__(self) -> int:
        return len(self.starts_seconds)

    def __iter__(self) -> Iterator[Segment]:
        """The segments in order.

        Raises:
            VideoError: the video cannot be read.
        """
        reached = -inf
        for position, start in enumerate(self.starts_seconds):
            try:
                segment = next(iter(self._from(start)))
            except VideoError:
                if position == 0:
                    raise
                return  # shorter than its header says
            # From all starts in a gap the same segment follows.
            if segment.start_seconds > reached:
                yield segment
            reached = segment.start_seconds

    def _from(self, start_seconds: float) -> Iterator[Segment]:
        return iter(
            read_segments(
                self.path,
                segment_frames=self.segment_frames,
                segment_seconds=self.segment_seconds,
                key_frames=self.key_frames,
                start_seconds=start_seconds or None,
                max_side_pixels=self.max_side_pixels,
            )
        )


def spread_segments(
    path: Path,
    *,
    count: int,
    segment_frames: int = SEGMENT_FRAMES,
    segment_seconds: float | None = None,
    key_frames: int = KEY_FRAMES,
    max_side_pixels: int | None = None,
) -> SpreadSegments:
    """Plan up to `count` segments, in the middles of as many equal parts of the video.

    A video with room for fewer gives fewer, so that none is read twice; one whose header does
    not say how long it is gives its first.

    Raises:
        UsageError: `count` is below 1.
        VideoError: the video cannot be read.
    """
    if count < 1:
        raise UsageError(f"cannot spread {count} segments; give 1 or more")
    info = video_info(path)
    duration, fps = info.duration_seconds_from_header, info.fps_from_header
    length = segment_seconds or (segment_frames / fps if fps else None)
    starts: tuple[float, ...] = (0.0,)
    if duration and length:
        fitting = min(count, max(1, int(duration / length)))
        part = duration / fitting
        starts = tuple(max(0.0, (n + 0.5) * part - length / 2) for n in range(fitting))
    return SpreadSegments(
        path, starts, segment_seconds, max_side_pixels, segment_frames, key_frames
    )
