"""`detect` stopped while it writes a video: what is half done goes, with it or by the next run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from test_interrupts import Run, write_video

SECONDS = 20


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A probe, and a video whose states are cached."""
    folder = tmp_path_factory.mktemp("work")
    for label, seed in (("normal", 1), ("abnormal", 2)):
        for number in (0, 1):
            path = folder / "clips" / label / f"{number}.mp4"
            write_video(path, seconds=1, seed=seed + 3 * number)
    write_video(folder / "cam.mp4", seconds=SECONDS, seed=0)
    words = ("fit", folder / "clips", "-o", folder / "probe", "--backbone", tiny_model)
    assert Run(folder / "cache", *words).end()[0] == 0
    done = Run(folder / "cache", *detect(folder, folder / "first", "json")).end()
    assert done[0] == 0, done
    return folder


def detect(folder: Path, out: Path, formats: str) -> tuple[object, ...]:
    return ("detect", folder / "probe", folder / "cam.mp4", "-o", out, "--format", formats)


def half_written(out: Path) -> list[Path]:
    return [p for p in out.glob(".*.mp4") if p.stat().st_size > 0]


def hidden(out: Path) -> list[str]:
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_nothing_half_written_stays(work: Path, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "out"
    stopped = Run(work / "cache", *detect(work, out, "json,mp4"))
    stopped.stop_when(lambda: out.is_dir() and bool(half_written(out)), number)
    ended, _, err = stopped.end()
    assert ended == code and "Traceback" not in err, err
    assert not (out / "cam.annotated.mp4").exists()
    assert bool(hidden(out)) == (number == signal.SIGKILL)
    assert Run(work / "cache", *detect(work, out, "json")).end()[0] == 0
    assert not hidden(out)
