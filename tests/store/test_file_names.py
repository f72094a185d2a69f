"""Names that can be written, and what is said where one cannot."""

import errno
import os
import re
from pathlib import Path

import pytest

from hiprobe.errors import FileNameError, StorageError
from hiprobe.failures import errno_of, storage_error
from hiprobe.names import LONGEST_ENDING, NAME_BYTES, fits_file_name
from hiprobe.store.atomic import atomic_path


@pytest.mark.parametrize(
    "name", ["a" * 255, "語" * 85, "\udce9", "a\x1b", "a\\b", "\ud800x", "😀" * 63]
)
def test_a_hard_name_is_made_one_that_can_be_written(tmp_path: Path, name: str) -> None:
    made = fits_file_name(name)
    assert made == fits_file_name(name) != name
    assert len(made.encode()) + LONGEST_ENDING <= NAME_BYTES
    target = tmp_path / f"{made}-9999.event-9999.mp4"
    with atomic_path(target) as temporary:
        temporary.write_text("x")
    assert target.read_text() == "x"


def test_two_names_stay_two_and_a_plain_one_stays_itself() -> None:
    names = ["x" * 250 + "a", "x" * 250 + "b", "a\udce9", "a\udce8", "a_", "a\n", "a\t"]
    assert len({fits_file_name(n) for n in names}) == len(names)
    for name in ("cam", "中文", "$$", "-rf", "..."):
        assert fits_file_name(name) == name


@pytest.mark.parametrize("name", ["a:b", "what?", "con", "NUL.tar", "lpt1", "end.", "end "])
def test_what_windows_cannot_write_is_changed_there_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fits_file_name(name) == name
    monkeypatch.setattr("hiprobe.names.ON_WINDOWS", True)
    assert re.fullmatch(r"[\w.]+~[0-9a-f]{10}", fits_file_name(name))
    assert fits_file_name("console.com1") == "console.com1"


def test_a_temporary_s_name_fits_whatever_the_ending(tmp_path: Path) -> None:
    with atomic_path(tmp_path / ("a." + "e" * 250)) as temporary:
        temporary.write_text("x")
    assert (tmp_path / ("a." + "e" * 250)).exists()


def test_a_name_too_long_is_no_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNameError, match="too long") as caught,
        atomic_path(tmp_path / ("a" * 256)),
    ):
        pass
    assert "free some" not in str(caught.value) and caught.value.of_one_file


def test_a_folder_in_the_way_belongs_to_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(FileNameError, match="in the way"), atomic_path(tmp_path / "a.json") as made:
        made.write_text("x")


def test_a_file_where_a_folder_is_needed_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    told = pytest.raises(StorageError, match="folder")
    with told, atomic_path(tmp_path / "a" / "b.json"):
        pass


def test_each_cause_has_a_remedy_of_its_own() -> None:
    numbers = (
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENOTDIR),
        *(errno.EISDIR, errno.ENAMETOOLONG, errno.EIO, errno.EMFILE),
    )
    said = [str(storage_error("f", OSError(n, os.strerror(n)))) for n in numbers]
    assert len(set(said)) == len(said)
    assert [n for n, s in zip(numbers, said, strict=True) if "free some disk space" in s] == [
        errno.ENOSPC
    ]
    assert errno_of(RuntimeError("No space left on device (os error 28)")) == errno.ENOSPC
