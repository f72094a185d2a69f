"""Make a segment out of decoded frames."""

from __future__ import annotations

from hiprobe.segment import Segment
from hiprobe.video.decode import DecodedFrame


def make_segment(
    shown: list[DecodedFrame],
    *,
    index: int,
    first: DecodedFrame,
    last: DecodedFrame,
    frame_count: int,
    following: DecodedFrame | None,
    max_side_pixels: int | None,
    last_seconds: float | None = None,
) -> Segment:
    """A segment from its chosen frames; a frame chosen twice is converted once.

    Without a `following` frame it ends with its last one, which stands for `last_seconds` (its
    own duration where None).
    """
    pictures = {f.pts: f.rgb_within(max_side_pixels=max_side_pixels) for f in shown}
    shown_seconds = last.duration_seconds if last_seconds is None else last_seconds
    last_pts = last.pts + max(1, round(shown_seconds / last.time_base_seconds))
    return Segment(
        index=index,
        start_seconds=first.seconds,
        end_seconds=following.seconds if following else last.seconds + shown_seconds,
        start_pts=first.pts,
        end_pts=following.pts if following else last_pts,
        time_base_seconds=first.time_base_seconds,
        first_frame=first.index,
        frame_count=frame_count,
        frames=tuple(pictures[f.pts] for f in shown),
        frame_seconds=tuple(f.seconds for f in shown),
    )
