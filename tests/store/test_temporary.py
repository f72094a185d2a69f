"""Files in the making: whose they are, when they are swept, and what permissions they end with."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import StorageError
from hiprobe.store.atomic import atomic_path
from hiprobe.store.process_mark import own_mark
from hiprobe.store.temporary import Temporary, remove_open, sweep

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and permissions of POSIX")

WRITER = """
import sys, time
from pathlib import Path
from hiprobe.store.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    if sys.argv[2] == "replaced":  # as safetensors does: the file that is locked is gone
        other = temporary.with_name(".other")
        other.write_bytes(b"half")
        other.replace(temporary)
    else:
        temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


@contextmanager
def writing(path: Path, how: str = "plain") -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the middle of writing a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def kill(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
    process.wait()


def write(path: Path) -> None:
    """One file by a process of its own, as the next run writes it."""
    code = f"from hiprobe.store.atomic import atomic_path\nwith atomic_path({str(path)!r}) as t:\n"
    subprocess.run([sys.executable, "-c", f"{code}    t.write_text('x')"], check=True)


@posix
@pytest.mark.parametrize("how", ["plain", "replaced"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_process_was_writing_is_swept_by_the_next(
    tmp_path: Path, how: str, number: int
) -> None:
    with writing(tmp_path / "cam.annotated.mp4", how) as process:
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(".") and left.suffix == ".mp4"
        kill(process, number)
    assert [*tmp_path.iterdir()] == [left]
    write(tmp_path / "new.json")
    assert [p.name for p in tmp_path.iterdir()] == ["new.json"]


@posix
@pytest.mark.parametrize("how", ["plain", "replaced"])
def test_what_a_living_process_writes_is_left_alone(tmp_path: Path, how: str) -> None:
    with writing(tmp_path / "cam.mp4", how):
        (its,) = tmp_path.iterdir()
        write(tmp_path / "new.json")
        sweep(tmp_path)
        assert its.exists()


def left_by(folder: Path, *, machine: str, pid: int, started: int, age_seconds: float = 0) -> Path:
    path = folder / f".hiprobe-{machine}-{pid}-{started}-0123abcd.mp4"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age_seconds,) * 2)
    return path


@pytest.mark.parametrize(("later_seconds", "goes"), [(0, False), (1000, True)])
def test_a_process_number_that_was_given_out_again_is_another_process(
    tmp_path: Path, later_seconds: int, goes: bool
) -> None:
    mark = own_mark()
    started = mark.started - later_seconds
    path = left_by(tmp_path, machine=mark.machine, pid=mark.pid, started=started)
    sweep(tmp_path)
    assert path.exists() != goes


@pytest.mark.parametrize(("age_seconds", "goes"), [(60, False), (7200, sys.platform != "win32")])
def test_what_another_machine_writes_goes_when_nobody_touches_it(
    tmp_path: Path, age_seconds: float, goes: bool
) -> None:
    path = left_by(tmp_path, machine="0" * 8, pid=1, started=1, age_seconds=age_seconds)
    sweep(tmp_path)
    assert path.exists() != goes


def test_other_hidden_files_stay(tmp_path: Path) -> None:
    names = [".hiprobe-x.mp4", ".abc12345.mp4", ".hidden", "hiprobe-0-1-2-3.mp4"]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)


def by_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        save_file({"a": np.zeros(3)}, str(temporary))


def by_text(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("x")


def by_video(path: Path) -> None:
    from hiprobe.video.write import write_video

    write_video(path.with_suffix(".mp4"), [np.zeros((16, 16, 3), np.uint8)], fps=5)


@posix
@pytest.mark.parametrize("by", [by_safetensors, by_text, by_video])
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_files_and_folders_follow_the_umask(tmp_path: Path, by: object, umask: int) -> None:
    assert callable(by)
    before = os.umask(umask)
    try:
        by(tmp_path / "new" / "folder" / "file")
    finally:
        os.umask(before)
    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask
    for folder in file.parents[:2]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.json"):
        raise ZeroDivisionError
    with pytest.raises(StorageError), atomic_path(tmp_path / "a.json"):
        raise OSError(28, "No space left on device")
    assert not [*tmp_path.iterdir()]


@posix
def test_one_process_at_a_time_is_alone_in_a_folder(tmp_path: Path) -> None:
    """As two fits are that save into one folder."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom hiprobe.store.atomic import alone_in_new\n"
        "folder = Path(sys.argv[1])\n"
        "for _ in range(200):\n"
        "    with alone_in_new(folder):\n"
        "        file = folder / 'count'\n"
        "        count = int(file.read_text()) if file.exists() else 0\n"
        "        file.write_text(str(count + 1))\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "new")]
    running = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert (tmp_path / "new" / "count").read_text() == "600"
    assert len([*(tmp_path / "new").iterdir()]) == 1


def test_a_stop_between_making_a_file_and_holding_it_leaves_nothing(tmp_path: Path) -> None:
    made = Temporary.beside(tmp_path / "a.json")
    assert made.path.exists()
    remove_open()
    assert not [*tmp_path.iterdir()]
    made.remove()
    kept = Temporary.beside(tmp_path / "b.json")
    kept.take_place_of(tmp_path / "b.json")
    kept.remove()
    remove_open()
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]
