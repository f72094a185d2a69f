"""Table 5 on videos: every K is read once, before the tests that need it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hiprobe.backbones.lite.lite_model import load_lite
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.experiments.tables_3_5 import table5
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.write import write_video

sys.path.append(str(Path(__file__).parents[1] / "backbones"))
import backbone_cases


def write_clips(folder: Path, *, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for number in range(8):
        kind = "abnormal" if number % 2 else "normal"
        noise = 60 if number % 2 else 0
        frames = (
            (80 + 9 * number + 4 * seed + rng.integers(0, noise + 1, (32, 32, 3))).astype(np.uint8)
            for _ in range(12)
        )
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write_video(folder / kind / f"{number}.mp4", frames, fps=12)
    return folder


def test_every_k_is_read_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.reproduce.experiments.tables_3_5.KEY_FRAMES", (1, 4))
    (tmp_path / "lite").mkdir()
    trained = backbone_cases.write_tiny_lite(tmp_path / "lite")
    data = tuple(
        DataSource(name, write_clips(tmp_path / name, seed=seed))
        for seed, name in enumerate(("one", "other"))
    )
    request = ReproduceRequest(data=data, out=tmp_path / "out", folds=2, draws=20, seeds=(0,))
    cache = StatesCache(tmp_path / "states")
    told: list[str] = []
    kept_at_first_step: list[int] = []
    monkeypatch.setattr("hiprobe.reproduce.request.SAY_SECONDS", 0.0)

    def say(line: str) -> None:
        told.append(line)
        kept_at_first_step.append(len(cache.entries()))

    extraction = Extraction(request, lambda: load_lite(tmp_path / "lite", trained=trained), cache)
    found = table5(Bench(request, extraction, FinishedPieces(tmp_path / "kept"), say=say))
    assert {r.setting for r in found.rows} == {"K = 1", "K = 4"}
    assert {r.data for r in found.rows} == {"one", "other"} and len(found.figures) == 1
    lines = [t for t in told if t.startswith("table5:")]
    assert lines[0].startswith("table5: 1 of 4 (one, K = 1)") and len(lines) == 3
    sets, clips, units, counts = 2, 8, 2, 2
    assert kept_at_first_step[told.index(lines[0])] >= sets * clips * units * counts
