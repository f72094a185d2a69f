"""Real processes: Ctrl-C, kill -9 and a full disk lose nothing that was read before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.store.states_cache import PartFiles, StatesCache

resource = pytest.importorskip("resource", reason="signals and limits of POSIX")

SEGMENTS = 260
OPTIONS = ("--segment-seconds", "0.125")
# One reading, so that a row that is kept is a segment that was read.
FIT_OPTIONS = (*OPTIONS, "--recipe", "paper")
WAIT_SECONDS = 300


def write_video(path: Path, *, seconds: float, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.zeros((32, 32, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(round(seconds * 24)):
            picture[:] = (number * 3 + 90 * seed) % 256
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "abnormal" / "long.mp4", seconds=SEGMENTS / 8, seed=0)
    for number in (1, 2, 3):
        label = "abnormal" if number == 3 else "normal"
        write_video(folder / label / f"{number}.mp4", seconds=1, seed=number)
    return folder


class Run:
    """`hiprobe` as a process of its own, with a cache of its own."""

    def __init__(self, cache: Path, *words: object, limit_bytes: int | None = None) -> None:
        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        self.process = subprocess.Popen(
            [sys.executable, "-m", "hiprobe", *map(str, words)],
            env={**os.environ, "HIPROBE_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )

    def stop_when(self, ready: Callable[[], bool], how: int) -> None:
        """Send a signal as soon as something is seen."""
        self.wait_until(ready)
        self.process.send_signal(how)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until something is seen while the command runs."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not ready():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "nothing came to be seen"
            time.sleep(0.005)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode, out, err


def pieces(cache: Path) -> list[Path]:
    return sorted((cache / "states").glob("*.parts/[!.]*.safetensors"))


def rows_kept(cache: Path) -> int:
    folders = {piece.parent for piece in pieces(cache)}
    kept = [times for f in folders for times in PartFiles(f).times().values()]
    return sum(len(times["start_seconds"]) for times in kept)


def states_of(cache: Path) -> dict[str, np.ndarray]:
    """The finished states by the name of their video."""
    from hiprobe.store.states_file import read_states

    entries = StatesCache(cache / "states").entries()
    assert not any(e.partial for e in entries)
    found = {}
    for entry in entries:
        for unit, by_reading in (("segments", "states"), ("clip", "clip")):
            for states in getattr(read_states(entry.path), by_reading).values():
                found[f"{entry.video} {unit}"] = states.values
    return found


@dataclass(frozen=True)
class Fits:
    """A fit that was stopped by Ctrl-C, then killed, then left to finish."""

    cache: Path
    probe: Path
    stopped: tuple[int, str, str]
    rows_after_stop: int
    killed: int
    rows_after_kill: int
    finished: tuple[int, str, str]


@pytest.fixture(scope="module")
def fits(clips: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Fits:
    folder = tmp_path_factory.mktemp("fits")
    cache, out = folder / "cache", folder / "probe"
    words = ("fit", clips, "-o", out, "--backbone", tiny_model, *FIT_OPTIONS)
    first = Run(cache, *words)
    first.stop_when(lambda: len(pieces(cache)) >= 1, signal.SIGINT)
    stopped, rows_after_stop, count = first.end(), rows_kept(cache), len(pieces(cache))
    assert not out.exists()
    second = Run(cache, *words)
    second.stop_when(lambda: len(pieces(cache)) > count, signal.SIGKILL)
    killed, rows_after_kill = second.end()[0], rows_kept(cache)
    assert not out.exists()
    finished = Run(cache, *words).end()
    return Fits(cache, out, stopped, rows_after_stop, killed, rows_after_kill, finished)


def test_ctrl_c_keeps_what_was_read_and_says_how_to_go_on(fits: Fits) -> None:
    code, _, err = fits.stopped
    assert code == 130, err
    assert "what was read is kept: run the same command again to resume" in err
    assert "Traceback" not in err
    assert 64 <= fits.rows_after_stop < SEGMENTS


def test_a_kill_loses_no_piece(fits: Fits) -> None:
    assert fits.killed == -signal.SIGKILL
    assert fits.rows_after_stop + 64 <= fits.rows_after_kill < SEGMENTS


def test_the_resumed_run_has_the_states_of_an_undisturbed_one(
    fits: Fits, clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """To the last bit, so that one is a process like the other: with as many threads."""
    code, printed, err = fits.finished
    assert code == 0, err
    assert "At the threshold" in printed and not pieces(fits.cache)
    words = ("fit", clips, "-o", tmp_path / "probe", "--backbone", tiny_model, *FIT_OPTIONS)
    assert Run(tmp_path / "cache", *words).end()[0] == 0
    kept, straight = states_of(fits.cache), states_of(tmp_path / "cache")
    assert kept.keys() == straight.keys() and len(kept) == 8
    assert len(straight["long.mp4 segments"]) == SEGMENTS
    for name, values in straight.items():
        np.testing.assert_array_equal(kept[name], values, err_msg=name)


def test_detect_goes_on_after_ctrl_c(
    fits: Fits, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, out = tmp_path / "cache", tmp_path / "out"
    videos = (clips / "normal" / "1.mp4", clips / "abnormal" / "long.mp4")
    words = ("detect", fits.probe, *videos, "-o", out, "--format", "json")
    stopped = Run(cache, *words)
    stopped.stop_when(lambda: len(pieces(cache)) >= 1, signal.SIGINT)
    code, _, err = stopped.end()
    assert code == 130 and "run the same command again to resume" in err
    summary = json.loads((out / "hiprobe-run.json").read_text())
    assert summary["interrupted"] and [r["files"] for r in summary["results"]] == [["1.json"]]
    assert sorted(p.name for p in out.iterdir()) == ["1.json", "hiprobe-run.json"]
    assert 64 <= rows_kept(cache) < SEGMENTS

    monkeypatch.setenv("HIPROBE_CACHE", str(cache))
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exit_code == 0, result.output
    assert not json.loads((out / "hiprobe-run.json").read_text())["interrupted"]
    assert len(json.loads((out / "long.json").read_text())["segments"]) == SEGMENTS
    assert not pieces(cache)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """A limit on the size of a file stands for the full disk: both fail while writing."""
    out = tmp_path / "probe"
    words = ("fit", clips, "-o", out, "--backbone", tiny_model, *FIT_OPTIONS)
    code, _, err = Run(tmp_path / "cache", *words, limit_bytes=30_000).end()
    assert code == 10, err
    assert "Traceback" not in err and "free some" in err
    assert "warning: the states of long.mp4 are not kept" in err
    assert not list(out.rglob("*"))
    assert not list((tmp_path / "cache").rglob(".*"))
    kept = list((tmp_path / "cache" / "states").glob("*.safetensors"))
    assert kept and all(p.stat().st_size < 30_000 for p in kept)
