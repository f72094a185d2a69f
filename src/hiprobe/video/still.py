"""Pictures that have not changed: found by small differences, measured against the video's noise.

A picture is compared in blocks with the last one that was taken as new. Where no block differs by
more than the noise of that block, that earlier picture stands in for it, the same array. A segment
that would show just the pictures of the last one that was not still is still itself: it needs no
pass of the model. Since the comparison is with what the model has seen, and not with the picture
before, a change may be as slow as it likes: it is seen when its sum leaves the noise.

The noise is that of the camera and of compression. Both touch the whole picture, and this is how
they are told from what happens in it: a difference between two key frames counts as noise only as
far as it is not far above the median of its picture. So a walker on a quiet road teaches nothing,
and a busy road does not become noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.segment import Frame, Segment

# Brightness and the two colour differences of a picture's blocks: `[rows, columns, 3]`.
Blocks = NDArray[np.float32]

# Smaller ones are noisy; a person far away (10 x 24 pixels) still fills most of one.
LEAST_BLOCK_PIXELS = 8

# Of the longer side of a large picture.
BLOCKS_PER_SIDE = 80

# Grey levels below which nothing counts, however clean the picture is: encoders leave out what is
# smaller, and bring it back seconds later.
LEAST_CHANGE = 4.0

# A block has changed where it differs by so many times its noise.
NOISE_TIMES = 5.0

# Grey levels from which on a block has changed, however noisy the video is.
MOST_CHANGE = 12.0

# Grey levels by which most of a picture may differ for noise; more is a cut or a lamp.
MOST_LEVEL = 3.0

# Of a difference, so many medians of its picture count as noise, and what is above does not.
OUTLIER_TIMES = 10.0

# Key frames between those that are compared for the noise, a second or so: encoders leave blocks as
# they are from one picture to the next, so that neighbours tell too little.
LAG_FRAMES = 8

# What a key frame's noise weighs one key frame later: half a minute at 24 frames a second.
MEMORY = 1 - 1 / 256

# Encoders keep colours coarser than brightness, so noise in red, green and blue is mostly colour's.
_TO_BRIGHTNESS_AND_COLOURS = np.array(
    [[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32
).T


def blocks_of(frame: Frame) -> Blocks:
    """Means of the square blocks of a picture; the last ones take what is left at the edge."""
    height, width = frame.shape[:2]
    side = max(LEAST_BLOCK_PIXELS, -(-max(height, width) // BLOCKS_PER_SIDE))
    rows, columns = _edges(height, side), _edges(width, side)
    sums = np.empty((len(rows) - 1, width, 3), np.uint32)
    for i in range(len(sums)):
        # rows first, since adding whole rows is 20 times faster than one `reduceat` after the other
        sums[i] = frame[rows[i] : rows[i + 1]].sum(axis=0, dtype=np.uint32)
    pixels = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    means = np.add.reduceat(sums, columns[:-1], axis=1) / pixels
    blocks: Blocks = means.astype(np.float32) @ _TO_BRIGHTNESS_AND_COLOURS
    return blocks


def _edges(length: int, side: int) -> NDArray[np.intp]:
    """Where blocks begin, and the end; a rest of up to half a block joins the last one."""
    return np.array([*range(0, max(1, length - side // 2), side), length], np.intp)


@dataclass
class Noise:
    """The noise of each block of a video's pictures, from differences of its key frames.

    It is a mean of their squares over the last while, in which a picture weighs by its own median
    (squared): what an encoder keeps of a still picture is the same for seconds, and jumps in all
    blocks with the next picture that is coded whole. Those jumps are the noise, and not the calm
    between them. Light that flickers moves all blocks together, to and fro; it is counted apart,
    as the distance of a picture's brightness from that of the last second or so.
    """

    squares: Blocks
    weight: float = 0.0
    flicker: float = 0.0

    @classmethod
    def unknown(cls, blocks: Blocks) -> Noise:
        """Of pictures of which none was compared yet."""
        return cls(np.zeros_like(blocks))

    def learn(self, blocks: Blocks, before: Sequence[Blocks]) -> None:
        """Take a key frame, and those before it."""
        usual = np.mean([np.median(b[..., 0]) for b in before])
        apart = float(abs(np.median(blocks[..., 0]) - usual))
        difference = blocks - before[0]
        size = np.abs(difference - np.median(difference, axis=(0, 1)))
        level = float(np.median(size))
        if max(apart, level) > MOST_LEVEL or size.max() > 2 * MOST_CHANGE:
            return
        self.flicker = MEMORY * self.flicker + (1 - MEMORY) * apart**2
        size = np.minimum(size, OUTLIER_TIMES * level)
        self.squares = np.float32(MEMORY) * self.squares + np.float32(level**2) * size**2
        self.weight = MEMORY * self.weight + level**2

    def least_change(self) -> Blocks:
        """The difference of each block from which on it has changed."""
        mean = self.squares / np.float32(max(self.weight, 1e-12))
        # one block alone has shown few jumps; those around it are of the same texture
        of_light = np.array([self.flicker, 0.0, 0.0], np.float32)
        noise = np.sqrt(np.maximum(mean, _with_neighbours(mean)) + of_light)
        noise = np.maximum(noise, np.median(noise, axis=(0, 1)))
        change: Blocks = np.clip(NOISE_TIMES * noise, LEAST_CHANGE, MOST_CHANGE)
        return change


def _with_neighbours(blocks: Blocks) -> Blocks:
    """The mean of each block and the eight around it."""
    rows, columns = blocks.shape[:2]
    wide = np.pad(blocks, ((1, 1), (1, 1), (0, 0)), mode="edge")
    shifted = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    mean: Blocks = np.mean(shifted, axis=0)
    return mean


class StillGate:
    """Marks the still segments of one video, in order, and gives unchanged pictures one array.

    What it says of a segment depends on the pictures up to it alone. It holds one picture, and a
    few numbers for each block.
    """

    def __init__(self) -> None:
        self._picture: Frame | None = None
        self._seen: Blocks | None = None
        self._before: deque[Blocks] = deque(maxlen=LAG_FRAMES)
        self._noise: Noise | None = None

    def over(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments with `is_still` said, and unchanged pictures replaced by the first one."""
        shown: tuple[Frame, ...] = ()
        for segment in segments:
            frames = tuple(self._standing_for(frame) for frame in segment.frames)
            pairs = zip(frames, shown, strict=False)
            is_still = bool(shown) and all(now is then for now, then in pairs)
            shown = frames
            yield replace(segment, frames=frames, is_still=is_still)

    def _standing_for(self, frame: Frame) -> Frame:
        """The last new picture where this one shows the same, else this one, which is new then."""
        blocks = blocks_of(frame)
        if self._noise is None or self._before[0].shape != blocks.shape:
            self._noise, self._seen = Noise.unknown(blocks), None
            self._before.clear()
        else:
            self._noise.learn(blocks, self._before)
        self._before.append(blocks)
        if self._picture is not None and self._seen is not None:
            has_changed = np.abs(blocks - self._seen) > self._noise.least_change()
            if frame.shape == self._picture.shape and not has_changed.any():
                return self._picture
        self._picture, self._seen = frame, blocks
        return frame
