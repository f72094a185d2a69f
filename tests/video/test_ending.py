"""A whole recording is whole wherever its clock begins; a cut one is found in each container."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_media import cut_file, make_video

from hiprobe.datasets.files_found import FoundVideo
from hiprobe.datasets.measure import measure
from hiprobe.segment import Cut
from hiprobe.video.clip import read_clip_and_outcome
from hiprobe.video.decode import FrameReader
from hiprobe.video.video_info import video_info

FRAMES, SECONDS = 75, 3.0

KINDS: dict[str, dict[str, Any]] = {
    "mkv": {},
    "webm": {"codec": "libvpx", "audio_codec": "libopus"},
    "mp4": {},
    "mov": {},
    "ts": {},
    "flv": {},
    "asf": {"codec": "mpeg4"},
    "wmv": {"codec": "mpeg4"},
    "nut": {},
    "mpg": {"codec": "mpeg2video", "audio_codec": "mp2"},
    "avi": {"codec": "mpeg4"},
}
BEGINNINGS: dict[str, dict[str, Any]] = {
    "at zero": {},
    "late, after the sound": {"begin_seconds": 5.0, "audio": True, "audio_seconds": 8.0},
    "late, alone": {"begin_seconds": 100.0},
    "sound goes on": {"audio": True, "audio_seconds": 12.0},
    "within the sound": {"begin_seconds": 7.0, "audio": True, "audio_seconds": 15.0},
    "before zero": {"begin_seconds": -1.0, "container_options": {"avoid_negative_ts": "disabled"}},
}
CANNOT = {
    ("flv", "before zero"),  # its clock has no numbers below zero
    ("nut", "before zero"),
    ("mpg", "late, after the sound"),  # mp2 has no 8 kHz
    ("mpg", "sound goes on"),
    ("mpg", "within the sound"),
}


def made(folder: Path, suffix: str, beginning: str, **more: Any) -> Path:
    if (suffix, beginning) in CANNOT:
        pytest.skip("this container has no such files")
    settings = {**KINDS[suffix], **BEGINNINGS[beginning], **more}
    options = {"g": "10", "bf": "0"}
    return make_video(
        folder / f"a.{suffix}", frames=FRAMES, noise=True, options=options, **settings
    )


def outcomes(path: Path) -> tuple[str | None, str]:
    """By decoding all of it, and by its packets."""
    frames = FrameReader(path)
    assert sum(1 for _ in frames) > 0
    return frames.outcome, read_clip_and_outcome(path, Cut())[1]


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("suffix", KINDS)
def test_a_whole_recording_is_whole(tmp_path: Path, suffix: str, beginning: str) -> None:
    path = made(tmp_path, suffix, beginning)
    assert outcomes(path) == ("end", "end")
    assert measure(FoundVideo(path, Path(path.name))).problem == ""


@pytest.mark.parametrize("beginning", ["at zero", "late, after the sound", "late, alone"])
@pytest.mark.parametrize("suffix", ["mkv", "webm", "asf", "wmv", "ts"])
def test_a_cut_recording_is_found(tmp_path: Path, suffix: str, beginning: str) -> None:
    whole = made(tmp_path, suffix, beginning)
    data = whole.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: len(data) * 3 // 5 // 188 * 188 + 60])  # within a packet of a .ts
    assert outcomes(path) == ("truncated", "truncated")
    assert "breaks off" in measure(FoundVideo(path, Path(path.name)), quick=True).problem


@pytest.mark.parametrize("beginning", ["at zero", "late, alone"])
def test_a_cut_flash_video_is_found_where_the_picture_is_alone(
    tmp_path: Path, beginning: str
) -> None:
    path = cut_file(made(tmp_path, "flv", beginning), keep=0.6, target=tmp_path / "cut.flv")
    assert outcomes(path) == ("truncated", "truncated")


@pytest.mark.parametrize("beginning", ["at zero", "late, after the sound", "late, alone"])
def test_a_cut_mp4_with_its_index_in_front_is_found(tmp_path: Path, beginning: str) -> None:
    whole = made(tmp_path, "mp4", beginning, container_options={"movflags": "faststart"})
    assert outcomes(whole) == ("end", "end")
    path = cut_file(whole, keep=0.6, target=tmp_path / "cut.mp4")
    assert outcomes(path) == ("truncated", "truncated")


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_an_edit_list_that_shows_a_part_is_whole(tmp_path: Path, suffix: str) -> None:
    path = made(tmp_path, suffix, "at zero")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    length, start = struct.unpack(">Ii", data[at : at + 8])
    struct.pack_into(">I", data, at, length // 2)
    path.write_bytes(data)
    assert sum(1 for _ in FrameReader(path)) < FRAMES and start >= 0
    assert outcomes(path) == ("end", "end")


def test_a_duration_tag_of_statistics_is_a_length(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["_STATISTICS_WRITING_APP"] = "mkvmerge v80.0"
        for i in range(FRAMES):
            noise = np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts = 2500 + i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = path.read_bytes()
    assert b"00:01:43.000000000" in data  # the end, as FFmpeg's muxer writes it
    path.write_bytes(data.replace(b"00:01:43.000000000", b"00:00:03.000000000"))
    assert video_info(path).duration_seconds_from_header == pytest.approx(SECONDS)
    assert outcomes(path) == ("end", "end")
    cut = cut_file(path, keep=0.6, target=tmp_path / "cut.mkv")
    assert outcomes(cut) == ("truncated", "truncated")


@pytest.mark.parametrize("beginning", [b for b in BEGINNINGS if b != "before zero"])
@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "mov", "ts", "nut", "flv"])
def test_the_length_is_that_of_the_pictures(tmp_path: Path, suffix: str, beginning: str) -> None:
    info = video_info(made(tmp_path, suffix, beginning))
    found = info.duration_seconds_from_header
    assert found == pytest.approx(SECONDS, abs=0.1) or (found is None and info.has_audio)
