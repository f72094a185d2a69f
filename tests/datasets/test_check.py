"""`check_dataset` on small trees in the layouts of each set, and on the real ones."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from data_trees import clip, clips, pictures
from shared_data import published_files

from hiprobe.datasets.check_folder import check_dataset
from hiprobe.datasets.findings import CheckReport
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.manifest import manifest_truth
from hiprobe.errors import DatasetError, EvaluationError, LabelError
from hiprobe.progress import ProgressEvent


def check(root: Path, name: str, **settings: Any) -> CheckReport:
    return check_dataset(name, root, kept=root.parent / "kept", **settings)


def found(report: CheckReport, kind: Any) -> list[str]:
    return [f.video for f in report.of(kind)]


@pytest.fixture(scope="module")
def ucf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corner of UCF-Crime as its archives unpack, with the repeated normal videos."""
    root = tmp_path_factory.mktemp("ucf") / "UCF_Crimes"
    names = (
        "Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4",
        "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4",
        "Training-Normal-Videos-Part-1/Normal_Videos001_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
        "Anomaly-Videos-Part-4/notes_about_it.mp4",
    )
    clips(root, names)
    clip(root / "Anomaly-Videos-Part-2/Burglary/Burglary018_x264.mp4", 9, frames=1125)
    extra = root / "Normal_Videos_for_Event_Recognition" / "Normal_Videos_003_x264.mp4"
    extra.parent.mkdir()
    shutil.copy(root / names[3], extra)
    return root


def test_ucf_crime(ucf: Path) -> None:
    report = check(ucf, "ucf-crime")
    assert report.manifest is not None
    rows = {r.name: r for r in report.manifest.rows}
    assert {(r.name, r.split, r.class_name, r.label) for r in rows.values()} == {
        ("Abuse001_x264.mp4", "train", "abuse", 1),
        ("Abuse028_x264.mp4", "test", "abuse", 1),
        ("Burglary018_x264.mp4", "test", "burglary", 1),
        ("Normal_Videos001_x264.mp4", "train", "normal", 0),
        ("Normal_Videos_003_x264.mp4", "test", "normal", 0),
    }
    assert "Normal-Videos-Part" not in str(rows["Normal_Videos_003_x264.mp4"].video)
    assert found(report, "copy") == [
        "Normal_Videos_for_Event_Recognition/Normal_Videos_003_x264.mp4"
    ]
    assert found(report, "unknown") == ["Anomaly-Videos-Part-4/notes_about_it.mp4"]
    assert len(report.of("missing")) == 1900 - 5 and report.exit_code == 12
    differ = {f.video.split("/")[-1]: f.text for f in report.of("frames")}
    assert differ["Abuse028_x264.mp4"] == "12 frames, published 1412 (-1400)"
    assert "Burglary018_x264.mp4" not in differ
    assert "Abuse001_x264.mp4" not in differ  # no frame counts are published for training
    assert found(report, "spans") == ["Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4"]
    assert report.of("count")[0].text == "2 videos, published 1610"


def test_ucf_crime_span_sets(ucf: Path) -> None:
    other = {v.name: v for v in load_truth("ucf-crime", spans="alternative").videos}
    official = {v.name: v for v in load_truth("ucf-crime").videos}
    name = "Burglary018_x264.mp4"

    def spans(**settings: Any) -> tuple[tuple[int, int], ...]:
        manifest = check(ucf, "ucf-crime", splits=["test"], **settings).manifest
        assert manifest is not None
        return next(r.spans for r in manifest.rows if r.name == name)

    ((start, end),) = official[name].spans
    assert spans() == ((start, end + 1),)
    assert spans(end="half-open") == ((start, end),)
    assert other[name].spans != official[name].spans
    assert spans(spans="alternative") == tuple((a, b + 1) for a, b in other[name].spans)
    with pytest.raises(EvaluationError, match="choose official or alternative"):
        spans(spans="other")
    with pytest.raises(DatasetError, match="leave --spans away"):
        check(ucf, "msad", spans="alternative")


def test_one_split_only(ucf: Path) -> None:
    report = check(ucf, "ucf-crime", splits=["train"], quick=True)
    assert report.counts == {"train": 2} and report.published == {"train": 1610}
    assert len(report.of("missing")) == 1608


def test_xd_violence(tmp_path: Path) -> None:
    root = tmp_path / "XD"
    # its line in the annotation ends in .mp4
    marked = "v=Q9Re4CnFJRg__#00-01-21_00-01-47_label_G-0-0"
    clips(
        root,
        (
            "1-1004/Film.1995__#00-01-00_00-02-00_label_B1-0-0.mp4",
            "1005-2004/Film.1995__#00-05-00_00-06-00_label_A.mp4",
            "videos/Young.And.Dangerous.II.1996__#0-53-25_0-54-20_label_A.mp4",
        ),
    )
    clip(root / "videos" / f"{marked}.mp4", 7, frames=624)
    report = check(root, "xd-violence")
    assert report.manifest is not None
    rows = {r.name: r for r in report.manifest.rows}
    assert (rows[marked].split, rows[marked].spans) == ("test", ((53, 263), (460, 615)))
    normal = rows["Young.And.Dangerous.II.1996__#0-53-25_0-54-20_label_A"]
    assert (normal.split, normal.label, normal.spans) == ("test", 0, ())
    train = [r for r in rows.values() if r.split == "train"]
    assert {(r.class_name, r.source) for r in train} == {
        ("fighting", "Film.1995"),
        ("normal", "Film.1995"),
    }
    assert found(report, "leak") == []
    assert len(report.of("missing")) == 798  # of training no list is published
    assert {f.video for f in report.of("count")} == {"train", "test"}
    late = "Young.And.Dangerous.II.1996__#0-54-10_0-55-00_label_B1-0-0"
    clip(root / "1-1004" / f"{late}.mp4", 30)
    (leak,) = check(root, "xd-violence").of("leak")
    assert "10 s of the film are in both" in leak.text
    (shared,) = check(root, "xd-violence").of("shared")
    assert shared.video == "Young.And.Dangerous.II.1996"


def ped2(root: Path, **changes: int) -> Path:
    """UCSD Ped2 as its archive unpacks, complete; `test_01=170` leaves frames away."""
    for v in load_truth("ucsd-ped2").videos:
        frames = changes.get(f"test_{v.name}", v.frames)
        pictures(
            root / "Test" / f"Test0{v.name}", int(v.name), frames=frames, suffix=".tif", first=1
        )
    pictures(root / "Test" / "Test001_gt", 0, frames=3, suffix=".bmp")
    for n in range(1, 17):
        pictures(root / "Train" / f"Train0{n:02d}", 100 + n, frames=3, suffix=".tif", first=1)
    return root


def test_ped2_as_pictures_is_whole(tmp_path: Path) -> None:
    root = ped2(tmp_path / "UCSDped2")
    report = check(root, "ucsd-ped2", quick=True)
    assert report.exit_code == 0 and not report.findings
    assert report.counts == report.published == {"train": 16, "test": 12}
    assert report.manifest is not None
    truth = manifest_truth(report.manifest, split="test")
    assert (truth.labels() == load_truth("ucsd-ped2").labels()).all() and truth.fps == 10
    (root / "Test" / "Test003" / "020.tif").unlink()
    (root / "Test" / "Test004" / "001.tif").write_bytes(b"no picture")
    shutil.rmtree(root / "Test" / "Test005")
    broken = check(root, "ucsd-ped2")
    assert found(broken, "damaged") == ["Test/Test003"]
    assert broken.of("damaged")[0].text.endswith("lacks 1 pictures, the first is number 20")
    assert found(broken, "frames") == ["Test/Test003"]
    assert found(broken, "unreadable") == ["Test/Test004"]
    assert found(broken, "missing") == ["05"] and broken.exit_code == 12


def test_ped2_frame_counts_alone_differ(tmp_path: Path) -> None:
    report = check(ped2(tmp_path / "UCSDped2", test_01=170), "ucsd-ped2", quick=True)
    assert [f.text for f in report.of("frames")] == ["170 frames, published 180 (-10)"]
    assert report.exit_code == 13
    assert report.manifest is not None
    cut = next(r for r in report.manifest.rows if (r.split, r.name) == ("test", "01"))
    assert cut.spans == ((60, 170),)


def test_avenue_and_shanghaitech_layouts(tmp_path: Path) -> None:
    avenue = tmp_path / "Avenue Dataset"
    clips(avenue, ("training_videos/01.avi", "testing_videos/01.avi"), frames=30)
    pictures(avenue / "testing_videos_frame" / "01", 1, frames=20)
    clip(avenue / "testing_videos" / "08.avi", 5, frames=36)
    report = check(avenue, "avenue")
    assert report.manifest is not None and report.manifest.dataset == "cuhk-avenue"
    assert {(r.split, r.name, r.frame_count) for r in report.manifest.rows} == {
        ("train", "01", 30),
        ("test", "01", 30),
        ("test", "08", 36),
    }
    assert found(report, "copy") == ["testing_videos_frame/01"]
    assert next(r.spans for r in report.manifest.rows if r.name == "08") == ((20, 30),)

    shanghai = tmp_path / "shanghaitech"
    clip(shanghai / "training" / "videos" / "01_001.avi", 1)
    pictures(shanghai / "testing" / "frames" / "01_0063", 2, frames=193)
    report = check(shanghai, "shanghaitech", quick=True)
    assert report.manifest is not None
    train, test = sorted(report.manifest.rows, key=lambda r: r.label)
    assert (train.name, train.split, test.name, test.split) == (
        "01_001",
        "train",
        "01_0063",
        "test",
    )
    assert test.spans == ((80, 151),) and test.video.is_dir() and test.fps == 24


def test_ubnormal_splits_come_from_the_lists(tmp_path: Path) -> None:
    root = tmp_path / "UBnormal"
    names = ("abnormal_scene_2_scenario_2", "normal_scene_1_scenario_9")
    clips(root, [f"Scene1/{n}.mp4" for n in names])
    pictures(
        root / "Scene1" / "abnormal_scene_2_scenario_2_annotations", 0, frames=3, suffix=".png"
    )
    bare = check(root, "ubnormal")
    assert found(bare, "unsplit") == [names[1]] and bare.counts == {"val": 1, "": 1}
    (root / "scripts").mkdir()
    (root / "scripts" / "normal_training_video_names.txt").write_text(f"{names[1]}\n")
    (root / "scripts" / "abnormal_validation_video_names.txt").write_text(f"{names[0]}\nabnormal_x")
    listed = check(root, "ubnormal")
    assert listed.counts == {"val": 1, "train": 1} and not listed.of("unsplit")
    assert found(listed, "missing") == ["abnormal_x"]


def test_msad_with_its_annotation_and_lists(tmp_path: Path) -> None:
    root = tmp_path / "MSAD Dataset"
    clips(
        root,
        (
            "MSAD_normal_training_blur/mall/MSAD_normal_mall1.mp4",
            "MSAD_normal_testing_blur/MSAD_normal_testing_1.mp4",
            "MSAD_anomaly_blur/Fire_1.mp4",
            "MSAD_anomaly_blur/Fire_2.mp4",
        ),
    )
    (root / "anomaly_annotation.csv").write_text(
        "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly\n"
        "Fire_1,shop,12,4,12\nFire_2,shop,20,2,9\n"
    )
    report = check(root, "msad")
    assert report.manifest is not None
    rows = {r.name: r for r in report.manifest.rows}
    assert {n: (r.split, r.spans) for n, r in rows.items()} == {
        "MSAD_normal_mall1": ("train", ()),
        "MSAD_normal_testing_1": ("test", ()),
        "Fire_1": ("test", ((3, 12),)),
        "Fire_2": ("test", ((1, 9),)),
    }
    assert report.manifest.end == "inclusive"
    shorter = check(root, "msad", end="half-open")
    assert shorter.manifest is not None
    assert [r.spans for r in shorter.manifest.rows if r.spans] == [((3, 11),), ((1, 8),)]
    assert [f.text for f in report.of("frames")] == ["12 frames, published 20 (-8)"]
    assert report.published == {"train": 360, "test": 360}
    (root / "msad-i3d-train.list").write_text("/scratch/x/Fire_1_i3d.npy\n")
    weak = check(root, "msad")
    assert weak.manifest is not None and weak.published == {"train": 480, "test": 240}
    assert {r.name: r.split for r in weak.manifest.rows}["Fire_1"] == "train"
    (root / "anomaly_annotation.csv").write_text(
        "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly\n"
        "Fire_1,shop,12,0,11\n"
    )
    with pytest.raises(DatasetError, match="counts from 1"):
        check(root, "msad")
    (root / "anomaly_annotation.csv").write_text("name\nFire_1\n")
    with pytest.raises(DatasetError, match="line 2: KeyError"):
        check(root, "msad")


def test_a_span_of_msad_that_holds_no_frame_is_named(tmp_path: Path) -> None:
    clips(tmp_path, ("MSAD_anomaly_blur/Fire_1.mp4", "MSAD_anomaly_blur/Fire_2.mp4"))
    (tmp_path / "anomaly_annotation.csv").write_text(
        "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly\n"
        "Fire_1,shop,12,9,4\nFire_2,shop,12,40,60\n"
    )
    report = check(tmp_path, "msad")
    assert sorted(f.text.partition(";")[0] for f in report.of("spans")) == [
        "spans 39-60 of 12 frames",
        "spans 8-4 of 12 frames",
    ]


def test_own_folder_with_spans_in_seconds(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("normal/a.mp4", "quarrel/b.mp4", "quarrel/sub/c.mp4"), frames=50)
    (root / "spans.csv").write_text(
        "video,start_seconds,end_seconds\nquarrel/b.mp4,0.5,1.0\nquarrel/b.mp4,1.2,9\n"
    )
    report = check(root, "folder")
    assert report.exit_code == 0 and report.manifest is not None
    rows = {r.name: r for r in report.manifest.rows}
    assert rows["quarrel/b"].spans == ((13, 25), (30, 50))
    assert rows["quarrel/b"].fps == 25 and not rows["quarrel/sub/c"].annotated
    (root / "spans.csv").write_text("video,start_frame,end_frame\nnormal/a.mp4,1,5\n")
    assert found(check(root, "folder"), "spans") == ["normal/a.mp4"]
    for text, words in (
        ("video,start\n", "needs"),
        ("video,start_frame,end_frame\nnormal/a.mp4,x,5\n", "line 2: 'x' is no number"),
        ("video,start_frame,end_frame\nnormal/a.mp4,5,5\n", "5 to 5 is empty"),
    ):
        (root / "spans.csv").write_text(text)
        with pytest.raises(LabelError, match=words):
            check(root, "folder")


def test_own_videos_with_spans_alone(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("a.mp4", "b.mp4", "test/c.mp4"), frames=20)
    (root / "spans.csv").write_text("video,start_frame,end_frame\nb.mp4,2,9\nz.mp4,1,2\n")
    report = check(root, "folder")
    assert report.manifest is not None and found(report, "missing") == ["z.mp4"]
    assert {(r.name, r.split, r.class_name, r.spans) for r in report.manifest.rows} == {
        ("a", "", "normal", ()),
        ("b", "", "abnormal", ((2, 9),)),
        ("test/c", "test", "normal", ()),
    }


def test_own_folder_with_a_manifest(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("x/a.mp4", "x/b.mp4"), frames=20)
    (root / "manifest.csv").write_text(
        "video,label,split,source,spans,frames\nx/a.mp4,normal,train,cam1,,20\n"
        "x/b.mp4,fight,test,cam1,3-9,21\nx/c.mp4,fight,test,cam2,,\n"
    )
    report = check(root, "folder")
    assert found(report, "missing") == ["x/c.mp4"] and found(report, "source") == ["cam1"]
    assert [f.text for f in report.of("frames")] == ["20 frames, published 21 (-1)"]
    assert report.manifest is not None and report.manifest.rows[1].spans == ((3, 9),)
    clip(root / "x" / "new.mp4", 8)
    assert found(check(root, "folder"), "unknown") == ["x/new.mp4"]


def test_a_manifest_may_name_files_elsewhere_and_picture_folders(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    video = clip(tmp_path / "disk" / "a.mp4", 1, frames=20)
    pictures(root / "frames" / "b", 2, frames=15)
    (root / "manifest.csv").write_text(
        f"video,label,spans\n{video},normal,\nframes/b,fight,3-9\n{tmp_path}/c.mp4,fight,\n"
    )
    report = check(root, "folder")
    assert found(report, "missing") == [str(tmp_path / "c.mp4")]
    assert report.manifest is not None
    assert [r.frame_count for r in report.manifest.rows] == [20, 15]


def test_a_copy_in_another_split_is_a_leak(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("train/normal/a.mp4", "train/fight/b.mp4", "test/fight/c.mp4"), frames=40)
    clip(root / "test" / "fight" / "again.mp4", 1, frames=40, crf=33, fps=30)
    report = check(root, "folder")
    (leak,) = report.of("leak")
    assert leak.video == "test/fight/again"
    assert leak.text.startswith("the same recording as train/fight/b (likeness 0.9")
    assert report.exit_code == 14


def test_copies_in_one_split_are_a_remark(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("normal/a.mp4", "fight/b.mp4"), frames=40)
    clip(root / "fight" / "again.mp4", 1, frames=40, crf=33)
    report = check(root, "folder")
    assert len(report.of("alike")) == 1 and report.exit_code == 0


def test_one_video_in_the_folders_of_two_splits(tmp_path: Path) -> None:
    root = tmp_path / "ucf"
    clips(root, ("Train/Abuse/Abuse001_x264.mp4", "Test/Abuse/Abuse001_x264.mp4"))
    clips(root, ("Test/Abuse/Abuse002_x264.mp4",))
    report = check(root, "ucf-crime")
    assert len(report.of("overlap")) == 1
    assert found(report, "placed")[-1] == "Test/Abuse/Abuse002_x264.mp4"


def test_broken_files_are_named(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("normal/a.mp4", "fight/cut.mkv", "fight/empty.mp4"), frames=60)
    (root / "fight" / "empty.mp4").write_bytes(b"")
    whole = (root / "fight" / "cut.mkv").read_bytes()
    (root / "fight" / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    for quick in (True, False):
        report = check(root, "folder", quick=quick)
        assert found(report, "unreadable") == ["fight/empty.mp4"]
        assert found(report, "damaged") == ["fight/cut.mkv"]
        assert report.exit_code == 12 and report.manifest is not None
        assert [r.name for r in report.manifest.rows] == ["fight/cut", "normal/a"]


def test_an_interrupted_check_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, [f"{k}/{i}.mp4" for k in ("normal", "fight") for i in range(3)])

    def stop(event: ProgressEvent) -> None:
        if event.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(root, "folder", progress=stop)
    (log,) = (tmp_path / "kept").iterdir()
    log.write_text(log.read_text()[:-20])  # as after a crash in the middle of a line
    events: list[ProgressEvent] = []
    report = check(root, "folder", progress=events.append)
    assert (events[0].skipped, events[0].total, len(events)) == (3, 6, 3)
    events.clear()
    assert check(root, "folder", progress=events.append) == report and not events
    check(root, "folder", progress=events.append, quick=True)
    assert not events  # what was decoded in full serves a quick check
    clip(root / "fight" / "1.mp4", 77, frames=20)
    check(root, "folder", progress=events.append)
    assert [e.name for e in events] == ["1.mp4"]


def test_a_quick_check_does_not_serve_a_full_one(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    clips(root, ("normal/a.mp4", "fight/b.mp4"))
    events: list[ProgressEvent] = []
    quick = check(root, "folder", quick=True)
    full = check(root, "folder", progress=events.append)
    assert len(events) == 2 and full.manifest == quick.manifest and quick.quick


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    clips(tmp_path / "x", ("a.mp4",))
    with pytest.raises(DatasetError, match=r"holds nothing of UCF-Crime.*1 videos[\s\S]*crcv\.ucf"):
        check(tmp_path / "x", "ucf-crime")
    pictures(tmp_path / "y" / "Train" / "Abuse", 0, frames=5, suffix=".png")
    with pytest.raises(DatasetError, match="1 are folders of pictures: extracts"):
        check(tmp_path / "y", "ucf-crime")


def test_the_real_ped2(tmp_path: Path) -> None:
    root = published_files().parent / "ucsd_ped2"
    report = check_dataset("ucsd-ped2", root, quick=True, kept=tmp_path)
    assert report.counts == {"train": 16, "test": 12} and not report.findings
    assert report.manifest is not None
    truth = manifest_truth(report.manifest, split="test")
    assert (truth.labels() == load_truth("ucsd-ped2").labels()).all()
