"""What the gate takes for still: noise and flicker, but no mover and no change, however slow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.segment import Frame, Segment
from hiprobe.video.segments import read_segments
from hiprobe.video.still import LEAST_CHANGE, StillGate, blocks_of
from hiprobe.video.write import write_video

HEIGHT, WIDTH = 144, 192
Picture = NDArray[np.float64]
GRAIN = np.random.default_rng(0).normal(0, 1, (HEIGHT, WIDTH, 3))


def scene(seed: int = 0) -> Picture:
    """Surfaces of many brightnesses and colours with edges between them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 200, (HEIGHT // 12, WIDTH // 16, 3)).astype(float)
    return coarse.repeat(12, axis=0).repeat(16, axis=1)


def seen(picture: Picture, rng: np.random.Generator, noise: float) -> Frame:
    """The picture as a camera with noise gives it."""
    grain = np.roll(GRAIN, (rng.integers(HEIGHT), rng.integers(WIDTH)), axis=(0, 1))
    noisy = picture + noise * grain[: picture.shape[0], : picture.shape[1]] + 0.5
    return np.clip(noisy, 0, 255).astype(np.uint8)


def segment_of(frames: Sequence[Frame], index: int) -> Segment:
    times = tuple(index + k / len(frames) for k in range(len(frames)))
    return Segment(
        index, float(index), index + 1.0, index * 24, index * 24 + 24, 1 / 24, index * 24, 24,
        tuple(frames), times,
    )  # fmt: skip


def gated(
    picture_at: Callable[[float], Picture], *, segments: int, noise: float = 2.0
) -> tuple[list[bool], float]:
    """Which segments are still, and the farthest that a block shown lies from the true one.

    Args:
        picture_at: the scene without noise, by the time in segments.
    """
    rng, still, farthest = np.random.default_rng(1), [], 0.0
    true: dict[int, list[Picture]] = {}

    def made(index: int) -> Segment:
        pictures = [picture_at(index + k / 8) for k in range(8)]
        true[index] = pictures
        return segment_of([seen(p, rng, noise) for p in pictures], index)

    for segment in StillGate().over(made(index) for index in range(segments)):
        still.append(segment.is_still)
        for shown, picture in zip(segment.frames, true.pop(segment.index), strict=True):
            apart = np.abs(blocks_of(shown) - blocks_of(np.clip(picture, 0, 255).astype(np.uint8)))
            farthest = max(farthest, float(apart.max()))
    return still, farthest


def with_mover(picture: Picture, *, left: int, top: int, contrast: float) -> Picture:
    """A person far away, 10 pixels wide and 24 high."""
    found = picture.copy()
    found[top : top + 24, left : left + 10] += contrast
    return found


@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0, 12.0])
def test_noise_of_the_camera_is_still(noise: float) -> None:
    still, _ = gated(lambda _: scene(), segments=30, noise=noise)
    assert not still[0]
    assert all(still[4:]), "four segments are enough to know the noise"


@pytest.mark.parametrize("left", [0, 61, WIDTH - 10])
@pytest.mark.parametrize("top", [0, 53, HEIGHT - 24])
def test_a_small_mover_in_one_key_frame_is_seen_anywhere(left: int, top: int) -> None:
    def picture_at(time: float) -> Picture:
        is_there = time == 12.5
        return with_mover(scene(), left=left, top=top, contrast=20 * is_there)

    still, _ = gated(picture_at, segments=16)
    assert np.flatnonzero(~np.array(still[4:])).tolist() == [8, 9]  # with it, and without it again


def test_a_mover_is_seen_while_the_light_flickers_and_all_the_time_that_it_moves() -> None:
    def picture_at(time: float) -> Picture:
        lit = scene() + 3 * (-1) ** round(time * 8)
        left = round(4 * (time - 30) * 8)
        return with_mover(lit, left=left, top=60, contrast=40) if 30 <= time < 35 else lit

    still, _ = gated(picture_at, segments=40)
    assert all(still[20:30]), "flicker is known after some segments"
    assert not any(still[30:36])
    assert all(still[36:])


@pytest.mark.parametrize("per_segment", [0.2, 1.0, 5.0])
def test_light_that_fades_slowly_is_seen_in_steps(per_segment: float) -> None:
    def picture_at(time: float) -> Picture:
        return scene() * (1 - per_segment * time / 400)

    still, farthest = gated(picture_at, segments=60)
    darker = 60 * per_segment * 200 / 400  # of the brightest surface, in grey levels
    assert still.count(False) - 1 >= darker / (2 * LEAST_CHANGE)
    assert farthest < 2 * LEAST_CHANGE


def test_smoke_that_rises_slowly_is_seen_in_steps() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    cloud = np.exp(-(((x - 120) / 30) ** 2) - ((y - 70) / 25) ** 2)[..., None]

    def picture_at(time: float) -> Picture:
        veil = cloud * min(0.6, max(0.0, (time - 10) / 100))
        return scene() * (1 - veil) + 128 * veil

    still, farthest = gated(picture_at, segments=70)
    assert all(still[4:10])
    assert still[10:].count(False) >= 8
    assert farthest < 2 * LEAST_CHANGE


@pytest.mark.parametrize(("crf", "least_still"), [(18, 0.8), (23, 0.8), (28, 0.8), (38, 0.1)])
def test_compression_is_still_and_a_mover_in_it_is_not(
    tmp_path: Path, crf: int, least_still: float
) -> None:
    rng = np.random.default_rng(2)

    def frame(number: int) -> Frame:
        mover = with_mover(scene(), left=(number - 360) * 3, top=60, contrast=60)
        return seen(mover if 360 <= number < 408 else scene(), rng, 2)

    path = tmp_path / "camera.mp4"
    write_video(path, (frame(n) for n in range(24 * 24)), fps=24, crf=crf)
    still = [s.is_still for s in StillGate().over(read_segments(path))]
    assert not any(still[15:17])
    rest = still[:15] + still[18:]
    assert sum(rest) >= least_still * len(rest)


def test_another_size_of_picture_is_new_and_unchanged_pictures_are_one_array() -> None:
    rng = np.random.default_rng(3)
    large, small = scene(), scene()[:96, :128]
    segments = [
        segment_of([seen(large if n < 3 else small, rng, 1.0) for _ in range(8)], n)
        for n in range(6)
    ]
    found = list(StillGate().over(segments))
    assert [s.is_still for s in found] == [False, True, True, False, True, True]
    assert {id(f) for s in found[:3] for f in s.frames} == {id(segments[0].frames[0])}
    assert {id(f) for s in found[3:] for f in s.frames} == {id(segments[3].frames[0])}


def test_blocks_hold_every_pixel_of_the_picture() -> None:
    for height, width in ((1, 1), (7, 9), (13, 100), (720, 1283)):
        blocks = blocks_of(np.full((height, width, 3), 90, np.uint8))
        assert np.allclose(blocks, [90, 0, 0], atol=0.01)
        frame = np.zeros((height, width, 3), np.uint8)
        frame[-1, -1] = 255
        assert blocks_of(frame)[-1, -1, 0] > 0
        assert not blocks_of(frame)[:-1].any()
