"""Small videos made at test time; frame i is a flat grey of level `level(i)`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 64, 48

Track = tuple[tuple[int, int], int]
"""Size and number of frames."""

IVF_HEADER, IVF_FRAME = 32, 12


def level(i: int) -> int:
    return 20 + (i * 9) % 200


def make_video(
    path: Path,
    *,
    frames: int = 50,
    fps: int = 25,
    ticks: Sequence[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
    top_white: bool = False,
    audio: bool = False,
    audio_seconds: float | None = None,
    audio_codec: str = "aac",
    begin_seconds: float = 0.0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    base_level: int | None = None,
    noise: bool = False,
) -> Path:
    """`ticks` are timestamps in 1/1000 s for a variable frame rate.

    The picture begins at `begin_seconds` on the file's clock, the sound at zero.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        base = Fraction(1, 1000) if ticks is not None else Fraction(1, fps)
        stream.codec_context.time_base = base
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        sound: Any = container.add_stream(audio_codec, rate=8000) if audio else None
        shift = round(begin_seconds / base)
        for i in range(frames):
            value = level(i) if base_level is None else base_level
            pixels = np.full((size[1], size[0], 3), value, np.uint8)
            if noise:
                pixels = np.random.default_rng(i).integers(0, 256, pixels.shape, dtype=np.uint8)
            if top_white:
                pixels[:], pixels[: size[1] // 4] = 0, 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = shift + (i if ticks is None else ticks[i]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _add_sound(container, sound, seconds=audio_seconds or frames / fps)
    return path


def make_audio(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        _add_sound(container, container.add_stream("aac", rate=8000), seconds=1.0)
    return path


def _add_sound(container: Any, stream: Any, *, seconds: float) -> None:
    kind = "flt" if stream.name == "libopus" else "fltp"
    samples = np.zeros((1, int(8000 * seconds)), np.float32)
    for at in range(0, samples.shape[1] - 1024, 1024):
        frame = av.AudioFrame.from_ndarray(samples[:, at : at + 1024], format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, at, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def cut_file(path: Path, *, keep: float, target: Path) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def near(pixels: np.ndarray, value: int, *, tolerance: float = 4) -> bool:
    return abs(float(pixels.mean()) - value) <= tolerance


def make_tracks(path: Path, *tracks: Track) -> Path:
    """A file with several video tracks, in this order."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for (width, height), _ in tracks:
            stream: Any = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for stream, ((width, height), count) in zip(streams, tracks, strict=True):
            for number in range(count):
                pixels = np.full((height, width, 3), 40 + number, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path


def with_times(path: Path, times: dict[int, int]) -> Path:
    """An IVF file with other timestamps (64 bits) at some of its frames."""
    data = bytearray(path.read_bytes())
    at, number = IVF_HEADER, 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        if number in times:
            struct.pack_into("<Q", data, at + 4, times[number] % 2**64)
        at, number = at + IVF_FRAME + size, number + 1
    path.write_bytes(data)
    return path


def joined_as_they_are(folder: Path, *parts: Path) -> Path:
    """Transport streams one behind the other, as a recorder leaves them."""
    target = folder / "joined.ts"
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target
