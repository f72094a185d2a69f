"""Ground truth: which frames of which video are abnormal, and under which reading of the spans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError

# Whether the end frame of a published span belongs to the event.
EndConvention = Literal["inclusive", "half-open"]

# Class of a video without an abnormal event.
NORMAL = "normal"


@dataclass(frozen=True)
class VideoTruth:
    """One test video: its frames and its abnormal spans, as published.

    Attributes:
        frames: count of frames.
        spans: pairs (start, end) in frames counted from 0; see `Truth.end` for the end frame.
        classes: what happens in it; `("normal",)` for a normal video.
    """

    name: str
    frames: int
    spans: tuple[tuple[int, int], ...]
    classes: tuple[str, ...] = (NORMAL,)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise EvaluationError(f"{self.name}: {self.frames} frames; a video needs at least 1")
        # Ends may lie beyond the last frame, as published ones do; a start may not.
        for start, end in self.spans:
            if not 0 <= start <= end or start >= self.frames:
                raise EvaluationError(
                    f"{self.name}: span {start}-{end} does not fit {self.frames} frames; "
                    "correct the ground truth"
                )

    def half_open(self, end: EndConvention) -> NDArray[np.int64]:
        """Spans as int64 `[spans, 2]`, half-open and cut at the video's last frame.

        Published ends exceed the frame count by one or two frames in a few videos.
        """
        spans = np.array(self.spans, dtype=np.int64).reshape(-1, 2)
        spans[:, 1] += end == "inclusive"
        return np.minimum(spans, self.frames)

    def labels(self, end: EndConvention = "half-open") -> NDArray[np.bool_]:
        """bool `[frames]`: True where a frame is abnormal."""
        return frame_labels(self.half_open(end), frames=self.frames)


@dataclass(frozen=True)
class Truth:
    """Ground truth of a test set, in the order of its published list.

    Attributes:
        name: data set, such as `ucf-crime`.
        split: the split that the videos are; empty where the set has none.
        spans: which set of spans is in use, such as `official`.
        end: whether the end frame of a span is abnormal.
        fps: nominal frames a second, for rates per hour and for times in seconds.
        source: where the facts were published.
    """

    name: str
    videos: tuple[VideoTruth, ...]
    end: EndConvention = "half-open"
    spans: str = "official"
    fps: float = 30.0
    source: str = ""
    split: str = "test"

    def __post_init__(self) -> None:
        if self.end not in get_args(EndConvention):
            raise EvaluationError(f"end is {self.end!r}; choose inclusive or half-open")
        names = [v.name for v in self.videos]
        if not names or len(set(names)) != len(names):
            raise EvaluationError(f"{self.name}: no videos, or two of the same name")
        if not self.fps > 0:
            raise EvaluationError(f"fps is {self.fps}; it must be above 0")
        for video in self.videos:
            _check_events(video, self.end)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """int64 `[videos + 1]`: video v has the frames `offsets[v]:offsets[v + 1]`."""
        return np.concatenate(([0], np.cumsum([v.frames for v in self.videos]))).astype(np.int64)

    def event_spans(self) -> NDArray[np.int64]:
        """Every span as int64 `[spans, 2]`, half-open, in frames of the joined test set."""
        pieces = [
            v.half_open(self.end) + start
            for v, start in zip(self.videos, self.offsets[:-1], strict=True)
        ]
        return np.concatenate(pieces)

    def labels(self) -> NDArray[np.bool_]:
        """bool `[frames]` of all videos joined: True where a frame is abnormal."""
        return frame_labels(self.event_spans(), frames=int(self.offsets[-1]))


def frame_labels(
    spans: Iterable[tuple[int, int]] | NDArray[np.int64], *, frames: int
) -> NDArray[np.bool_]:
    """bool `[frames]`: True within half-open spans of frames."""
    labels = np.zeros(frames, dtype=np.bool_)
    for start, end in spans:
        labels[start:end] = True
    return labels


def _check_events(video: VideoTruth, end: EndConvention) -> None:
    """Refuse spans that hold no frame, or that share one: each is one event."""
    spans = np.sort(video.half_open(end), axis=0)
    if (spans[:, 0] >= spans[:, 1]).any():
        raise EvaluationError(
            f"{video.name}: a span of {video.spans} holds no frame when its end is read as "
            f"{end}; correct the ground truth"
        )
    if (spans[1:, 0] < spans[:-1, 1]).any():
        raise EvaluationError(
            f"{video.name}: two of the spans {video.spans} share a frame; join them to one event"
        )
