"""`hiprobe reproduce windows`: hops and smoothings on videos joined from held-out clips."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.localize import Smoothing, scored_timeline
from hiprobe.reproduce.experiments import windows
from hiprobe.reproduce.frame_probe import TestVideo, VideoPart
from hiprobe.reproduce.request import DataSource
from hiprobe.states import States

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "backbones")]
import toy_states
from planted import bench_on_files


def one_event(states: States) -> TestVideo:
    """8 s at 10 frames a second, abnormal from 3 to 4 s."""
    return TestVideo(
        "v", lambda: states, 80, 10.0, ((30, 40),), (VideoPart(0, 80, "a"),), joined=True
    )


@pytest.mark.parametrize(
    ("hop", "kind", "delay"),
    # Windows of 1 s: the event is in the one that ends at 4 s, or with a hop at 3.5 s.
    [(1.0, "ema", 1.0), (0.5, "ema", 0.5), (0.5, "gaussian", None)],
)
def test_an_alarm_is_raised_when_what_shows_the_event_has_ended(
    hop: float, kind: str, delay: float | None
) -> None:
    (example, *_) = toy_states.examples()
    assert example.segments is not None
    start = np.arange(0, 7.01, hop)
    states = replace(
        example.segments,
        values=np.repeat(example.segments.values[:1], len(start), axis=0),
        start_seconds=start,
        end_seconds=start + 1,
        failed=np.zeros(len(start), bool),
        reused=np.zeros(len(start), bool),
    )
    scores = ((start < 4) & (start + 1 > 3)).astype(float)
    smoothing = Smoothing(kind="ema", ema_weight=1.0) if kind == "ema" else Smoothing()
    timeline = scored_timeline(start, start + 1, scores, smoothing=smoothing, threshold=0.3)
    found = windows._measured(one_event(states), timeline, states)
    assert found["alarmed"] == [True]
    if delay is None:
        assert np.isnan(found["delays"]).all()
    else:
        assert found["delays"] == pytest.approx([delay])
    assert len(found["scores"]) == 80 and sum(found["labels"]) == 10


def test_every_way_is_measured_on_real_files(tmp_path: Path) -> None:
    found = windows.run(bench_on_files(tmp_path))
    by_way = {way.words: {} for way in windows.WAYS}
    for row in found.rows:
        by_way[row.setting][row.metric] = row.ours
    for way in windows.WAYS:
        metrics = by_way[way.words]
        live = way.kind != "gaussian" and metrics[windows.FOUND] > 0
        assert set(metrics) == set(windows.METRICS) - (set() if live else {windows.DELAY})
        if way.kind == "gaussian":
            assert metrics[windows.FRAME_AUC] > 0.9  # hard noise is found by any layer
    passes = [by_way[w.words][windows.PASSES] for w in windows.WAYS[:4:3]]
    assert 1.5 < passes[1] / passes[0] <= 4.1
    states = toy_states.write_folder(tmp_path / "states-only", toy_states.examples())
    none = windows.run(toy_states.bench(tmp_path / "none", DataSource("toy", states)))
    assert not none.rows and "extracted states alone" in none.notes[-1]
