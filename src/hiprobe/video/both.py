"""Segments of a video and the key frames over the whole of it, from one decoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hiprobe.segment import KEY_FRAMES, SEGMENT_FRAMES, Segment
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.decode import DecodedFrame, FrameReader, Outcome
from hiprobe.video.picking import PickedFrames
from hiprobe.video.segments import SegmentReader


class ClipAndSegments:
    """Iterates over the segments; `whole` gives the clip as one segment afterwards.

    Both hold the same frames, bit for bit, as `read_segments` and `read_clip` give. The frames
    are counted from the packets before, so that the clip's key frames are known when they come
    by; they and the timestamps are what memory holds beyond the segments. Where the packets do
    not tell the frames (interlaced fields, damage), `whole` decodes the clip again. A damaged
    packet in which no key frame lies counts as a frame there, as in `read_clip`; `outcome` tells
    of any damage.

    Raises:
        UsageError, VideoError: as `read_segments`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        segment_frames: int = SEGMENT_FRAMES,
        segment_seconds: float | None = None,
        key_frames: int = KEY_FRAMES,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        max_side_pixels: int | None = None,
    ) -> None:
        self._frames = _Watched(path, start_seconds=start_seconds, end_seconds=end_seconds)
        self._key_frames = key_frames
        self._max_side_pixels = max_side_pixels
        self._segments = SegmentReader(
            self._frames,
            segment_frames=segment_frames,
            segment_seconds=segment_seconds,
            key_frames=key_frames,
            max_side_pixels=max_side_pixels,
        )

    @property
    def path(self) -> Path:
        """The video."""
        return self._frames.path

    @property
    def outcome(self) -> Outcome | None:
        """How reading ended; None while it goes on."""
        return self._segments.outcome

    def __iter__(self) -> Iterator[Segment]:
        self._frames.picked = PickedFrames(
            self._frames, self._key_frames, max_side_pixels=self._max_side_pixels
        )
        yield from self._segments

    def whole(self) -> tuple[Segment, Outcome]:
        """The whole clip, after the iteration, and whether it was whole or broke off."""
        picked = self._frames.picked
        found = picked.segment() if picked else None
        if found is not None:
            return found
        return read_clip_and_outcome(
            self.path,
            key_frames=self._key_frames,
            start_seconds=self._frames.start_seconds,
            end_seconds=self._frames.end_seconds,
            max_side_pixels=self._max_side_pixels,
        )


class _Watched(FrameReader):
    """Shows every frame to the picker before it is handed out."""

    picked: PickedFrames | None = None  # made anew for each iteration

    def __iter__(self) -> Iterator[DecodedFrame]:
        for frame in super().__iter__():
            if self.picked is not None:
                self.picked.see(frame)
            yield frame
