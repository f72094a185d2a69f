"""Data sets with frame-level truth: tested by frame as they are, by folds or by their own split."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import EvaluationError
from hiprobe.reproduce import video_folds as folds
from hiprobe.reproduce.experiments import fig6
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.rows import pools_of, ranking_rows
from hiprobe.reproduce.scored import score_variants
from hiprobe.states import VideoStates
from hiprobe.store.states_file import write_states

sys.path.append(str(Path(__file__).parent))
import toy_states

SECONDS, FPS = 12, 10


def write_set(folder: Path, splits: tuple[str, ...]) -> Path:
    """Extracted states of videos of twelve seconds; of an abnormal one, seconds 4 to 8 are."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    rows = [["video", "label", "source", "split", "frames", "spans"]]
    for number in range(12):
        label, split = number % 2, splits[(number // 2) % len(splits)]
        segments = rng.normal(size=(SECONDS, toy_states.LAYERS, toy_states.WIDTH))
        if label:
            segments[4:8, toy_states.BEST - 1, :5] += 4.0
        whole = segments.mean(axis=0, keepdims=True)
        states = VideoStates(
            states={"last": toy_states.of_values(segments.astype(np.float32))},
            clip={"last": toy_states.of_values(whole.astype(np.float32))},
        )
        write_states(folder / f"v{number}.safetensors", states)
        spans = "40-80" if label else ""
        name = ("normal", "abnormal")[label]
        frames = str(SECONDS * FPS)
        rows.append([f"v{number}.safetensors", name, f"camera{number}", split, frames, spans])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "manifest.csv"


def test_videos_with_spans_are_tested_whole_by_folds(tmp_path: Path) -> None:
    data = DataSource("set", write_set(tmp_path / "set", ("",)))
    bench = toy_states.bench(tmp_path / "out", data, mode="mil")
    tests = list(folds.tests_of(bench, data, seed=0))
    videos = [v for t in tests for v in t.videos]
    assert len(tests) == 3 and len(videos) == 12
    assert {v.fps for v in videos} == {FPS}
    assert not any(v.joined for v in videos)
    found = [score_variants(bench, data, [Variant("probe")], seed=s) for s in (0, 1)]
    pools = pools_of(found, "probe")
    rows = {r.metric: r for r in ranking_rows(pools.table(bench, data, "t"), "p", pools)}
    assert rows["frame AUC"].ours > 0.95
    assert rows["AUC within a video"].ours > 0.95
    assert "frame AUC without segments across cuts" not in rows


def test_a_test_split_is_kept_from_fitting_and_few_videos_are_labelled(tmp_path: Path) -> None:
    data = DataSource("set", write_set(tmp_path / "set", ("train", "train", "test")))
    bench = toy_states.bench(tmp_path / "out", data, mode="segment", labelled_share=0.5)
    (test,) = folds.tests_of(bench, data, seed=1)
    assert len(test.fit) == 4 and {e.label for e in test.fit} == {0, 1}
    assert len(test.videos) == 4 and not test.held
    assert not {v.name for v in test.videos} & {e.name for e in test.fit}
    assert "50% of the training split" in test.protocol
    other = next(iter(folds.tests_of(bench, data, seed=0)))
    assert {e.name for e in other.fit} != {e.name for e in test.fit}
    found = [score_variants(bench, data, [Variant("probe")], seed=s) for s in (0, 1)]
    pools = pools_of(found, "probe")
    rows = {r.metric: r for r in ranking_rows(pools.table(bench, data, "t"), "p", pools)}
    assert rows["frame AUC"].ours > 0.8
    assert rows["highest-segment AUC"].ours > 0.8
    assert "4 test videos" in bench.extraction.summary(data)


def test_figure_6_shows_whole_videos(tmp_path: Path) -> None:
    data = DataSource("set", write_set(tmp_path / "set", ("train", "train", "test")))
    bench = toy_states.bench(tmp_path / "out", data, mode="segment", labelled_share=1.0)
    found = fig6.run(bench)
    assert [f.name for f in found.figures] == ["scores-set-abnormal", "scores-set-normal"]
    values = {r.metric: r.ours for r in found.rows if r.setting.startswith("a video with events")}
    assert values["true events"] == 1.0 and values["seconds"] == SECONDS
    assert values["AUC within the video"] > 0.9


def test_a_wrong_count_of_frames_is_refused_by_how_much(tmp_path: Path) -> None:
    table = write_set(tmp_path / "set", ("train", "test"))
    text = table.read_text().replace(",120,", ",220,")
    table.write_text(text.replace("source,split", "source,fps,split"))
    lines = table.read_text().splitlines()
    fixed = [lines[0], *(_with_fps(line) for line in lines[1:])]
    table.write_text("\n".join(fixed) + "\n")
    data = DataSource("set", table)
    bench = toy_states.bench(tmp_path / "out", data, labelled_share=1.0)
    found = [score_variants(bench, data, [Variant("probe")], seed=0)]
    with pytest.raises(EvaluationError, match="100 apart"):
        pools_of(found, "probe")


def _with_fps(line: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:3], str(FPS), *cells[3:]])


def test_a_share_out_of_range_is_refused(tmp_path: Path) -> None:
    data = DataSource("set", tmp_path)
    request = toy_states.bench(tmp_path, data).request
    with pytest.raises(ValueError, match="labelled share"):
        replace(request, labelled_share=0.0)
