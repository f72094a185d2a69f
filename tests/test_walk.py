"""The one walk: linked folders are followed, circles are not."""

import os
from pathlib import Path

import pytest

from hiprobe.datasets.files_found import find_all
from hiprobe.datasets.score_files import read_raw
from hiprobe.datasets.video_files import look_into
from hiprobe.documents.checked import files_below


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_linked_folders_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    root, disk = tmp_path / "root", tmp_path / "disk"
    touch(root / "a.mp4", root / "sub" / "b.mp4", disk / "deep" / "c.mp4", tmp_path / "no.mp4")
    (root / "linked").symlink_to(disk)
    (root / "again").symlink_to(disk)
    (disk / "deep" / "up").symlink_to(root)
    (root / "sub" / "self").symlink_to(root / "sub")
    (root / "above").symlink_to(tmp_path)
    found = [p.relative_to(root).as_posix() for p in files_below(root)]
    assert sorted(p for p in found if "/c.mp4" not in p) == ["a.mp4", "sub/b.mp4"]
    assert sum("/c.mp4" in p for p in found) == 1
    assert len(look_into(root).videos) == len(find_all(root)) == 3


def test_of_a_folder_with_two_names_the_one_that_is_no_link_counts(tmp_path: Path) -> None:
    touch(tmp_path / "z" / "a.mp4")
    (tmp_path / "b").symlink_to(tmp_path / "z")
    assert list(files_below(tmp_path)) == [tmp_path / "z" / "a.mp4"]


def test_scores_in_a_linked_folder_are_found(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scores").mkdir()
    np.save(tmp_path / "elsewhere" / "a.npy", [0.5])
    (tmp_path / "scores" / "link").symlink_to(tmp_path / "elsewhere")
    assert list(read_raw(tmp_path / "scores")) == ["link/a.npy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "shut" / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "shut").chmod(0)
    unreadable: list[Path] = []
    try:
        assert list(files_below(tmp_path, unreadable=unreadable)) == [tmp_path / "b.mp4"]
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert unreadable == [tmp_path / "shut"]
