"""The calibration table from a file of scores alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.errors import HiProbeError
from hiprobe.reproduce.experiments.promised_rates import CALIBRATIONS, read_causal, split_rates

SEGMENT_FRAMES = 300


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random scores of segments of ten seconds; those that touch an event are higher."""
    rng, truth, found = np.random.default_rng(0), load_truth("ucf-crime"), {}
    for video in truth.videos:
        starts = np.arange(0, video.frames, SEGMENT_FRAMES)
        ends = np.minimum(starts + SEGMENT_FRAMES, video.frames)
        times = list(zip(starts.tolist(), ends.tolist(), strict=True))
        hot = [any(a < e and s < b for a, b in video.spans) for s, e in times]
        values = rng.random(len(starts)) + 2.0 * np.array(hot)
        found[video.name] = [[*at, v] for at, v in zip(times, values.tolist(), strict=True)]
    path = tmp_path_factory.mktemp("scores") / "scores.json"
    path.write_text(json.dumps(found))
    return path


def test_independent_blocks_keep_both_promises(scores: Path) -> None:
    read = read_causal(scores)
    assert len(read.normal) == 150
    average = split_rates(read, CALIBRATIONS["by block, on average"], 4.0, splits=100)
    assert 2.0 < average.per_hour.mean() < 4.6
    sure = split_rates(read, CALIBRATIONS["by block, at 95 %"], 4.0, splits=100)
    # Not 0.95: the count in a half scatters around the rate that is promised for all time.
    assert (sure.per_hour <= 4).mean() > (average.per_hour <= 4).mean() + 0.1
    assert average.found.mean() > 0.5
    none = split_rates(read, CALIBRATIONS["by video, on average"], 0.5, splits=3)
    assert not len(none.per_hour)  # three hours of videos are too few


def test_the_command_writes_the_table_without_a_model(scores: Path, tmp_path: Path) -> None:
    words = ["reproduce", "calibration", "--data", str(scores), "-o", str(tmp_path), "-q"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "by video, on average, 4 an hour promised" in done.stdout
    table = json.loads((tmp_path / "calibration" / "result.json").read_text())
    assert len(table["rows"]) == 60 and table["data"]["scores"].startswith("scores of ucf-crime")


def test_other_files_are_refused(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(HiProbeError, match="is a folder"):
        read_causal(tmp_path)
    known = json.loads(scores.read_text())
    first = next(iter(known))
    for changed, told in (
        ({first: known[first]}, "lacks 289 videos"),
        ({**known, "mine": [0.1]}, "'mine' is not of ucf-crime"),
        ({**known, first: [0.1, 0.2]}, "give scores of segments"),
    ):
        (tmp_path / "other.json").write_text(json.dumps(changed))
        with pytest.raises(HiProbeError, match=told):
            read_causal(tmp_path / "other.json")
