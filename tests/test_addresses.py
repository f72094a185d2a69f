"""Passwords of addresses are never shown, and names that are no file say what they are."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.errors import HiProbeError, LabelError, VideoError
from hiprobe.names import hide_credentials, is_address, why_no_file
from hiprobe.store.content_hash import content_hash
from hiprobe.video.container import open_video

PASSWORDS = ("secret", "se@cret", "se/cret", "s:e@c/ret", "12ab/secret", "%40secret")
ADDRESSES = [
    f"{s}://admin:{p}@10.0.0.1:554/s1" for s in ("rtsp", "HTTP", "rtmp") for p in PASSWORDS
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("as_path", [False, True])
def test_no_message_shows_a_password(address: str, as_path: bool) -> None:
    name = str(Path(address)) if as_path else address
    shown = hide_credentials(f"cannot open {name!r} (Connection refused), see {name}")
    assert "cret" not in shown and "admin" not in shown
    assert shown.count("10.0.0.1:554/s1") == 2
    assert "cret" not in str(HiProbeError(f"cannot open {name}"))
    assert is_address(name) and "cret" not in why_no_file(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h:80/a@b.mp4", "http://h:80/a@b.mp4"),
        ("http://h/x?user=me&password=p1&n=2", "http://h/x?user=...&password=...&n=2"),
        ("rtsp://h/user=me&password=p1", "rtsp://h/user=...&password=..."),
        ("C:/videos/a@b.mp4 and a/b@c", "C:/videos/a@b.mp4 and a/b@c"),
        ("a password=p stays outside of addresses", "a password=p stays outside of addresses"),
    ],
)
def test_the_rest_of_a_text_stays(text: str, shown: str) -> None:
    assert hide_credentials(text) == shown


def test_paths_are_no_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.mp4").write_bytes(b"x")
    assert not is_address("http:/a.mp4")
    assert not any(map(is_address, ("a.mp4", "/a/b.mp4", "C:/a.mp4", "C:\\a.mp4", "rtsp", "x:y")))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    for read in (content_hash, lambda p: open_video(p).__enter__()):
        with pytest.raises(VideoError, match="is a pipe, not a file"):
            read(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "{}"),
        ("extract", "{}"),
        ("info", "{}"),
        ("demo", "--clips", "{}"),
        ("zero-label", "{}"),
        ("layers", "{}"),
        ("data", "check", "folder", "{}"),
        ("detect", "{}", "a.mp4"),
        ("evaluate", "{}", "--dataset", "ucf-crime"),
    ],
)
def test_commands_show_no_password(words: tuple[str, ...], tmp_path: Path) -> None:
    address = "rtsp://admin:secret@10.0.0.1/s1"
    done = CliRunner().invoke(app, [w.format(address) for w in words])
    assert done.exit_code not in (0, 1)
    assert "secret" not in done.output and "admin" not in done.output
    assert "10.0.0.1/s1" in done.output


def test_an_address_in_a_table_is_refused_with_its_line(tmp_path: Path) -> None:
    from hiprobe.datasets.clips import read_clips

    (tmp_path / "c.csv").write_text("video,label\na.mp4,normal\nrtsp://u:secret@h/1,fight\n")
    with pytest.raises(LabelError, match="line 3: rtsp://h/1 is the address of a stream"):
        read_clips(tmp_path / "c.csv")
