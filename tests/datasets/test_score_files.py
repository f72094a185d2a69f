"""Score files of each format, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_data import published_files

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.score_files import read_scores
from hiprobe.errors import EvaluationError
from hiprobe.evaluation.evaluate_scores import evaluate_frames
from hiprobe.evaluation.frame_scores import join_frames
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.timeline import Timeline

TRUTH = Truth(
    name="two",
    videos=(VideoTruth("a.b.mp4", 5, ((1, 3),), ("fight",)), VideoTruth("c", 3, ())),
    fps=2.0,
)
FRAMES = {"a.b.mp4": [0.1, 0.1, 0.2, 0.2, 0.3], "c": [0.4, 0.4, 0.5]}
SEGMENTS = {"a.b": [[0, 2, 0.1], [2, 4, 0.2], [4, 5, 0.3]], "x/c.mp4": [[0, 2, 0.4], [2, 3, 0.5]]}


def read(path: Path, **settings: Any) -> dict[str, list[float]]:
    return {k: v.tolist() for k, v in read_scores(path, truth=TRUTH, **settings).items()}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_folder_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.b.npy", np.array(FRAMES["a.b.mp4"])[:, None])
    np.save(tmp_path / "c.mp4.npy", FRAMES["c"])
    assert read(tmp_path) == FRAMES


def test_one_array_of_all_videos(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.concatenate(list(FRAMES.values())))
    assert read(tmp_path / "all.npy") == FRAMES
    np.save(tmp_path / "parts.npy", [0.1, 0.2, 0.3, 0.4, 0.5])
    assert read(tmp_path / "parts.npy", repeat=2) == FRAMES
    np.save(tmp_path / "short.npy", np.zeros(7))
    with pytest.raises(EvaluationError, match="7 frames, but 8 are expected: 1 too few"):
        read(tmp_path / "short.npy")


def test_arrays_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"a.b": FRAMES["a.b.mp4"], "c": FRAMES["c"]})
    assert read(tmp_path / "s.npz") == FRAMES


def test_segments_in_json(tmp_path: Path) -> None:
    assert read(write(tmp_path / "s.json", SEGMENTS)) == FRAMES


def test_plain_lists_with_a_repeat(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", {"a.b": [0.1, 0.2, 0.3], "c": [0.4, 0.5]})
    assert read(path, repeat=2) == FRAMES
    with pytest.raises(EvaluationError, match=r"a.b.mp4: 3 frames, but 5 are expected: 2 too few"):
        read(path)


@pytest.mark.parametrize(("unit", "step"), [("frame", 1), ("seconds", 0.5)])
def test_segments_in_csv(tmp_path: Path, unit: str, step: float) -> None:
    lines = [f"video,start_{unit},end_{unit},score"]
    for name, rows in SEGMENTS.items():
        lines += [f"{name},{a * step},{b * step},{s}" for a, b, s in rows]
    assert read(write(tmp_path / "s.csv", "\n".join(lines))) == FRAMES


def test_plain_scores_in_csv(tmp_path: Path) -> None:
    lines = ["video,score", *(f"{n},{s}" for n, own in FRAMES.items() for s in own)]
    assert read(write(tmp_path / "s.csv", "\n".join(lines))) == FRAMES


def test_own_detections(tmp_path: Path) -> None:
    for name, rows in SEGMENTS.items():
        starts, ends, scores = np.array(rows, dtype=np.float64).T
        timeline = Timeline(starts / 2, ends / 2, scores + 1, scores, 0.5, 0.4, ())
        write_json(
            timeline_document(timeline, video=name, probe={}), tmp_path / f"{name[-3:]}.json"
        )
    write(tmp_path / "hiprobe-run.json", {"format": "other"})
    assert read(tmp_path) == FRAMES


def detection(video: str, score: float) -> dict[str, Any]:
    start, end, own = (np.array([v]) for v in (0.0, 1.0, score))
    timeline = Timeline(start, end, own, own, 0.5, 0.4, ())
    return timeline_document(timeline, video=video, probe={})


def test_own_detections_of_videos_of_one_name_stay_apart(tmp_path: Path) -> None:
    truth = Truth("own", tuple(VideoTruth(n, 30, ()) for n in ("fight/1", "normal/1")))
    write_json(detection("/data/fight/1.mp4", 0.9), tmp_path / "1.json")
    write_json(detection("/data/normal/1.mp4", 0.2), tmp_path / "1-2.json")
    found = read_scores(tmp_path, truth=truth)
    assert {n: s[0] for n, s in found.items()} == {"fight/1": 0.9, "normal/1": 0.2}
    write_json(detection("/data/fight/1.mp4", 0.1), tmp_path / "again.json")
    with pytest.raises(EvaluationError, match=r"two detections of /data/fight/1\.mp4 .*again"):
        read_scores(tmp_path, truth=truth)


def test_a_damaged_detection_in_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "c.json", {"format": "hiprobe-timeline", "video": "c"})
    with pytest.raises(EvaluationError, match="cannot be read as scores"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.json", {"a.b": [[0, 2, 0.1]]}, "2 frames, but 5 are expected: 3 too few"),
        ("s.json", {"d": [0.1]}, "video 'd' is unknown to two"),
        ("s.json", {"c": [0, 0, 0], "c.mp4": [0, 0, 0]}, "video 'c.mp4' is twice"),
        ("s.json", {"c": [[0, 1]]}, r"scores of shape \[1, 2\]"),
        ("s.json", {"c": [[0, 1.5, 0.1], [1.5, 3, 0.2]]}, "are these seconds"),
        ("s.json", "{", "cannot be read as scores"),
        ("s.json", [1, 2], "cannot be read as scores"),
        ("s.csv", "video,value\nc,1\n", "columns value, video; score is missing"),
        ("s.csv", "video,score,start_frame\nc,1,0\n", "end_frame is missing"),
        ("s.csv", "video,score\nc,1\nc,high\n", "line 3: 'high' are not all numbers"),
        ("s.csv", "", "columns none; score, video is missing"),
        ("s.txt", "0.1", "no readable score file"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, name: str, content: Any, words: str
) -> None:
    with pytest.raises(EvaluationError, match=words):
        read(write(tmp_path / name, content))


def test_names_are_compared_with_their_folders_where_they_need_to_be(tmp_path: Path) -> None:
    videos = [VideoTruth(n, 2, ()) for n in ("fight/1", "normal/1", "normal/2")]
    truth = Truth("own", tuple(videos))
    for name in ("fight/1", "normal/1", "2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", [0.1, len(name)])
    found = read_scores(tmp_path, truth=truth)
    assert {n: s[1] for n, s in found.items()} == {"fight/1": 7, "normal/1": 8, "normal/2": 1}
    np.save(tmp_path / "1.npy", [0, 0])
    with pytest.raises(EvaluationError, match=r"video '1\.npy' is unknown to own"):
        read_scores(tmp_path, truth=truth)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    with pytest.raises(EvaluationError, match="no plain array"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("end", "auc", "precision"), [("inclusive", 0.8281, 0.3282), ("half-open", 0.8282, 0.3280)]
)
def test_published_scores_give_the_known_figures(end: Any, auc: float, precision: float) -> None:
    path = published_files() / "published_scores_vadtree_ucf.json"
    truth = load_truth("ucf-crime", end=end)
    with pytest.raises(EvaluationError, match="1411 frames, but 1412 are expected: 1 too few"):
        read_scores(path, truth=truth)
    scores = read_scores(path, truth=truth, tail_frames=1)
    found = evaluate_frames(
        frames=join_frames(scores=scores, truth=truth), truth=truth, draws=0
    ).metrics
    assert round(found["auc"], 4) == auc
    assert round(found["average_precision"], 4) == precision


@pytest.mark.parametrize("ending", [".mov", ".webm", ".ts", ".MP4", ".h264", ".Mkv.npy", ""])
def test_results_of_any_kind_of_video_are_known(tmp_path: Path, ending: str) -> None:
    content = {f"cam/a.b{ending}": FRAMES["a.b.mp4"], f"c{ending}": FRAMES["c"]}
    assert read(write(tmp_path / "s.JSON", content)) == FRAMES


def test_a_full_name_comes_before_one_without_its_ending(tmp_path: Path) -> None:
    videos = tuple(VideoTruth(f"a{ending}", 1, ()) for ending in (".mp4", ".mov"))
    truth = Truth(name="same", videos=videos, fps=2.0)
    path = write(tmp_path / "s.json", {"a.mov": [0.1], "a.mp4": [0.2]})
    found = read_scores(path, truth=truth)
    assert {k: v.tolist() for k, v in found.items()} == {"a.mov": [0.1], "a.mp4": [0.2]}
    with pytest.raises(EvaluationError, match="unknown to same"):
        read_scores(write(tmp_path / "t.json", {"a": [0.1]}), truth=truth)
