"""Which files below a folder are videos."""

from pathlib import Path

import pytest
from data_trees import pictures

from hiprobe.datasets.files_found import find_all, split_of_word
from hiprobe.errors import DatasetError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_videos_at_any_depth_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/10.avi", "b/2.AVI", "a.mp4", ".hidden/c.mp4", "b/.d.mp4", "notes.txt")
    assert [str(f.relative) for f in find_all(tmp_path)] == ["a.mp4", "b/2.AVI", "b/10.avi"]


def test_picture_folders_but_no_annotations(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "Test" / "Test001", 0, frames=12, suffix=".tif", first=1)
    for other in ("Test001_gt", "x_annotations", "test_frame_mask"):
        pictures(tmp_path / "Test" / other, 0, frames=2, suffix=".bmp")
    touch(tmp_path, "masked people/w.mp4")  # videos are no annotations
    touch(tmp_path, "a/cover.jpg", "b/v.mp4", "b/1.jpg", "b/2.jpg")
    found = find_all(tmp_path)
    assert [str(f.relative) for f in found] == ["Test/Test001", "b/v.mp4", "masked people/w.mp4"]
    assert [p.name for p in found[0].pictures[:2]] == ["001.tif", "002.tif"]
    assert found[0].path == folder and found[0].stem == "Test001"


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "disk/v.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "set").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "loop").symlink_to(tmp_path / "disk")
    assert [str(f.relative) for f in find_all(tmp_path / "root")] == ["set/v.mp4"]


def test_endings_are_cut_and_dots_stay(tmp_path: Path) -> None:
    touch(tmp_path, "Bad.Boys.1995__#1_label_A.mp4.mp4")
    (found,) = find_all(tmp_path)
    assert found.stem == "Bad.Boys.1995__#1_label_A"


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Training-Normal-Videos-Part-1", "train"),
        ("Testing_Normal_Videos_Anomaly", "test"),
        ("MSAD_normal_training_blur", "train"),
        ("Validation", "val"),
        ("Train", "train"),
        ("Anomaly-Videos-Part-1", ""),
        ("contest", ""),
        ("Interval", ""),
        ("valley", ""),
    ],
)
def test_splits_in_words(word: str, split: str) -> None:
    assert split_of_word(word) == split


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        find_all(tmp_path / "absent")
