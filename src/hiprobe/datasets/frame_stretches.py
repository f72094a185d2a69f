"""Stretches that a table gives in frames, brought to seconds by the frames' own timestamps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.measure import frame_seconds
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import LabelError, VideoError


@dataclass
class FrameClock:
    """Times of the frames of videos, each video looked at once.

    Attributes:
        remarks: sentences on stretches that reach beyond the end of their video.
    """

    remarks: list[str] = field(default_factory=list)
    _times: dict[Path, NDArray[np.float64] | None] = field(default_factory=dict)

    def seconds(
        self, video: Path, start_frame: int | None, end_frame: int | None, *, where: str
    ) -> tuple[float | None, float | None]:
        """Half-open seconds in which just the frames `[start_frame, end_frame)` lie.

        A video that cannot be read gives an open stretch: reading it tells why, and for that file
        alone.

        Raises:
            LabelError: the stretch begins after the last frame, or the file holds states.
        """
        if is_states_name(video):
            raise LabelError(f"{where}: {video} holds states, which know seconds only; give those")
        times = self._of(video)
        if times is None:
            return None, None
        start, count = start_frame or 0, len(times)
        if start >= count:
            raise LabelError(
                f"{where}: the stretch begins at frame {start}, but {video} has the frames 0 to "
                f"{count - 1}; correct start_frame"
            )
        if end_frame is not None and end_frame > count:
            self.remarks.append(
                f"{where}: end_frame is {end_frame}, but {video} has {count} frames; taken to its "
                "end"
            )
        begin = None if start_frame is None else float(times[start])
        end = None if end_frame is None or end_frame >= count else float(times[end_frame])
        return begin, end

    def _of(self, video: Path) -> NDArray[np.float64] | None:
        if video not in self._times:
            try:
                self._times[video] = _times_of(video)
            except VideoError:
                self._times[video] = None
        return self._times[video]


def _times_of(video: Path) -> NDArray[np.float64]:
    """Times of all frames, float64 `[frames]`: of the packets, decoded only where these are unsure.

    The same numbers as the reader of frames gives, so that a frame is in a stretch just when its
    number is.
    """
    from hiprobe.video.decode import FrameReader
    from hiprobe.video.packets import read_packets

    packets = read_packets(video)
    if not packets.times:
        return frame_seconds(video)
    origin = next(iter(FrameReader(video))).pts
    shown = [pts for pts, _ in packets.times if pts >= origin]
    return np.array([(pts - origin) * packets.time_base_seconds for pts in shown])
