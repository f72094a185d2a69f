from __future__ import annotations

import math
from pathlib import Path

import pytest
from video_media import HEIGHT, WIDTH, make_audio, make_video

from hiprobe.datasets.video_files import is_video_name, untimed_words
from hiprobe.errors import VideoError
from hiprobe.video.decode import FrameReader
from hiprobe.video.video_info import video_info


def test_facts_of_an_ordinary_file(tmp_path: Path) -> None:
    info = video_info(make_video(tmp_path / "a.mp4", audio=True))
    assert (info.width, info.height, info.codec) == (WIDTH, HEIGHT, "h264")
    assert info.fps_from_header == 25
    assert info.duration_seconds_from_header is not None
    assert math.isclose(info.duration_seconds_from_header, 2.0, abs_tol=0.01)
    assert info.frame_count_from_header == 50
    assert info.has_audio and info.rotation_degrees == 0
    assert info.size_bytes == info.path.stat().st_size


@pytest.mark.parametrize(("counter_clockwise", "clockwise"), [(90, 270), (-90, 90), (180, 180)])
def test_size_is_that_of_the_upright_picture(
    tmp_path: Path, counter_clockwise: int, clockwise: int
) -> None:
    info = video_info(make_video(tmp_path / "a.mp4", frames=2, rotation=counter_clockwise))
    upright = (WIDTH, HEIGHT) if clockwise == 180 else (HEIGHT, WIDTH)
    assert (info.width, info.height) == upright
    assert info.rotation_degrees == clockwise


def _concat_script(folder: Path) -> Path:
    make_video(folder / "secret.mp4", frames=3)
    script = folder / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    return script


def _playlist(folder: Path) -> Path:
    make_video(folder / "part.ts", frames=3)
    playlist = folder / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n")
    return playlist


def _no_frames(folder: Path) -> Path:
    whole = make_video(
        folder / "whole.mp4", frames=3, container_options={"movflags": "frag_keyframe+empty_moov"}
    )
    data = whole.read_bytes()
    return _written(folder, data[: data.index(b"moof") - 4])


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "x.mp4"
    path.write_bytes(content)
    return path


BAD = {
    "missing": (lambda d: d / "none.mp4", "does not exist"),
    "folder": (lambda d: d, "folder"),
    "empty": (lambda d: _written(d, b""), "empty"),
    "text": (lambda d: _written(d, b"hello world\n" * 50), "not a video"),
    "noise": (lambda d: _written(d, bytes(range(256)) * 40), "not a video"),
    "concat": (_concat_script, "not a video"),
    "playlist": (_playlist, "not a video"),
    "audio": (lambda d: make_audio(d / "a.m4a"), "only audio"),
    "no-frames": (_no_frames, "no picture|no video"),
    "header-only": (
        lambda d: _written(d, make_video(d / "a.mp4").read_bytes()[:300]),
        "too damaged",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_named_with_its_cause(tmp_path: Path, kind: str) -> None:
    make, cause = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(VideoError, match=cause) as caught:
        video_info(path)
    assert str(path) in str(caught.value)


def test_huge_picture_is_refused_before_decoding(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=2)
    with pytest.raises(VideoError, match=f"{WIDTH}x{HEIGHT}.*max_pixels"):
        video_info(path, max_pixels=WIDTH * HEIGHT - 1)
    assert video_info(path, max_pixels=WIDTH * HEIGHT * 4).width == WIDTH


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.h264", "libx264"),
        ("a.y4m", "wrapped_avframe"),
        ("a.mts", "libx264"),
        ("a.flv", "flv1"),
        ("a.wmv", "wmv2"),
        ("a.vob", "mpeg2video"),
        ("a.gif", "gif"),
        ("a.3gp", "mpeg4"),
        ("a.m2v", "mpeg2video"),
        ("a.ivf", "libvpx"),
    ],
)
def test_whatever_ending_is_known_can_be_read(tmp_path: Path, name: str, codec: str) -> None:
    format_name = "rgb8" if codec == "gif" else "yuv420p"
    path = make_video(
        tmp_path / name, frames=12, codec=codec, pixel_format=format_name, size=(176, 144)
    )
    assert is_video_name(path)
    assert len(list(FrameReader(path))) == 12
    bare = name in ("a.h264", "a.m2v")
    assert video_info(path).is_bare == bare == bool(untimed_words([path]))


def test_a_bare_stream_is_timed_by_the_rate_that_it_states(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.h264", frames=20, fps=10)
    assert [f.seconds for f in FrameReader(path)] == pytest.approx([i / 10 for i in range(20)])
