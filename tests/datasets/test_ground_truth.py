"""The packaged facts: totals, spans, splits, and that the script still writes them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared_data import published_files

from hiprobe.datasets.ground_truth import dataset_names, load_truth, span_sets, training_videos
from hiprobe.errors import EvaluationError

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "videos", "anomalous", "frames", "positive"),
    [
        ("ucf-crime", 290, 140, 1_111_808, 84_331),
        ("xd-violence", 800, 500, 2_335_801, 538_324),
        ("ucsd-ped2", 12, 12, 2_010, 1_648),
        ("cuhk-avenue", 21, 21, 15_324, 3_867),
        ("shanghaitech", 107, 107, 40_791, 17_326),
        ("ubnormal-val", 64, 38, 28_175, 16_769),
    ],
)
def test_totals(name: str, videos: int, anomalous: int, frames: int, positive: int) -> None:
    truth = load_truth(name)
    labels = truth.labels()
    assert (len(truth.videos), len(labels), int(labels.sum())) == (videos, frames, positive)
    assert sum(bool(v.spans) for v in truth.videos) == anomalous
    for video in truth.videos:
        assert bool(video.spans) == (video.classes != ("normal",))
    assert truth.source


def test_ucf_crime_end_convention_and_span_sets() -> None:
    assert load_truth("ucf-crime", end="half-open").labels().sum() == 84_182
    official, other = load_truth("ucf-crime"), load_truth("ucf-crime", spans="alternative")
    pairs = zip(official.videos, other.videos, strict=True)
    assert sum(a.spans != b.spans for a, b in pairs) == 14
    assert official.end == "inclusive"
    assert span_sets("ucf-crime") == ("official", "alternative")


def test_ucf_crime_training_list() -> None:
    videos = training_videos("ucf-crime")
    assert (len(videos), sum(c == ("normal",) for c in videos.values())) == (1610, 800)
    assert not set(videos) & {v.name for v in load_truth("ucf-crime").videos}


def test_xd_violence_names_that_end_in_mp4_have_their_spans() -> None:
    videos = {v.name: v for v in load_truth("xd-violence").videos}
    assert videos["v=LJ0Pu5_Mefs__#1_label_G-0-0"].spans
    assert videos["v=LJ0Pu5_Mefs__#1_label_G-0-0"].classes == ("explosion",)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"no data set 'ucf'; choose one of .*ucf-crime"):
        load_truth("ucf")
    with pytest.raises(EvaluationError, match=r"test split of ubnormal .* only .* ubnormal-val"):
        load_truth("ubnormal")
    with pytest.raises(EvaluationError, match="no spans 'alternative'; choose official"):
        load_truth("xd-violence", spans="alternative")
    with pytest.raises(EvaluationError, match="choose inclusive or half-open"):
        load_truth("ucf-crime", end="closed")  # type: ignore[arg-type]


def test_the_script_writes_the_packaged_files(tmp_path: Path) -> None:
    folder = published_files()
    script = REPO / "scripts" / "build_ground_truth.py"
    subprocess.run(
        [sys.executable, script, folder, "--out", tmp_path], check=True, capture_output=True
    )
    facts = REPO / "src" / "hiprobe" / "datasets" / "facts"
    for name in dataset_names():
        assert (tmp_path / f"{name}.json").read_text() == (facts / f"{name}.json").read_text()


def test_spans_are_those_of_the_published_annotation() -> None:
    """An independent reading of the official lines, frame by frame."""
    folder, truth = published_files(), load_truth("ucf-crime")
    lines = (folder / "ucf_crime_temporal_annotation.txt").read_text().splitlines()
    for line, video, start in zip(lines, truth.videos, truth.offsets, strict=False):
        name, _, *numbers = line.split()
        expected = np.zeros(video.frames, dtype=bool)
        for a, b in zip(numbers[::2], numbers[1::2], strict=True):
            if int(a) >= 0:
                expected[int(a) : int(b) + 1] = True
        assert name == video.name
        assert (truth.labels()[start : start + video.frames] == expected).all()


def test_the_alternative_spans_are_those_published() -> None:
    rows = json.loads(
        (published_files() / "ucf_crime_frames_and_alternative_spans.json").read_text()
    )
    videos = {v.name: v for v in load_truth("ucf-crime", spans="alternative").videos}
    for row in rows:
        flat = [n for pair in videos[Path(row["video"]).name].spans for n in pair]
        assert flat == [n for n in row["temporal_label"] if n >= 0]
