"""Names and folders of each layout."""

from pathlib import Path, PurePosixPath

import pytest

from hiprobe.datasets.files_found import FoundVideo
from hiprobe.datasets.identify import published
from hiprobe.datasets.known_sets import known_set, known_sets
from hiprobe.datasets.manifest import ManifestRow
from hiprobe.errors import UsageError

FRAMES = (Path("0.jpg"), Path("1.jpg"))


def what(tmp_path: Path, name: str, relative: str) -> ManifestRow | None:
    known = known_set(name)
    is_file = PurePosixPath(relative).suffix in (".mp4", ".avi")
    found = FoundVideo(tmp_path / relative, PurePosixPath(relative), () if is_file else FRAMES)
    return known.identify(found, published(known, tmp_path))


LAYOUTS = """
ucf-crime | Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4 | Abuse028_x264.mp4 | test abuse 1
ucf-crime | Abuse/Abuse001_x264.avi | Abuse001_x264.mp4 | train abuse 1
ucf-crime | all/Normal_Videos_003_x264.mp4 | Normal_Videos_003_x264.mp4 | test normal 0
ucf-crime | all/Normal_Videos001_x264.mp4 | Normal_Videos001_x264.mp4 | train normal 0
xd-violence | 2005-2804/F.1995__#01_label_B2-G-0.mp4 | = | train shooting+explosion 1
xd-violence | videos/v=LJ0Pu5_Mefs__#1_label_G-0-0.mp4 | = | test explosion 1
xd-violence | v/Your.Name.2016__#01-01-20_01-04-00_label_A.mp4 | = | test normal 0
msad | MSAD_normal_training_blur/mall/MSAD_normal_mall1.mp4 | = | train normal 0
msad | MSAD_blur/MSAD_normal_testing_blur/MSAD_normal_testing_7.mp4 | = | test normal 0
msad | MSAD_anomaly_blur/Traffic_accident_12.mp4 | = | test traffic-accident 1
shanghaitech | training/videos/01_001.avi | = | train normal 0
shanghaitech | testing/frames/01_0014 | = | test abnormal 1
avenue | training_videos/16.avi | = | train normal 0
avenue | Avenue Dataset/testing_videos/01.avi | = | test abnormal 1
avenue | testing/frames/08 | = | test abnormal 1
ped2 | UCSDped2/Train/Train001 | 01 | train normal 0
ped2 | UCSDped2/Test/Test012 | 12 | test abnormal 1
ped2 | test/test_07.mp4 | 07 | test abnormal 1
ubnormal | Scene2/abnormal_scene_2_scenario_2.mp4 | = | val abnormal 1
ubnormal | Scene1/normal_scene_1_scenario_9.mp4 | = | - normal 0
fights | noFight/nofi001.mp4 | noFight/nofi001 | - noFight 0
fights | fight/fi001.mp4 | fight/fi001 | - fight 1
car-crash | dataset/BD_choques/choque1.mp4 | dataset/BD_choques/choque1 | - BD_choques 1
car-crash | BD_no_choques/no-choque1.mp4 | BD_no_choques/no-choque1 | - BD_no_choques 0
folder | train/quarrel/a.mp4 | train/quarrel/a | train quarrel 1
"""
"""Set, file, its name in the set (`=`: its own stem), split, class and label."""


@pytest.mark.parametrize("line", LAYOUTS.strip().splitlines())
def test_known_layouts(tmp_path: Path, line: str) -> None:
    name, relative, own, rest = line.split(" | ")
    split, class_name, label = rest.split()
    expected = PurePosixPath(relative).name.removesuffix(PurePosixPath(relative).suffix)
    if "frames/" in relative:
        expected = PurePosixPath(relative).name
    found = what(tmp_path, name, relative)
    assert found is not None
    assert found.name == (expected if own == "=" else own)
    assert (found.split, found.class_name, found.label) == (
        split.strip("-"),
        class_name,
        int(label),
    )


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("ucf-crime", "Abuse/Abuse999_x264.mp4"),
        ("xd-violence", "1-1004/trailer.mp4"),
        ("xd-violence", "1-1004/film_label_Z9.mp4"),
        ("shanghaitech", "training/videos/readme.avi"),
        ("avenue", "01.avi"),
        ("avenue", "testing_videos/22.avi"),
        ("ped2", "UCSDped1/Test/Test001"),
        ("ubnormal", "Scene1/scene_1.mp4"),
        ("folder", "loose.mp4"),
    ],
)
def test_what_does_not_belong(tmp_path: Path, name: str, relative: str) -> None:
    assert what(tmp_path, name, relative) is None


def test_a_film_is_one_source(tmp_path: Path) -> None:
    found = what(tmp_path, "xd-violence", "x/Bad.Boys.1995__#00-01-00_00-02-00_label_A.mp4")
    assert found is not None and found.source == "Bad.Boys.1995"


def test_names_are_known_and_others_refused() -> None:
    names = [n for k in known_sets() for n in (k.name, *k.aliases)]
    assert len(names) == len(set(names)) and known_set("ped2").name == "ucsd-ped2"
    with pytest.raises(UsageError, match="no data set 'ucf'"):
        known_set("ucf")
