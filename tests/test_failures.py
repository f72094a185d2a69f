"""What is of one file, and what is of the run; files that are none, folders that cannot be read."""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import hiprobe.cli
from hiprobe import errors
from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.files_found import find_all
from hiprobe.failures import failure_of
from hiprobe.store.content_hash import content_hash
from hiprobe.video.video_info import video_info

FILE = Path("a\x1b.mp4")
CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_errors_of_one_file_are_marked() -> None:
    marked = {c.__name__ for c in CLASSES if c.of_one_file}  # type: ignore[attr-defined]
    assert marked == {
        *("VideoError", "StatesError", "FingerprintError", "ProbeFolderError"),
        *("BackboneMemoryError", "FileNameError", "OutsideFolderError"),
    }


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_of_ours_is_listed_or_ends_the_run(kind: type[errors.HiProbeError]) -> None:
    if kind.of_one_file:
        assert failure_of(FILE, kind("why")).reason == "why"
    else:
        with pytest.raises(kind, match="why"):
            failure_of(FILE, kind("why"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_ends_the_run(number: int) -> None:
    with pytest.raises(errors.StorageError) as caught:
        failure_of(FILE, OSError(number, "full", "out"))
    assert not caught.value.of_one_file


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "gone"), click.exceptions.Exit(1)])
def test_what_is_about_no_file_passes(error: Exception) -> None:
    with pytest.raises(type(error)):
        failure_of(FILE, error)


@pytest.mark.parametrize(
    "error", [ValueError("a\nb"), RecursionError(), UnicodeDecodeError("x", b"", 0, 1, "")]
)
def test_a_bug_is_listed_with_its_place_and_logged(error: Exception, cache: Path) -> None:
    try:
        raise error
    except Exception as caught:
        reason = failure_of(FILE, caught).reason
    assert reason.startswith(r"a\x1b.mp4 ended with an unexpected error, " + type(error).__name__)
    assert "\n" not in reason and "test_failures.py:" in reason and str(cache) in reason
    assert type(error).__name__ in (cache / "errors.log").read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_hides_no_failure(cache: Path) -> None:
    cache.write_text("a file")
    assert "please report it" in failure_of(FILE, ValueError("x")).reason


def test_no_memory_and_a_bad_path_are_told_as_such() -> None:
    assert "more memory" in failure_of(FILE, MemoryError()).reason
    assert "(No such device)" in failure_of(FILE, OSError(errno.ENODEV, "No such device")).reason


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_before_it_is_read(tmp_path: Path, make: object) -> None:
    make(tmp_path / "x.mp4")  # type: ignore[operator]
    for read in (content_hash, video_info):
        with pytest.raises(errors.VideoError, match="not a file"):
            read(tmp_path / "x.mp4")


@pytest.fixture
def as_a_plain_user() -> Iterator[Path]:
    """A folder that others may enter, and within the test the rights of nobody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("normal", "abnormal"):
            (folder / kind).mkdir(parents=True)
            (folder / kind / "a.mp4").write_text("x")
        (folder / "abnormal").chmod(0)
        folder.chmod(0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            (folder / "abnormal").chmod(0o755)


def test_an_unreadable_class_folder_is_not_missing(as_a_plain_user: Path) -> None:
    clips = read_clips(as_a_plain_user)
    assert [c.class_name for c in clips] == ["abnormal", "normal"]
    for read in (content_hash, video_info):
        with pytest.raises(errors.VideoError, match=r"cannot (be )?read"):
            read(clips[0].video)
    with pytest.raises(errors.DatasetError, match="Permission denied"):
        find_all(as_a_plain_user)


def test_the_terminal_has_one_way_in() -> None:
    """Whatever is printed passes `cli.console`; a bare `print` would let escapes through.

    Besides: the bar that clears its line, the script for shells, and prints of child processes.
    """
    folder = Path(hiprobe.cli.__file__).parent
    allowed = {"console.py": 2, "data.py": 2, "app.py": 1, "doctor.py": 3}
    bare = re.compile(r"click\.s?echo\(|(?<![\w.])print\(|Console\(")
    found = {p.name: len(bare.findall(p.read_text(encoding="utf-8"))) for p in folder.rglob("*.py")}
    assert {name: count for name, count in found.items() if count} == allowed
