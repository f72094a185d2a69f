"""Show that memory does not grow with a video's length: 1 minute against 1 hour, every format.

`python scripts/measure_memory.py` makes two videos, runs `hiprobe detect` on each with the lite
backbone in a process of its own, and writes docs/memory.md. It takes half an hour on one core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from hiprobe.scenes.demo_scenes import write_demo_clips
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.video.write import write_video

PAGE = Path(__file__).resolve().parent.parent / "docs" / "memory.md"
FPS, WIDTH, HEIGHT = 24, 160, 120
SEGMENT_SECONDS = 60
FORMATS = "json,csv,png,mp4,html"
INTRO = """# Memory

<!-- Written by scripts/measure_memory.py; run it again to renew the figures. -->

`hiprobe detect` with the lite backbone on videos of different length, {fps} frames a second,
{width}x{height}, segments of {segment} s, all of {formats} written. Peak of the resident memory of
the whole process, model included. Frames are decoded, scored and drawn as a stream.

| length | frames | peak memory | time |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Measured:
    """One run."""

    minutes: int
    peak_bytes: int
    seconds: float

    def row(self) -> str:
        """As a row of the page's table."""
        frames = self.minutes * 60 * FPS
        peak = f"{self.peak_bytes / 1e6:.0f} MB"
        return f"| {self.minutes} min | {frames} | {peak} | {self.seconds / 60:.1f} min |\n"


@click.command()
@click.option("--minutes", type=int, multiple=True, default=(1, 60), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=PAGE, show_default=True)
def main(minutes: tuple[int, ...], out: Path) -> None:
    """Measure and write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_demo_clips(folder / "clips", clips_per_class=2, seconds=1.0)
        _peak(["fit", str(table), "-o", str(folder / "probe")])
        found = [_measure(folder, length) for length in minutes]
    facts = {"fps": FPS, "width": WIDTH, "height": HEIGHT}
    text = INTRO.format(segment=SEGMENT_SECONDS, formats=FORMATS.replace(",", ", "), **facts)
    with atomic_path(out) as temporary:
        temporary.write_text(text + "".join(m.row() for m in found), encoding="utf-8")


def _measure(folder: Path, minutes: int) -> Measured:
    video, began = folder / f"{minutes}.mp4", time.monotonic()
    write_video(video, _frames(minutes * 60 * FPS), fps=FPS)
    click.echo(f"{video.name} written in {time.monotonic() - began:.0f} s", err=True)
    options = ["--no-cache", "--segment-seconds", str(SEGMENT_SECONDS), "--format", FORMATS]
    began = time.monotonic()
    peak = _peak(["detect", str(folder / "probe"), str(video), "-o", str(folder / "out"), *options])
    found = Measured(minutes, peak, time.monotonic() - began)
    click.echo(found.row(), err=True)
    return found


def _peak(arguments: list[str]) -> int:
    """Peak resident memory of a `hiprobe` command in bytes."""
    child = subprocess.Popen([sys.executable, "-m", "hiprobe", *arguments])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise click.ClickException(f"hiprobe {arguments[0]} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return int(usage.ru_maxrss) * unit


def _frames(count: int) -> Iterator[Frame]:
    """A square that wanders over a noisy wall."""
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for number in range(count):
        picture = wall.copy()
        left, top = number % (WIDTH - 20), (number // 7) % (HEIGHT - 20)
        picture[top : top + 20, left : left + 20] = 230
        yield picture


if __name__ == "__main__":
    main()
