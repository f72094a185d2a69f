"""`--workers` through the whole command: the same files as one process writes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from test_interrupts import OPTIONS, Run, pieces, rows_kept, write_video

from hiprobe.cli.app import app
from hiprobe.settings import usable_processors

WORKERS = ("--workers", "2")

EXPLAIN_ALL = ("--format", "json", "--explain", "--threshold", "0")


@pytest.fixture(autouse=True)
def as_many_threads_as_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are equal to the last bit where they are made by as many threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(max(1, usable_processors() // 2)))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        label = "normal" if number < 2 else "abnormal"
        write_video(folder / label / f"{number}.mp4", seconds=2 + number, seed=number)
    broken = folder / "normal" / "broken.mp4"
    broken.write_bytes(b"nothing" * 99)
    os.utime(broken, (1e9, 1e9))  # a file of today is told to be so, by the second
    return folder


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def states(cache: Path) -> dict[str, bytes]:
    kept = content(cache / "states")
    return {name: value for name, value in kept.items() if name.endswith(".safetensors")}


def both(tmp_path: Path, *words: object) -> tuple[Path, Path]:
    """What one process and two workers write; what they say and keep is the same too."""
    ends = []
    for name, more in (("one", ()), ("two", WORKERS)):
        command = (*words, "-q", "-o", tmp_path / name, *more)
        ends.append(Run(tmp_path / f"cache-{name}", *command).end())
    assert ends[0] == ends[1]
    assert ends[0][0] == 3, ends[0]  # the broken file
    assert states(tmp_path / "cache-one") == states(tmp_path / "cache-two") != {}
    one, two = tmp_path / "one", tmp_path / "two"
    assert content(one) == content(two)
    return one, two


def test_extract_writes_what_one_process_writes(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    one, _ = both(tmp_path, "extract", clips, "--backbone", tiny_model)
    assert len([name for name in content(one) if name.endswith(".safetensors")]) == 4


@pytest.fixture(scope="module")
def probe(clips: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committee, which reads several positions in one pass, by two workers and by one process."""
    folder = tmp_path_factory.mktemp("probe")
    words = ("fit", clips, "--recipe", "committee", "--backbone", tiny_model, *OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(max(1, usable_processors() // 2)))
        one, two = both(folder, *words)
    assert json.loads((two / "reading.json").read_text())["failures"]
    return one


def test_detect_scores_and_explains_as_one_process(
    probe: Path, clips: Path, tmp_path: Path
) -> None:
    one, _ = both(tmp_path, "detect", probe, clips, *EXPLAIN_ALL)
    told = json.loads((one / "3.json").read_text())
    assert told["segments"] and told["explanations"]


@contextmanager
def no_process_left(run: Run) -> Iterator[None]:
    """The command and all that it started end within the block, which has to begin when all run."""
    family = psutil.Process(run.process.pid).children(recursive=True)
    assert len(family) >= 2
    try:
        yield
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
    finally:
        for process in family:
            if process.is_running():
                process.kill()


@pytest.mark.parametrize("reads", [False, True])
def test_ctrl_c_ends_cleanly_and_resumes(
    reads: bool, probe: Path, clips: Path, tmp_path: Path
) -> None:
    """A terminal sends it to the workers too; some open the backbone then, others read."""
    cache, out = tmp_path / "cache", tmp_path / "out"
    write_video(tmp_path / "in" / "long.mp4", seconds=40, seed=5)
    words = ("detect", probe, tmp_path / "in", clips, "-o", out, "--format", "json", *WORKERS)
    run = Run(cache, *words)
    parent = psutil.Process(run.process.pid)

    def is_time() -> bool:
        return len(pieces(cache)) >= 1 if reads else len(workers_of(parent)) == 2

    run.wait_until(is_time)
    with no_process_left(run):
        for process in (parent, *workers_of(parent)):
            process.send_signal(signal.SIGINT)
        code, _, err = run.end()
    assert code == 130, err
    assert "run the same command again to resume" in err and "Traceback" not in err
    if not reads:
        return
    assert json.loads((out / "hiprobe-run.json").read_text())["interrupted"]
    assert rows_kept(cache) >= 64  # at most all of them, where all were read before the signal came
    assert Run(cache, *words).end()[0] == 3
    assert not pieces(cache)
    assert len(json.loads((out / "long.json").read_text())["segments"]) == 320


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The workers, and not the helper that Python starts beside them."""
    children = parent.children()
    return [c for c in children if "spawn_main" in " ".join(c.cmdline())]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("extract", "x.mp4", "--address", "auto"), "add --engine ray"),
        (("extract", "x.mp4", "--workers", "0"), "not a whole number from 1"),
        (("fit", "clips", "--scorer", "heads", *WORKERS), "leave out --workers 2"),
        (("detect", "--zero-label", "x.mp4", "--engine", "ray"), "leave out --engine ray"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2 and told in " ".join(result.output.split())
