import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.fingerprint import Fingerprint
from hiprobe.settings import states_folder
from hiprobe.states import States, VideoStates
from hiprobe.store.states_cache import StatesCache


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def put(name: str) -> None:
    states = States(
        values=np.ones((2, 1, 4), np.float32),
        layers=(1,),
        start_seconds=np.array([0.0, 1.0]),
        end_seconds=np.array([1.0, 2.0]),
        reading="last",
        fingerprint=Fingerprint("tiny", "w", "float32", "prompt"),
        layer_count=1,
        failed=np.zeros(2, bool),
    )
    StatesCache(states_folder()).put(
        "a" * 40, VideoStates(states={"last": states}), video=Path(name)
    )


def test_an_empty_cache_is_shown() -> None:
    result = run("cache", "show", "--all")
    assert result.exit_code == 0
    assert "0 entries" in result.output


def test_entries_are_listed_and_pruned() -> None:
    put("camera.mp4")
    assert "camera.mp4" in run("cache", "show", "--all").output
    assert "removed 1 entries" in run("cache", "prune", "--all").output
    assert "0 entries" in run("cache", "show").output


def test_young_entries_stay_when_pruned_by_age() -> None:
    put("camera.mp4")
    assert "removed 0 entries" in run("cache", "prune", "--older-than-days", "1").output


def test_prune_wants_to_know_what() -> None:
    assert run("cache", "prune").exit_code == 2


def test_damaged_entries_are_listed_and_pruned() -> None:
    put("camera.mp4")
    folder = states_folder()
    (folder / "garbage.safetensors").write_bytes(b"garbage")
    (folder / "empty.safetensors").touch()
    (folder / "folder.safetensors").mkdir()
    (folder / "folder.safetensors" / "inside").touch()
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "nowhere.safetensors").symlink_to("nowhere")
    (folder / "zero.safetensors").symlink_to("/dev/zero")
    shown = run("cache", "show", "--all")
    assert shown.exit_code == 0
    assert shown.output.count("(damaged)") == 6
    assert "camera.mp4" in shown.output
    assert "removed 7 entries" in run("cache", "prune", "--all").output
    assert not list(folder.glob("*.safetensors"))


def test_a_damaged_entry_under_a_key_is_removed_whatever_it_is() -> None:
    kept = StatesCache(states_folder())
    (states_folder() / f"{'b' * 40}-0.safetensors").mkdir(parents=True)
    assert kept.get("b" * 40, layers=[1], readings=["last"]) is None
    assert not kept.entries()
