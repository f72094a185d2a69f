"""A camera's threshold from its normal footage: kept in the probe, used by detect, checked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_states import states, write_clip_folder
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.cli.calibrate import as_calibrated
from hiprobe.cli.session import SessionOptions
from hiprobe.errors import ProbeFolderError
from hiprobe.probe.camera_file import read_camera
from hiprobe.report.documents import read_timeline
from hiprobe.store.states_file import write_states

ASKED = ("--false-alarms", "40/hour", "--cooldown-seconds", 5)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def footage(path: Path, seconds: int, seed: int, hot: slice = slice(0, 0)) -> Path:
    labels = np.zeros(seconds, dtype=np.int64)
    labels[hot] = 1
    write_states(path, states(labels, np.random.default_rng(seed)))
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fitted")
    good(run("fit", write_clip_folder(place / "clips"), "-o", place / "probe"))
    return place


@pytest.fixture
def probe(fitted: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test, which may calibrate it or fit it again."""
    shutil.copytree(fitted / "clips", tmp_path / "clips")
    return Path(shutil.copytree(fitted / "probe", tmp_path / "probe"))


def test_the_threshold_keeps_to_its_rate_and_still_finds_events(
    probe: Path, tmp_path: Path
) -> None:
    seen = footage(tmp_path / "seen.safetensors", 3600, seed=1)
    told = good(run("calibrate", probe, seen, *ASKED, "--camera", "yard")).stdout
    assert "1 hours of footage promise at most 40 alarms an hour on average" in told
    assert "weight 0.25 on the newest (causal)" in told
    assert "10 of 10 abnormal" in told
    (camera,) = json.loads((probe / "calibration.json").read_text())["cameras"].values()
    assert camera["promise"]["rank"] == 40 and len(camera["maxima"]) == 720
    assert camera["footage"] == [str(seen)]

    new = footage(tmp_path / "new.safetensors", 7200, seed=2, hot=slice(7180, 7190))
    out = tmp_path / "out"
    good(run("detect", probe, new, "--camera", "yard", "-o", out, "--format", "json"))
    timeline = read_timeline(out / "new.json")
    assert (timeline.threshold, timeline.smoothing) == (camera["promise"]["threshold"], "ema")
    assert timeline.events[-1].peak_seconds > 7180
    # 80 are expected in the two hours; three standard deviations of a count of 80 are 27.
    blocks = {int(s // 5) for s in timeline.start_seconds[timeline.smoothed > timeline.threshold]}
    assert 40 < len(blocks) < 110


def test_too_little_footage_warns_with_what_it_can_promise(probe: Path, tmp_path: Path) -> None:
    seen = footage(tmp_path / "seen.safetensors", 600, seed=1)
    done = good(run("calibrate", probe, seen, "--confidence", 0.95))
    assert "0.17 hours of footage certify no less than 16 alarms an hour at 95%" in done.stdout
    assert "bring 72 hours" in done.stdout and "warning: 0.17 hours" in done.stderr
    used = good(run("detect", probe, seen, "--camera", "camera", "-o", tmp_path / "out", "-q"))
    assert "warning: camera camera: 0.17 hours" in used.stderr


def test_day_and_night_are_told_apart_where_names_tell_the_clock(
    probe: Path, tmp_path: Path
) -> None:
    """An hour up to 18:00 that is calm, and an hour after it with something in each minute."""
    calm = footage(tmp_path / "yard_20240501_170000.safetensors", 3600, seed=1)
    hot = slice(3, 3600, 60)
    busy = footage(tmp_path / "yard_20240501_180000.safetensors", 3600, seed=2, hot=hot)
    told = good(run("calibrate", probe, calm, busy, *ASKED)).stdout
    by_day, by_night = (line for line in told.splitlines() if line.startswith("by "))
    assert by_day.startswith("by day: 1 hours, ") and "by night: 1 hours, " in by_night
    alarms = [int(line.split(" alarms")[0].split()[-1]) for line in (by_day, by_night)]
    assert alarms[0] < 20 < alarms[1] and sum(alarms) == 79  # the 80th highest is the threshold
    own = [float(line.split()[-1]) for line in (by_day, by_night)]
    assert own[0] < own[1]

    later = good(run("calibrate", probe, calm, *ASKED, "--day", "20:00-16:30")).stdout
    assert "by night: 1 hours" in later and "by day: no footage" in later
    unclear = footage(tmp_path / "a.safetensors", 3600, seed=1)
    assert "by day" not in good(run("calibrate", probe, unclear, *ASKED)).stdout
    both = good(run("calibrate", probe, unclear, calm, *ASKED)).stdout
    assert "of 1 hours the time of day is not known" in both


@pytest.mark.parametrize("hours", ["6-18", "06:00-25:00", "06:60-18:00", "06:00-06:00"])
def test_hours_that_are_no_day(hours: str) -> None:
    done = run("calibrate", "probe", "x", "--day", hours)
    assert done.exit_code == 2 and "--day" in done.stderr


def test_drift_is_told_for_footage_that_scores_higher(probe: Path, tmp_path: Path) -> None:
    good(run("calibrate", probe, footage(tmp_path / "seen.safetensors", 1800, seed=1), *ASKED))
    same = footage(tmp_path / "same.safetensors", 900, seed=3)
    assert "no sign of drift" in good(run("calibrate", probe, "--check", same)).stdout
    other = footage(tmp_path / "other.safetensors", 900, seed=4, hot=slice(0, 900, 4))
    told = good(run("calibrate", probe, "--check", other)).stdout
    assert "drift: after" in told and "no sign" not in told


def test_cameras_stand_side_by_side_until_the_probe_is_fitted_again(
    probe: Path, tmp_path: Path
) -> None:
    seen = footage(tmp_path / "seen.safetensors", 600, seed=1)
    for name in ("yard", "hall"):
        good(run("calibrate", probe, seen, *ASKED, "--camera", name))
    refused = run("detect", probe, seen, "--camera", "roof", "-o", tmp_path / "out")
    assert refused.exit_code and "knows no camera 'roof'; there are hall, yard" in refused.stderr
    both = run("detect", probe, seen, "--camera", "yard", "--kappa", 1, "-o", tmp_path / "out")
    assert both.exit_code == 2 and "leave out --threshold, --kappa" in both.stderr
    good(run("fit", write_clip_folder(tmp_path / "more", seed=5), "--add", probe))
    stale = run("detect", probe, seen, "--camera", "yard", "-o", tmp_path / "out")
    assert stale.exit_code and "was fitted again" in stale.stderr
    good(run("calibrate", probe, seen, *ASKED, "--camera", "hall"))
    assert list(json.loads((probe / "calibration.json").read_text())["cameras"]) == ["hall"]
    (probe / "calibration.json").write_text('{"format": "hiprobe-calibration"}')
    damaged = run("detect", probe, seen, "--camera", "hall", "-o", tmp_path / "out")
    assert damaged.exit_code and "calibration.json is damaged" in damaged.stderr


def test_a_camera_keeps_the_length_and_hop_it_was_calibrated_with(
    probe: Path, tmp_path: Path
) -> None:
    seen = footage(tmp_path / "seen.safetensors", 600, seed=1)
    good(run("calibrate", probe, seen, *ASKED, "--segment-frames", 48, "--hop-seconds", 0.5))
    kept = read_camera(probe, "camera")
    assert (kept.segment_frames, kept.segment_seconds, kept.hop_seconds) == (48, None, 0.5)
    how = as_calibrated(kept, SessionOptions(hop_seconds=0.5))
    assert (how.segment_frames, how.hop_seconds) == (48, 0.5)
    for other in (("--hop-seconds", 1), ("--segment-seconds", 2)):
        words = ("detect", probe, seen, "--camera", "camera", "-o", tmp_path / "out")
        refused = run(*words, *other)
        assert refused.exit_code == 2 and f"{other[0]} {other[1]} is not possible" in refused.stderr
    known = json.loads((probe / "calibration.json").read_text())
    for name in ("segment_frames", "hop_seconds", "footage"):  # as an older version wrote it
        del known["cameras"]["camera"][name]
    (probe / "calibration.json").write_text(json.dumps(known))
    assert read_camera(probe, "camera").hop_seconds is None
    known["cameras"]["camera"]["footage"] = ["../elsewhere"]
    (probe / "calibration.json").write_text(json.dumps(known))
    with pytest.raises(ProbeFolderError, match="damaged"):
        read_camera(probe, "camera")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give normal footage"),
        (("--false-alarms", "1/minute", "x"), "write it as 1/day"),
        (("--false-alarms", "0/day", "x"), "is not a number above 0"),
        (("--check", "x"), "knows no camera 'camera'"),
        (("--camera", "", "x"), "takes a name"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    probe: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run("calibrate", probe, *arguments)
    assert done.exit_code and told in done.output


def test_footage_that_cannot_be_read_is_named(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "bad.safetensors").write_bytes(b"no states")
    seen = footage(tmp_path / "seen.safetensors", 600, seed=1)
    some = run("calibrate", probe, seen, tmp_path / "bad.safetensors", *ASKED)
    assert some.exit_code == 3 and "bad.safetensors" in some.stderr
    none = run("calibrate", probe, tmp_path / "bad.safetensors", *ASKED)
    assert none.exit_code == 3 and "none of the footage could be read" in none.stderr
