"""`hiprobe reproduce background`: a probe on another camera, with that camera's mean and spread."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.reproduce.experiment_result import Findings
from hiprobe.reproduce.experiments import camera_background
from hiprobe.reproduce.experiments.camera_background import FALSE, centred, whitened
from hiprobe.reproduce.request import DataSource

sys.path.append(str(Path(__file__).parent))
import toy_states


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    place = tmp_path_factory.mktemp("background")
    sets = [
        DataSource(
            name, toy_states.write_views(place / name, toy_states.examples(sources=12, gap=4.0))
        )
        for name in ("one", "other")
    ]
    return camera_background.run(toy_states.bench(place / "out", *sets))


def test_every_pair_has_every_reading_and_change(found: Findings) -> None:
    assert {r.section for r in found.rows} == {"one to other", "other to one"}
    settings = {r.setting for r in found.rows}
    assert {"committee, plain", "vision change, centred"} <= settings
    assert len(found.rows) == 2 * 3 * len(camera_background.CHANGES) * 3
    deep = [r for r in found.rows if r.setting.startswith("DLSP") and "plain" in r.setting]
    assert all(r.ours > 0.9 for r in deep if r.metric == "clip AUC")
    assert all(r.ours < 0.5 for r in deep if r.metric == FALSE)


def test_a_mean_taken_off_does_not_move_the_auc(found: Findings) -> None:
    areas = {(r.section, r.setting): r.ours for r in found.rows if r.metric == "clip AUC"}
    for (section, setting), area in areas.items():
        if setting.endswith("plain"):
            same = areas[section, setting.replace("plain", "centred")]
            assert same == pytest.approx(area, abs=0.02)


def test_whitening_is_the_inverse_root_of_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(0)
    background, vectors = rng.normal(size=(6, 9)) + 5, rng.normal(size=(4, 9))
    inside = background - background.mean(axis=0)
    covariance = inside.T @ inside / 5
    typical = np.trace(covariance) / 9
    shrunk = 0.7 * covariance / typical + 0.3 * np.eye(9)
    values, directions = np.linalg.eigh(shrunk)
    root = (directions / np.sqrt(values)) @ directions.T
    expected = (vectors - background.mean(axis=0)) @ root
    assert np.allclose(whitened(background, shrinkage=0.3)(vectors), expected)
    assert np.allclose(centred(background)(background).mean(axis=0), 0)


def test_one_set_has_no_other_camera(tmp_path: Path) -> None:
    bench = toy_states.bench(tmp_path, DataSource("one", tmp_path))
    with pytest.raises(UsageError, match="give --data twice"):
        camera_background.run(bench)
