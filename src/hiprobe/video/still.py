"""Pictures that have not changed: found by small differences, measured against the video's noise.

A picture is compared in blocks with the last one that was taken as new. Where no block differs by
more than the noise of that block, that earlier picture stands in for it, the same array. A segment
that would show just the pictures of the last one that was not still is still itself: it needs no
pass of the model. Since the comparison is with what the model has seen, and not with the picture
before, a change may be as slow as it likes: it is seen when its sum leaves the noise.

The noise is that of the camera and of compression. Both touch the whole picture, and this is how
they are told from what happens in it: a difference between two key frames in a row counts as noise
only as far as it is not much above the median of its picture. So a walker on a quiet road teaches
nothing, and a busy road can never become "noise".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.segment import Frame, Segment

Blocks = NDArray[np.float32]
"""Means of the blocks of a picture, 0..255: float32 `[rows, columns, 3]`."""

LEAST_BLOCK_PIXELS = 8
"""Smaller ones are noisy; a person far away (10 x 24 pixels) still fills most of one."""

BLOCKS_PER_SIDE = 80
"""Of the longer side of a large picture."""

LEAST_CHANGE = 2.5
"""Below this many grey levels nothing counts, however clean the picture is."""

MOST_NOISE = 4.0
"""Grey levels of a block's noise beyond which it is taken for something that happens."""

NOISE_TIMES = 5.0
"""A change is a difference of this many times the noise: one false one in a million blocks."""

OUTLIER_TIMES = 5.0
"""A difference of this many medians of its picture counts as noise in full, the rest does not."""

MEMORY = 1 - 1 / 256
"""What a key frame's noise weighs one key frame later: half a minute at 24 frames a second."""


def block_means(frame: Frame) -> Blocks:
    """Means of the square blocks of a picture; the last ones take what is left at the edge."""
    height, width = frame.shape[:2]
    side = max(LEAST_BLOCK_PIXELS, -(-max(height, width) // BLOCKS_PER_SIDE))
    rows, columns = _edges(height, side), _edges(width, side)
    sums = np.empty((len(rows) - 1, width, 3), np.uint32)
    for i in range(len(sums)):
        # adding whole rows first keeps the processor busy: 20 times faster than `reduceat` twice
        sums[i] = frame[rows[i] : rows[i + 1]].sum(axis=0, dtype=np.uint16)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    pixels = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return (sums / pixels).astype(np.float32)


def _edges(length: int, side: int) -> NDArray[np.intp]:
    """Where blocks begin, and the end; a rest of less than half a block joins the last one."""
    return np.array([*range(0, max(1, length - side // 2), side), length], np.intp)


@dataclass
class Noise:
    """The noise of each block, from the differences of key frames in a row.

    It is a mean of their squares over the last while, in which a picture counts by its own median:
    what a codec keeps of a still picture is the same for seconds, and jumps in all blocks with the
    next one that is coded whole; those jumps are the noise.
    """

    squares: Blocks
    weight: float = 0.0

    @classmethod
    def like(cls, blocks: Blocks) -> Noise:
        """Nothing known yet, for pictures of this size."""
        return cls(np.zeros_like(blocks))

    def learn(self, difference: Blocks) -> None:
        """Take the absolute difference of two key frames in a row."""
        level = float(np.median(difference))
        counted = np.minimum(difference, OUTLIER_TIMES * level)
        self.squares = MEMORY * self.squares + level**2 * counted**2
        self.weight = MEMORY * self.weight + level**2

    def least_change(self) -> Blocks:
        """The difference of each block from which on it has changed."""
        if not self.weight:
            return np.full_like(self.squares, LEAST_CHANGE)
        noise = np.sqrt(self.squares / self.weight)
        noise = np.clip(noise, float(np.median(noise)) / 2, MOST_NOISE)
        return np.maximum(LEAST_CHANGE, NOISE_TIMES * noise)


class StillGate:
    """Marks the still segments of one video, in order, and gives unchanged pictures one array.

    What it says of a segment depends on the pictures up to it alone. It holds one picture, and a
    few numbers for each block.
    """

    def __init__(self) -> None:
        self._picture: Frame | None = None
        self._blocks: Blocks | None = None
        self._before: Blocks | None = None
        self._noise: Noise | None = None
        self._shown: tuple[Frame, ...] = ()

    def over(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments with `is_still` said, and unchanged pictures replaced by the first one."""
        for segment in segments:
            frames = tuple(self._earlier(frame) for frame in segment.frames)
            is_still = len(frames) == len(self._shown) and all(
                now is then for now, then in zip(frames, self._shown, strict=True)
            )
            self._shown = frames
            yield replace(segment, frames=frames, is_still=is_still)

    def _earlier(self, frame: Frame) -> Frame:
        """The picture that stands for this one: the last new one, or itself."""
        if frame is self._picture:
            return frame
        blocks = block_means(frame)
        if self._noise is None or self._before is None or self._before.shape != blocks.shape:
            self._noise, self._blocks = Noise.like(blocks), None
        else:
            self._noise.learn(np.abs(blocks - self._before))
        self._before = blocks
        if self._picture is not None and self._blocks is not None:
            change = np.abs(blocks - self._blocks)
            if frame.shape == self._picture.shape and (change < self._noise.least_change()).all():
                return self._picture
        self._picture, self._blocks = frame, blocks
        return frame
