from pathlib import Path

import pytest

from hiprobe.cli.extract import parse_layers
from hiprobe.cli.named_files import expand_videos
from hiprobe.errors import UsageError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_stands_for_the_videos_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path / "b.mp4", tmp_path / "a" / "c.mkv", tmp_path / "notes.txt")
    assert expand_videos([str(tmp_path)]) == [tmp_path / "a" / "c.mkv", tmp_path / "b.mp4"]


def test_a_glob_that_the_shell_left_alone_is_expanded_and_files_come_once(tmp_path: Path) -> None:
    touch(tmp_path / "1.mp4", tmp_path / "2.mp4")
    found = expand_videos([str(tmp_path / "2.mp4"), str(tmp_path / "*.mp4")])
    assert found == [tmp_path / "2.mp4", tmp_path / "1.mp4"]


def test_a_file_whose_name_looks_like_a_glob_is_taken_as_it_is(tmp_path: Path) -> None:
    touch(tmp_path / "cam[1].mp4", tmp_path / "cam1.mp4")
    assert expand_videos([str(tmp_path / "cam[1].mp4")]) == [tmp_path / "cam[1].mp4"]


def test_a_missing_file_is_kept_for_its_own_error(tmp_path: Path) -> None:
    assert expand_videos([str(tmp_path / "gone.mp4")]) == [tmp_path / "gone.mp4"]


@pytest.mark.parametrize("name", ["empty", "*.mp4"])
def test_nothing_found_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        expand_videos([str(tmp_path / name)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("all", [1, 2, 3, 4]), ("0", [0]), ("3,1-2,2", [1, 2, 3]), (" 2 - 4 ", [2, 3, 4])],
)
def test_layers_are_read_from_a_list(text: str, expected: list[int]) -> None:
    assert parse_layers(text, layer_count=4) == expected


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "5", "4-3", "1;2"])
def test_a_bad_list_of_layers_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_layers(text, layer_count=4)
