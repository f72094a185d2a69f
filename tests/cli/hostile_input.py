"""File names and files that nobody would choose, made from a seed."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "video"))
from video_media import make_audio, make_video

PIECES = (
    *(b"\xe9", b"\xff\xfe", b"caf\xc3\xa9", b"\xc3", b"\xed\xa0\x80"),  # UTF-8 and not
    *(b"\x1b[31m", b"\x1b]0;title\x07", b"\x1b[2J", b"\x9b1A", b"\r", b"\n", b"\t", b"\x7f"),
    *(s.encode() for s in ("\u202egpj", "\u2066", "\u2028", "\u200b", "\ufeff", "\x85")),
    *(s.encode() for s in ("中文", "عربي", "हिन्दी", "日本", "😀", "👨‍👩‍👧", "ñ", "ẞ")),
    *(b"$$", b"rec_$1_$2", b"$\\frac{1}{0}$", b"\\xe9", b"\\x5c", b"\\N{DASH}", b"^_{"),
    *(b"=1+1", b"+cmd|x", b"-rf", b"@SUM", b"--help", b"'", b'"', b",", b";", b"#", b"%s%n"),
    *(b"[red]", b"[bold]", b":smile:", b"<script>", b"&amp;", b"{0}", b"{{x}}", b"%2e%2e"),
    *(b" ", b"...", b"~", b"*", b"?", b"[a-z]", b"!", b"|", b"`id`", b"$(id)", b"\\", b"_", b"CON"),
    *(b"x" * 180, "語".encode() * 60),
)
LONGEST_BYTES = 255


def hostile_names(count: int, *, seed: int, ending: bytes) -> list[bytes]:
    """Distinct names of up to 255 bytes; every piece is in one of the first, some by itself."""
    draw, found = random.Random(seed), dict.fromkeys(p + ending for p in PIECES)
    while len(found) < count:
        name = b"".join(draw.choices(PIECES, k=draw.randint(2, 5)))[: LONGEST_BYTES - len(ending)]
        found[name + ending] = None
    return [n for n in list(found)[:count] if not n.startswith(b".")]


def write_hostile_files(folder: Path, *, count: int, seed: int) -> None:
    """`count` files called `*.mp4` that are damaged, no video, or no file at all."""
    draw = random.Random(seed)
    whole = make_video(folder.parent / "whole.mp4", frames=8, noise=True).read_bytes()
    stream = make_video(folder.parent / "whole.ts", frames=8, noise=True).read_bytes()
    sound = make_audio(folder.parent / "sound.m4a").read_bytes()
    texts = (
        b"",
        b"hello",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        b"<MPD><Period/></MPD>",
        b"\x00" * 4096,
        b"RIFF\xff\xff\xff\xffAVI LIST",
        b"\x1aE\xdf\xa3" + b"\xff" * 64,
        b"GIF89a\xff\xff\xff\xff\xf7\x00\x00",
        b"\x89PNG\r\n\x1a\n",
        draw.randbytes(5000),
        sound,
    )
    for number, text in enumerate(texts):
        (folder / f"text-{number}.mp4").write_bytes(text)
    special = _special(folder)
    for number in range(count - len(texts) - special):
        data = bytearray(whole if number % 2 else stream)
        _damage(data, draw)
        (folder / f"damaged-{number:02d}.mp4").write_bytes(data)


def _damage(data: bytearray, draw: random.Random) -> None:
    kind = draw.randrange(4)
    at = draw.randrange(len(data))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        data[at : at + 200] = draw.randbytes(200)
    elif kind == 2:
        del data[: at // 2]
    else:
        for _ in range(60):
            data[draw.randrange(len(data))] = draw.randrange(256)


def _special(folder: Path) -> int:
    """What has a video's name and is no file; how many there are."""
    made: tuple[Callable[[Path], object], ...] = (
        Path.mkdir,
        os.mkfifo,
        _socket,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(folder / "nowhere.mp4"),
        lambda path: path.symlink_to(path),
    )
    for number, make in enumerate(made):
        make(folder / f"special-{number}.mp4")
    return len(made)


def _socket(path: Path) -> None:
    # A socket's path may have 108 bytes only, a pytest folder more.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
