"""Manifests: what they refuse, and that both formats keep all of it."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared_data import published_files

from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.manifest import (
    Manifest,
    ManifestRow,
    manifest_clips,
    manifest_truth,
    read_manifest,
    write_manifest,
)
from hiprobe.errors import EvaluationError, LabelError, UsageError


def rows(root: Path) -> tuple[ManifestRow, ...]:
    return (
        ManifestRow(root / "a b.mp4", 'v=1__#0, "x"', "quiet", 0, "train", "film", 10, 24.0),
        ManifestRow(
            root / "sub" / "c.avi",
            "c",
            "riot+abuse",
            1,
            "test",
            "",
            50,
            29.97003,
            ((2, 5), (7, 50)),
        ),
        ManifestRow(Path("/elsewhere/d.mp4"), "d", "riot", 1, "test"),
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_both_formats_keep_everything(tmp_path: Path, suffix: str) -> None:
    manifest = Manifest("mine", rows(tmp_path), "alternative", "inclusive", "1 %, seed 0")
    file = tmp_path / f"m.{suffix}"
    write_manifest(manifest, path=file)
    assert read_manifest(path=file) == manifest


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_folder_can_be_moved_with_its_manifest(tmp_path: Path, suffix: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    write_manifest(Manifest("mine", rows(old)), path=old / f"m.{suffix}")
    old.rename(new)
    videos = [r.video for r in read_manifest(path=new / f"m.{suffix}").rows]
    assert videos == [new / "a b.mp4", new / "sub" / "c.avi", Path("/elsewhere/d.mp4")]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_is_clips_to_fit_on(tmp_path: Path, suffix: str) -> None:
    manifest = Manifest("mine", rows(tmp_path))
    write_manifest(manifest, path=tmp_path / f"m.{suffix}")
    with pytest.raises(LabelError, match=r"normal; .*split train; left out: 2 test"):
        read_clips(tmp_path / f"m.{suffix}")
    found = read_clips(tmp_path / f"m.{suffix}", split="all")
    # "quiet" is no name that says normal: the label does
    assert [(c.class_name, c.label, c.source) for c in found] == [
        ("quiet", 0, "film"),
        ("riot+abuse", 1, "c"),
        ("riot", 1, "d"),
    ]
    assert [c.video for c in found] == [r.video for r in manifest.rows]
    assert [c.label for c in manifest_clips(manifest, split="test")] == [1, 1]


def test_truth_of_a_split(tmp_path: Path) -> None:
    known = replace(Manifest("mine", rows(tmp_path)), rows=rows(tmp_path)[:2])
    truth = manifest_truth(known)
    assert truth.labels().sum() == 3 + 43 and len(truth.labels()) == 60
    assert [v.classes for v in truth.videos] == [("normal",), ("riot", "abuse")]
    assert manifest_truth(known, split="test").fps == pytest.approx(29.97003)
    with pytest.raises(EvaluationError, match="d has no frame count"):
        manifest_truth(Manifest("mine", rows(tmp_path)))
    with pytest.raises(EvaluationError, match="no videos in the split 'val'"):
        manifest_truth(known, split="val")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"label": 2}, "labels are 0"),
        ({"split": "dev"}, "splits train, val, test"),
        ({"frame_count": 0}, "0 frames"),
        ({"fps": float("nan")}, "nan frames a second"),
        ({"label": 0, "spans": ((1, 2),)}, "is normal, but has abnormal spans"),
        ({"spans": ((1, 11),)}, "span 1-11 does not fit into 10 frames"),
        ({"spans": ((3, 3),)}, "span 3-3"),
        ({"name": ""}, "empty"),
    ],
)
def test_rows_that_contradict_themselves(values: dict[str, object], words: str) -> None:
    good = ManifestRow(Path("a.mp4"), "a", "fight", 1, frame_count=10)
    assert not good.annotated and good.source == "a"
    with pytest.raises(LabelError, match=words):
        replace(good, **values)  # type: ignore[arg-type]


def test_names_and_paths_are_unique_but_for_splits(tmp_path: Path) -> None:
    one = ManifestRow(tmp_path / "train/01.avi", "01", "normal", 0, "train")
    Manifest("avenue", (one, replace(one, video=tmp_path / "test/01.avi", split="test")))
    with pytest.raises(LabelError, match=r"has name .* twice"):
        Manifest("avenue", (one, replace(one, video=tmp_path / "x.avi")))
    with pytest.raises(LabelError, match=r"has video .* twice"):
        Manifest("avenue", (one, replace(one, name="02")))
    with pytest.raises(LabelError, match="no rows"):
        Manifest("avenue", ())


def test_a_table_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "\ufeffVideo,Label,spans,frames\nx/a.mp4,noFight,,\nb.mp4,fight,2-5;8-9,20\n\n", "utf-8"
    )
    manifest = read_manifest(path=tmp_path / "mine.csv")
    assert manifest.dataset == "mine"
    first, second = manifest.rows
    assert (first.label, first.class_name, first.name) == (0, "noFight", "x/a")
    assert second.spans == ((2, 5), (8, 9)) and second.frame_count == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,split\na,train\n", "needs video and label"),
        ("video,label,start_seconds\na,1,2\n", "lists stretches"),
        ("video,label\na,\n", "line 2: video 'a', label ''"),
        ("video,label,frames\na,fight,many\n", "line 2: invalid literal"),
        ("video,label,spans\na,fight,2:5\n", "line 2: spans '2:5'"),
        ("video,label,split\na,fight,dev\n", "line 2: a: label 1, split 'dev'"),
        ("video,label,format\na,fight,hiprobe-manifest 9\n", "is 'hiprobe-manifest 9'"),
        ("video,label,end\na,fight,closed\n", "end is 'closed'"),
        ("video,label,dataset\na,fight,x\nb,fight,y\n", "must be the same in every row"),
        ("video,label\n", "has no rows"),
    ],
)
def test_bad_tables_name_the_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(LabelError, match=words):
        read_manifest(path=tmp_path / "m.csv")


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="does not exist"):
        read_manifest(path=tmp_path)
    (tmp_path / "m.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(LabelError, match="as Parquet"):
        read_manifest(path=tmp_path / "m.parquet")
    pq.write_table(pa.table({"video": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(LabelError, match="is no manifest"):
        read_manifest(path=tmp_path / "other.parquet")
    with pytest.raises(UsageError, match=r"ends in '.txt'"):
        write_manifest(Manifest("mine", rows(tmp_path)), path=tmp_path / "m.txt")


def test_the_real_tables_are_manifests() -> None:
    ped2 = read_manifest(path=published_files().parent / "ucsd_ped2")
    truth = manifest_truth(ped2)
    assert (ped2.dataset, len(truth.labels()), truth.labels().sum()) == ("ucsd_ped2", 4560, 1648)
    fights = read_manifest(path=published_files().parent / "fights" / "manifest.csv")
    assert sum(r.label for r in fights.rows) == 116
