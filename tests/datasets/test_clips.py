from pathlib import Path

import pytest

from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.video_files import look_into
from hiprobe.errors import LabelError


def folder(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"never decoded")
    return root


def table(root: Path, text: str) -> Path:
    path = root / "clips.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_class_folders_become_labels_in_a_fixed_order(tmp_path: Path) -> None:
    root = folder(tmp_path, "noFight/b.mp4", "noFight/a.MKV", "fight/deep/c.avi")
    clips = read_clips(root)
    assert [(c.name, c.label, c.class_name) for c in clips] == [
        ("fight/deep/c.avi", 1, "fight"),
        ("noFight/a.MKV", 0, "noFight"),
        ("noFight/b.mp4", 0, "noFight"),
    ]
    assert len({c.source for c in clips}) == 3
    assert all(c.video.is_file() and c.start_seconds is None for c in clips)


def test_hidden_and_other_files_are_skipped(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        "normal/a.mp4",
        "normal/.b.mp4",
        "normal/.trash/c.mp4",
        "normal/notes.txt",
        ".git/d.mp4",
        "abnormal/e.webm",
    )
    assert [c.name for c in read_clips(root)] == ["abnormal/e.webm", "normal/a.mp4"]
    assert [p.name for p in look_into(root / "normal").videos] == ["a.mp4"]


@pytest.mark.parametrize("name", ["Normal", "no_fight", "NoFight", "non-crash", "0", "OK", "neg"])
def test_normal_like_names(tmp_path: Path, name: str) -> None:
    clips = read_clips(folder(tmp_path, f"{name}/a.mp4", "other/b.mp4"))
    assert {c.class_name: c.label for c in clips} == {name: 0, "other": 1}


def test_abnormal_is_not_normal_and_normal_can_be_named(tmp_path: Path) -> None:
    root = folder(tmp_path, "abnormal/a.mp4", "quiet/b.mp4")
    with pytest.raises(LabelError, match="--normal"):
        read_clips(root)
    assert {c.class_name: c.label for c in read_clips(root, normal="Quiet")} == {
        "abnormal": 1,
        "quiet": 0,
    }
    with pytest.raises(LabelError, match="calm"):
        read_clips(root, normal="calm")


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="all 1 clips"):
        read_clips(folder(tmp_path, "normal/a.mp4"))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no videos"):
        read_clips(tmp_path)
    with pytest.raises(LabelError, match="does not exist"):
        read_clips(tmp_path / "absent")


def test_table_with_sources_and_spans(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "Video,Label,Source,start_seconds,end_seconds\n"
        "a.mp4,normal,cam1,0,2.5\n\na.mp4,fight,cam1,2.5,\nsub/b.mp4,fight,,,\n",
    )
    first, second, third = read_clips(path)
    assert (first.start_seconds, first.end_seconds, first.source) == (0.0, 2.5, "cam1")
    assert (second.start_seconds, second.end_seconds) == (2.5, None)
    assert third.source == "sub/b.mp4" and third.video == tmp_path / "sub/b.mp4"
    assert len({c.name for c in (first, second, third)}) == 3


def test_rows_of_one_file_share_a_source_where_none_is_given(tmp_path: Path) -> None:
    path = table(
        tmp_path, "video,label,start_seconds,end_seconds\na.mp4,normal,0,1\na.mp4,fight,1,2\n"
    )
    assert {c.source for c in read_clips(path)} == {"a.mp4"}


def test_semicolons_byte_order_mark_and_a_manifest_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("\ufeffvideo;label\na.mp4;0\nb.mp4;1\n", "utf-8")
    assert [c.label for c in read_clips(tmp_path)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the column video and label"),
        ("video,source\na,b\n", "lacks the column label"),
        ("video,label\na.mp4,\n", "line 2"),
        ("video,label,start_seconds\na.mp4,normal,soon\n", "start_seconds is 'soon'"),
        ("video,label,end_seconds\na.mp4,normal,nan\n", "end_seconds is 'nan'"),
        ("video,label,start_seconds,end_seconds\na.mp4,normal,3,3\n", "is empty"),
        ("video,label\n", "holds no videos"),
    ],
)
def test_bad_tables_name_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        read_clips(table(tmp_path, text))


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(b"\xff\xfe\x00video")
    with pytest.raises(LabelError, match="UTF-8"):
        read_clips(path)


def test_overlap_under_two_labels_is_refused_also_by_another_path(tmp_path: Path) -> None:
    folder(tmp_path, "a.mp4", "sub/x.mp4")
    head = "video,label,start_seconds,end_seconds\n"
    with pytest.raises(LabelError, match="two labels"):
        read_clips(table(tmp_path, head + "a.mp4,normal,0,2\nsub/../a.mp4,fight,1.9,3\n"))
    touching = read_clips(table(tmp_path, head + "a.mp4,normal,0,2\nsub/../a.mp4,fight,2,3\n"))
    same = read_clips(table(tmp_path, head + "a.mp4,fight,0,2\na.mp4,fight,1,3\nb,normal,,\n"))
    assert len(touching) == 2 and len(same) == 3
