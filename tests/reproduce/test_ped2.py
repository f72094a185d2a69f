"""Ped2's protocol on a small set of its kind: few labelled segments, tested on other videos."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiprobe.errors import LabelError
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.experiments import ped2
from hiprobe.reproduce.experiments.ped2 import (
    MOST_OF_A_KIND,
    SegmentedSet,
    SegmentedVideo,
    draw_labelled,
    leave_one_out,
    score_others,
    segmented_set,
)
from hiprobe.reproduce.held_out import Variant
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.write import write_video

sys.path += [
    str(Path(__file__).parent),
    str(Path(__file__).parents[1] / "backbones"),
    str(Path(__file__).parents[1] / "probe"),
]
import probe_states
import tiny_sets
from planted import planted_opener

SPANS = ((24, 60), (0, 48), (48, 72))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    place = tmp_path_factory.mktemp("ped2")
    lines = ["video,label,source,spans,frames"]
    for i, (start, end) in enumerate(SPANS):
        write_video(place / f"test_{i}.mp4", tiny_sets.span_frames(72, ((start, end),), seed=i),
                    fps=10)  # fmt: skip
        lines.append(f"test_{i}.mp4,abnormal,t{i},{start}-{end},72")
    for i in range(2):
        write_video(place / f"train_{i}.mp4", tiny_sets.span_frames(48, (), seed=9 + i), fps=10)
        lines.append(f"train_{i}.mp4,normal,n{i},,48")
    (place / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    data = (DataSource("small", place / "manifest.csv"),)
    request = ReproduceRequest(data=data, out=place / "out", seeds=(0,), folds=2, draws=30,
                               mode="segment")  # fmt: skip
    extraction = Extraction(request, planted_opener(place), StatesCache(place / "states"))
    return Bench(request, extraction, FinishedPieces(place / "kept"), say=lambda line: None)


def test_segments_know_their_frames_and_their_kind(bench: Bench) -> None:
    found = segmented_set(bench, bench.request.data[0], segment_frames=24)
    first = found.tested[0]
    assert first.starts.tolist() == [0, 24, 48] and first.ends.tolist() == [24, 48, 72]
    assert first.segment_labels.tolist() == [0, 1, -1]  # 48 to 72 holds both kinds
    assert [len(v.frame_labels) for v in found.normal] == [48, 48]
    assert found.words() == "3 test videos (216 frames, 108 abnormal), 2 normal training videos"


def test_the_experiment_end_to_end(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(ped2, "BUDGETS", (1, 2, 4))
    monkeypatch.setattr(ped2, "VARIANTS", ped2.VARIANTS[:1])
    monkeypatch.setattr(ped2, "DRAWS_OF_A_SEED", 3)
    found = ped2.run(bench)
    ours = {(r.section, r.setting, r.metric): r for r in found.rows if r.defined}
    row = ours["Segments of 24 frames", "2 of 3 test videos labelled, DLSP layer", ped2.MICRO]
    assert row.ours > 0.6 and row.low is not None and row.low <= row.ours <= row.high
    # shorter segments follow the spans more closely
    whole = "all other videos labelled, DLSP layer"
    assert ours["Segments of 8 frames", whole, ped2.MICRO].ours > 0.85
    together = "all other videos labelled, committee"
    assert ours["Segments of 8 frames", together, ped2.MICRO].ours > 0.85
    assert not any(setting.startswith("4 of 3") for _, setting, _ in ours)
    assert any(r.paper and r.paper[0].value == pytest.approx(0.993) for r in found.rows)


def _made_up() -> SegmentedSet:
    """Six test videos and six normal ones whose third layer tells the kinds apart."""
    rng = np.random.default_rng(0)

    def video(name: str, kinds: list[int]) -> SegmentedVideo:
        values = rng.normal(size=(len(kinds), 4, 8))
        values[np.array(kinds) == 1, 2] += 3.0
        starts = np.arange(len(kinds)) * 10
        frames = np.repeat(np.array(kinds) == 1, 10)
        return SegmentedVideo(name, probe_states.states(values), frames, starts, starts + 10,
                              np.array(kinds), {})  # fmt: skip

    tested = [video(f"t{i}", [0, 0, 0, 1, 1, 1]) for i in range(6)]
    return SegmentedSet(tuple(tested), tuple(video(f"n{i}", [0] * 4) for i in range(6)), "made-up")


def test_a_draw_takes_few_segments_of_both_kinds() -> None:
    found = _made_up()
    labelled = draw_labelled(found, videos=2, rng=np.random.default_rng(1))
    by_source: dict[str, list[int]] = {}
    for one in labelled:
        by_source.setdefault(one.source, []).append(one.label)
    tested = {s: v for s, v in by_source.items() if s.startswith("t")}
    assert len(tested) == 2 and len(by_source) == 4
    assert all(sorted(v) == [0] * MOST_OF_A_KIND + [1] * MOST_OF_A_KIND for v in tested.values())
    assert all(v == [0] * MOST_OF_A_KIND for s, v in by_source.items() if s.startswith("n"))


def test_labelled_videos_are_not_tested() -> None:
    found = _made_up()
    request = ReproduceRequest(data=(DataSource("x", Path()),), out=Path(), folds=3)
    labelled = draw_labelled(found, videos=5, rng=np.random.default_rng(0))
    left = {v.name for v in found.tested} - {e.source for e in labelled}
    assert len(left) == 1
    scores = score_others(found, labelled, Variant("dlsp"), request=request, seed=0)
    assert scores.micro == scores.macro > 0.9  # one video is left: both are its own AUC


def test_leaving_one_out_gives_an_interval_over_videos() -> None:
    request = ReproduceRequest(data=(DataSource("x", Path()),), out=Path(), folds=3)
    found = leave_one_out(_made_up(), Variant("dlsp"), request=request, draws=50)
    assert found["micro"]["ours"] > 0.95
    assert found["macro"]["low"] <= found["macro"]["ours"] <= found["macro"]["high"]


def test_clips_without_spans_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("video,label\na.mp4,normal\nb.mp4,fight\n")
    bench = SimpleNamespace(request=None)
    with pytest.raises(LabelError, match="0 videos with spans"):
        segmented_set(bench, DataSource("x", tmp_path), segment_frames=24)
