from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_media import HEIGHT, WIDTH, cut_file, level, make_video, near

from hiprobe.errors import UsageError, VideoError
from hiprobe.video.container import open_video
from hiprobe.video.decode import FrameReader


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_every_frame_with_its_time(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    reader = FrameReader(make_video(tmp_path / f"a.{suffix}", codec=codec))
    assert reader.outcome is None
    frames = [(f.seconds, f.rgb()) for f in reader]
    assert np.allclose([s for s, _ in frames], np.arange(50) / 25, atol=1e-3)
    assert all(near(rgb, level(i), tolerance=8) for i, (_, rgb) in enumerate(frames))
    assert frames[0][1].shape == (HEIGHT, WIDTH, 3) and frames[0][1].dtype == np.uint8
    assert (reader.outcome, reader.frame_count) == ("end", 50)


def test_times_are_timestamps_not_numbers(tmp_path: Path) -> None:
    ticks = [0, 40, 500, 520, 1900, 1940, 5000]
    path = make_video(tmp_path / "vfr.mkv", frames=len(ticks), ticks=ticks)
    assert np.allclose([f.seconds for f in FrameReader(path)], np.array(ticks) / 1000, atol=1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("gop", ["5", "250"])
def test_stretch_is_half_open(tmp_path: Path, suffix: str, gop: str) -> None:
    path = make_video(tmp_path / f"a.{suffix}", options={"g": gop})
    reader = FrameReader(path, start_seconds=0.8, end_seconds=1.2)
    frames = list(reader)
    assert np.allclose([f.seconds for f in frames], np.arange(20, 30) / 25, atol=1e-3)
    assert all(near(f.rgb(), level(20 + i)) for i, f in enumerate(frames))
    assert [f.index for f in frames] == list(range(10))
    assert reader.outcome == "end"


@pytest.mark.parametrize(("told", "threads"), [("1", 1), ("3", 3), ("400", 16)])
def test_decoding_keeps_to_the_threads_it_is_given(
    told: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    with open_video(make_video(tmp_path / "a.mp4")) as (container, stream):
        frames = sum(1 for _ in container.decode(stream))
        assert stream.codec_context.thread_count == threads
    assert frames == 50


def test_stretch_without_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match="no frame"):
        list(FrameReader(path, start_seconds=7.0))
    with pytest.raises(UsageError, match="stretch"):
        FrameReader(path, start_seconds=2.0, end_seconds=2.0)
    with pytest.raises(UsageError, match="stretch"):
        FrameReader(path, start_seconds=float("nan"))


@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_pictures_are_upright(tmp_path: Path, rotation: int) -> None:
    path = make_video(tmp_path / "a.mp4", frames=2, rotation=rotation, top_white=True)
    frame = next(iter(FrameReader(path)))
    rgb = frame.rgb().astype(int)
    height, width = rgb.shape[:2]
    assert (width, height) == frame.size
    # The white band at the top of the stored picture turns counter-clockwise with it.
    edges = {0: rgb[:4], 90: rgb[:, :4], -90: rgb[:, -4:], 180: rgb[-4:]}
    assert edges[rotation].mean() > 220
    assert rgb.mean() < 110
    assert frame.rgb_within(max_side_pixels=32).shape == (
        (32, 24, 3) if abs(rotation) == 90 else (24, 32, 3)
    )


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [("libx265", "yuv420p10le"), ("ffv1", "gray"), ("ffv1", "gray16le"), ("ffv1", "bgra")],
)
def test_unusual_pixel_formats(tmp_path: Path, codec: str, pixel_format: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make_video(
        tmp_path / "a.mkv", frames=8, codec=codec, pixel_format=pixel_format, options=options
    )
    frames = [f.rgb() for f in FrameReader(path)]
    assert len(frames) == 8
    assert all(near(rgb, level(i), tolerance=6) for i, rgb in enumerate(frames))


def test_one_frame(tmp_path: Path) -> None:
    (frame,) = FrameReader(make_video(tmp_path / "a.mp4", frames=1))
    assert frame.seconds == 0 and frame.duration_seconds > 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_cut_file_keeps_what_it_has(tmp_path: Path, suffix: str) -> None:
    whole = make_video(
        tmp_path / f"a.{suffix}",
        frames=100,
        options={"g": "10"},
        noise=True,
        container_options={"movflags": "+faststart"} if suffix == "mp4" else None,
    )
    reader = FrameReader(cut_file(whole, keep=0.507, target=tmp_path / f"cut.{suffix}"))
    count = sum(1 for _ in reader)
    assert 10 < count < 90
    assert reader.outcome == "truncated"


def test_damage_in_the_middle_is_survived(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", frames=100, options={"g": "10"}, size=(320, 240))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    assert sum(1 for _ in FrameReader(path)) > 40


def test_reading_again_starts_over(tmp_path: Path) -> None:
    reader = FrameReader(make_video(tmp_path / "a.mp4", frames=5))
    assert [f.pts for f in reader] == [f.pts for f in reader]
    assert reader.frame_count == 5


@pytest.mark.parametrize("suffix", ["h264", "avi"])
def test_times_are_counted_where_the_file_has_none(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"a.{suffix}")
    whole = {f.pts: float(f.rgb().mean()) for f in FrameReader(path)}
    assert len(whole) == 50
    part = list(FrameReader(path, start_seconds=0.8, end_seconds=1.2))
    assert len(part) == 10
    assert all(near(f.rgb(), round(whole[f.pts]), tolerance=1) for f in part)


def test_transport_stream_with_time_codes_is_not_taken_for_a_cut_one(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "a.ts").read_bytes()
    packets = [plain[i : i + 188] for i in range(0, len(plain), 188)]
    path = tmp_path / "a.m2ts"
    path.write_bytes(b"".join(bytes(4) + packet for packet in packets))
    reader = FrameReader(path)
    assert (sum(1 for _ in reader), reader.outcome) == (50, "end")


def test_sound_that_goes_on_is_not_a_cut_video(tmp_path: Path) -> None:
    reader = FrameReader(make_video(tmp_path / "a.mkv", frames=10, audio=True, audio_seconds=5))
    assert (sum(1 for _ in reader), reader.outcome) == (10, "end")


def test_a_long_pause_before_the_start_is_decoded_through(tmp_path: Path) -> None:
    path = make_video(tmp_path / "gap.mkv", frames=4, ticks=[0, 100, 9000, 9100])
    (third, _) = FrameReader(path, start_seconds=0.2)
    assert third.seconds == pytest.approx(9.0, abs=1e-3)
    assert near(third.rgb(), level(2))
