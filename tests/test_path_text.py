"""A path as text and back; text that no terminal obeys."""

import os
import random
from pathlib import Path

import pytest

from hiprobe.errors import VideoError
from hiprobe.names import path_text, shown, shown_lines, text_path, utf8_text


def test_every_name_of_bytes_is_found_again_by_its_text() -> None:
    draw = random.Random(0)
    pieces = [
        b"\\",
        b"x",
        b"e9",
        b"5c",
        b"\\xe9",
        b"\\x5c",
        b"\xe9",
        b"\xff",
        "é中😀".encode(),
        b"\n",
    ]
    names = {b"".join(draw.choices(pieces, k=draw.randint(1, 7))) for _ in range(5000)}
    names |= {draw.randbytes(9).translate(None, b"/\0") + b"." for _ in range(2000)}
    texts = {}
    for name in names:
        text = path_text(Path(os.fsdecode(name)))
        text.encode("utf-8")
        assert os.fsencode(text_path(text)) == name
        texts[text] = name
    assert len(texts) == len(names)


def test_what_can_be_said_stays_as_it_is() -> None:
    for name in ("cam.mp4", "中文.mp4", r"a\b.mp4", "ça/$1.mp4", r"\\host\x.mp4"):
        assert path_text(name) == name == str(text_path(name)) == shown(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b1A\x7f", r"\x9b1A\x7f"),
        ("\u202egpj\u2066\u2028", r"\u202egpj\u2066\u2028"),
        ("\udce9\ud800", r"\xe9\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(name: str, said: str) -> None:
    assert shown(name) == said
    assert shown_lines(f"{name}\n{name}") == "\n".join(
        map(shown_lines, f"{name}\n{name}".split("\n"))
    )
    assert str(VideoError(f"{name} is bad")) == f"{said} is bad"
    utf8_text(name).encode()


def test_an_error_of_several_lines_has_several_arguments() -> None:
    assert str(VideoError("a\nb", "c")) == "a\\nb\nc"
