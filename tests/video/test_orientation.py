"""Pictures come out as a player shows them: turned, mirrored, with square pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_media import make_video

from hiprobe.video.clip import read_clip
from hiprobe.video.decode import FrameReader
from hiprobe.video.segments import read_segments
from hiprobe.video.video_info import video_info
from hiprobe.video.write import redraw_video

CORNERS = np.array([[250, 170], [85, 5]], np.uint8)
"""Levels of the stored picture's quarters, all different, so that each of 8 orientations shows."""


def write_turned(path: Path, *, degrees: int, hflip: bool, vflip: bool) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees, hflip=hflip, vflip=vflip)
        grey = np.kron(CORNERS, np.ones((24, 32), np.uint8))
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.stack([grey] * 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def quarters(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
    return rgb.reshape(2, height, 2, width, 3).mean(axis=(1, 3, 4))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
def test_all_orientations(tmp_path: Path, degrees: int, flips: tuple[bool, bool]) -> None:
    hflip, vflip = flips
    path = write_turned(tmp_path / "a.mp4", degrees=degrees, hflip=hflip, vflip=vflip)
    expected = np.rot90(CORNERS, k=degrees // 90)
    expected = expected[:, ::-1] if hflip else expected
    expected = expected[::-1] if vflip else expected
    frame = next(iter(FrameReader(path)))
    np.testing.assert_allclose(quarters(frame.rgb()), expected, atol=6)
    np.testing.assert_allclose(quarters(frame.rgb_within(max_side_pixels=32)), expected, atol=6)
    info = video_info(path)
    assert info.mirrored == (hflip or vflip)
    assert (info.width, info.height) == ((64, 48) if degrees % 180 == 0 else (48, 64))


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("2/1", (128, 48)), ("1/2", (32, 48)), ("16/15", (68, 48)), ("1/1", (64, 48))],
)
def test_pixels_become_square(tmp_path: Path, ratio: str, size: tuple[int, int]) -> None:
    aspect = Fraction(ratio)
    path = make_video(tmp_path / "a.mp4", frames=26, pixel_aspect=aspect, top_white=True)
    frame = next(iter(FrameReader(path)))
    assert frame.size == size and frame.rgb().shape == (size[1], size[0], 3)
    assert frame.rgb()[:6].mean() > 220  # the white quarter is still at the top
    assert video_info(path).pixel_aspect == pytest.approx(float(aspect))
    for segment in (read_clip(path), next(iter(read_segments(path)))):
        assert segment.frames[0].shape == (size[1], size[0], 3)


def test_a_turned_video_with_oblong_pixels_is_widened_before_the_turn(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=2, pixel_aspect=Fraction(2), rotation=90)
    assert next(iter(FrameReader(path))).size == (48, 128)


def test_what_is_written_again_has_square_pixels_and_needs_no_turn(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=4, pixel_aspect=Fraction(2), rotation=90)
    redraw_video(path, tmp_path / "b.mp4", draw=lambda rgb, seconds: rgb)
    info = video_info(tmp_path / "b.mp4")
    assert (info.width, info.height, info.pixel_aspect) == (48, 128, 1.0)
    assert info.rotation_degrees == 0 and not info.mirrored


def test_a_senseless_ratio_is_taken_for_damage(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=2, pixel_aspect=Fraction(1, 200))
    assert next(iter(FrameReader(path))).size == (64, 48)
