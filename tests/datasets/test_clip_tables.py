"""What a table of clips says, and what is said of a table: frames, splits, classes, columns."""

from pathlib import Path

import numpy as np
import pytest
from video_parts import make_clip

from hiprobe.datasets.clips import looks_normal, read_clips, read_labelled, says_normal
from hiprobe.datasets.video_files import look_into, untimed_words, without_ending
from hiprobe.datasets.video_tables import meant_by
from hiprobe.errors import LabelError, UsageError
from hiprobe.video.decode import FrameReader

HEAD = "video,label,start_frame,end_frame\n"


def table(folder: Path, text: str) -> Path:
    path = folder / "clips.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("start", "end"), [(0, 1), (3, 9), (9, 12), (5, None), (None, 7)])
def test_frames_of_a_table_are_those_frames(
    tmp_path: Path, start: int | None, end: int | None
) -> None:
    # a camera that drops frames: number by rate would give others
    rng = np.random.default_rng(1)
    ticks = np.cumsum(rng.integers(20, 400, size=12)).tolist()
    video = make_clip(tmp_path / "a.mkv", ticks=ticks)
    row = f"a.mkv,normal,{'' if start is None else start},{'' if end is None else end}\n"
    (clip, _) = read_clips(table(tmp_path, HEAD + row + "b.mkv,fight,,\n"))
    seconds = [f.seconds for f in FrameReader(video)]
    inside = FrameReader(video, start_seconds=clip.start_seconds, end_seconds=clip.end_seconds)
    assert [f.seconds for f in inside] == seconds[start:end]


def test_frames_beyond_the_end_are_told_and_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", ticks=range(0, 480, 40))
    found = read_labelled(table(tmp_path, HEAD + "a.mkv,normal,3,99\nb.mkv,fight,,\n"))
    assert [r for r in found.remarks if "end_frame is 99" in r and "has 12 frames" in r]
    assert found.clips[0].end_seconds is None
    with pytest.raises(LabelError, match=r"line 2: the stretch begins at frame 12, .* 0 to 11"):
        read_clips(table(tmp_path, HEAD + "a.mkv,normal,12,15\nb.mkv,fight,,\n"))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("1.5,3,,", "whole numbers"),
        ("3,3,,", "3 to 3 in frames is empty"),
        ("3,9,0,1", "in seconds and in frames"),
        (",soon,,", "end_frame is 'soon'"),
    ],
)
def test_senseless_frames_are_refused(tmp_path: Path, cells: str, words: str) -> None:
    head = "video,label,start_frame,end_frame,start_seconds,end_seconds\n"
    with pytest.raises(LabelError, match=words):
        read_clips(table(tmp_path, head + f"a.mkv,normal,{cells}\nb.mkv,fight,,,,\n"))


def test_columns_that_are_not_used_are_named_with_what_they_may_mean(tmp_path: Path) -> None:
    path = table(tmp_path, "video,label,start,end,group,colour\na,normal,0,1,g,\nb,fight,,,,\n")
    (remark,) = read_labelled(path).remarks
    assert "4 columns are not used" in remark and ", colour" in remark
    assert "start (did you mean start_seconds or start_frame?)" in remark
    assert "end (did you mean end_seconds or end_frame?)" in remark
    assert "group (did you mean source?)" in remark
    assert all(c.start_seconds is None for c in read_clips(path))
    with pytest.raises(LabelError, match="is file what is meant by video"):
        read_clips(table(tmp_path, "file,label\na,normal\n"))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("lable", "label"),
        ("Sources", "source"),
        ("start seconds", "start_seconds"),
        ("end_secs", "end_seconds"),
        ("frame_start", "start_frame"),
        ("camera_id", "source"),
        ("partition", "split"),
    ],
)
def test_near_misses_are_known(name: str, column: str) -> None:
    assert meant_by(name) == (column,)
    assert meant_by("temperature") == ()


def test_the_train_split_is_taken_and_the_rest_counted(tmp_path: Path) -> None:
    rows = "a,normal,train\nb,fight,Train\nc,fight,test\nd,normal,\n"
    path = table(tmp_path, "video,label,split\n" + rows)
    found = read_labelled(path)
    assert [c.name for c in found.clips] == ["a", "b"]
    assert found.remarks == (
        "taken: 2 clips of the split train; left out: 1 without a split, 1 test; choose with "
        "--split",
    )
    assert len(read_clips(path, split="all")) == 4
    with pytest.raises(LabelError, match="no rows of the split val; its splits are test, train"):
        read_clips(path, split="val")
    with pytest.raises(UsageError, match="split 'tset'"):
        read_clips(path, split="tset")
    assert len(read_clips(table(tmp_path, "video,label,split\na,normal,\nb,fight,\n"))) == 2


@pytest.mark.parametrize(
    ("name", "normal", "odd"),
    [
        ("Normal_Videos_event", True, True),
        ("Training_Normal_Videos_Anomaly", True, True),
        ("Testing_Normal_Videos_Anomaly", True, True),
        ("Training-Normal-Videos-Part-1", True, True),
        ("MSAD_normal_training", True, True),
        ("trainNormal", True, True),
        ("bd_no_choques", True, False),
        ("NonFight", True, False),
        ("abnormal", False, False),
        ("Abnormal_Videos", False, False),
        ("ab-normal", False, False),
        ("not normal", False, True),
        ("paranormal", False, True),
        ("Anomaly-Videos-Part-1", False, False),
    ],
)
def test_published_names_of_classes(name: str, normal: bool, odd: bool) -> None:
    assert looks_normal(name) == normal
    assert says_normal(name) == odd


def test_several_normal_classes_and_a_warning_where_a_name_says_normal(tmp_path: Path) -> None:
    text = "video,label\na,quiet\nb,calm\nc,fight\nd,not normal\n"
    found = read_labelled(table(tmp_path, text), normal=("Quiet", "calm"))
    assert found.classes(0) == ("calm", "quiet") and found.classes(1) == ("fight", "not normal")
    (remark,) = found.remarks
    assert remark.startswith("warning: the class not normal counts as abnormal")
    assert read_clips(table(tmp_path, text), normal="quiet")[1].label == 1


def test_endings_are_known_whatever_their_case(tmp_path: Path) -> None:
    names = ["a.MP4", "b.h264", "c.H265", "d.dav", "e.Mts", "f.vob", "g.y4m", "h.gif", "i.ts"]
    for name in [*names, "notes.txt"]:
        (tmp_path / name).write_bytes(b"x")
    assert [p.name for p in look_into(tmp_path).videos] == sorted(names)
    assert "2 files (.h264, .h265)" in untimed_words(look_into(tmp_path).videos)[0]
    assert untimed_words([tmp_path / "a.MP4"]) == []
    assert without_ending("a.b.MP4.mp4") == "a.b" and without_ending("2026.11.28") == "2026.11.28"
    assert without_ending("x.mov.npy", ".npy") == "x"


def test_a_video_under_an_unknown_ending_is_named(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", ticks=range(0, 480, 40)).rename(tmp_path / "a.rec")
    make_clip(tmp_path / "b.ts", ticks=range(0, 480, 40)).rename(tmp_path / "b")
    (tmp_path / "c.rec").write_bytes(b"\0" * 4096)
    found = look_into(tmp_path)
    assert not found.videos and [p.name for p in found.skipped] == ["a.rec", "b"]
    assert "skipped: 2 files (.rec, no ending)" in found.remarks()[0]
