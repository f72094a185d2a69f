"""`hiprobe reproduce long-clips`: videos made of labelled clips, of which one is abnormal."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.probe.training_set import MODES
from hiprobe.reproduce.experiments import long_clips
from hiprobe.reproduce.experiments.long_clips import draw_videos
from hiprobe.reproduce.request import DataSource

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "backbones")]
import toy_states
from planted import bench_on_files


def test_a_video_has_one_event_at_most_and_its_group_alone() -> None:
    examples = toy_states.examples(sources=16)
    drawn = draw_videos(examples, count=3, seed=0)
    assert {v.label for v in drawn} == {0, 1}
    for video in drawn:
        names = [e.name for e in video.parts]
        assert len(set(names)) == 3 and sum(e.label for e in video.parts) == video.label
    groups: dict[str, set[int]] = {}
    for video in drawn:
        for example in video.parts:
            groups.setdefault(example.source, set()).add(video.group)
    assert all(len(found) == 1 for found in groups.values())
    assert draw_videos(examples, count=3, seed=0) == drawn
    with pytest.raises(UsageError, match="a video takes 50"):
        draw_videos(examples, count=50, seed=0)


def test_segments_of_a_video_follow_each_other() -> None:
    parts = [e.segments for e in toy_states.examples()[:2] if e.segments is not None]
    joined = long_clips._in_a_row(parts)
    assert joined.start_seconds.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(joined.values[3:], parts[1].values)


def test_every_mode_is_tested_on_real_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_clips, "CLIPS_OF_A_VIDEO", (1, 2))
    monkeypatch.setattr(long_clips, "VIDEOS_OF_A_KIND", 1)
    said: list[str] = []
    found = long_clips.run(bench_on_files(tmp_path, say=said.append))
    assert {r.setting for r in found.rows} == {"1 clips a video, 2 s", "2 clips a video, 5 s"}
    assert len(found.rows) == 2 * len(MODES)
    whole = [r for r in found.rows if r.metric.endswith(", clip")]
    assert all(r.ours > 0.9 for r in whole)


def test_extracted_states_have_no_pictures_to_join(tmp_path: Path) -> None:
    manifest = toy_states.write_folder(tmp_path / "clips", toy_states.examples())
    with pytest.raises(UsageError, match="give videos, not states"):
        long_clips.run(toy_states.bench(tmp_path / "out", DataSource("toy", manifest)))
