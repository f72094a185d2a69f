"""Times in states are checked where they enter, and an error belongs to the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import States, VideoStates
from hiprobe.store.states_file import read_states, write_states

ROWS = 4


def states(start: np.ndarray, end: np.ndarray) -> States:
    return States(
        values=np.zeros((ROWS, 1, 3), np.float32),
        layers=(1,),
        start_seconds=start,
        end_seconds=end,
        reading="last",
        fingerprint=Fingerprint("toy", "seed 0", "float32", "what?"),
        layer_count=2,
        failed=np.zeros(ROWS, bool),
    )


GOOD = np.arange(ROWS, dtype=np.float64)


def spoiled(name: str, row: int, value: float) -> dict[str, np.ndarray]:
    times = {"start_seconds": GOOD.copy(), "end_seconds": GOOD + 1}
    times[name][row] = value
    return times


BAD = {
    "NaN start": spoiled("start_seconds", 2, np.nan),
    "NaN end": spoiled("end_seconds", 2, np.nan),
    "infinite end": spoiled("end_seconds", 3, np.inf),
    "infinite start": spoiled("start_seconds", 0, -np.inf),
    "negative start": spoiled("start_seconds", 0, -1.0),
    "ends before it starts": spoiled("end_seconds", 1, 0.5),
    "ends as it starts": spoiled("end_seconds", 1, 1.0),
    "runs backwards": spoiled("start_seconds", 2, 0.5),
    "whole numbers": {"start_seconds": np.arange(ROWS), "end_seconds": np.arange(ROWS) + 1},
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_times_are_refused_in_memory_and_from_a_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StatesError, match=r"segment \d lasts|times are"):
        states(BAD[kind]["start_seconds"], BAD[kind]["end_seconds"])
    path = tmp_path / "a.safetensors"
    write_states(path, VideoStates(states={"last": states(GOOD, GOOD + 1)}))
    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata()
    arrays = load_file(str(path))
    arrays |= {f"segments/{name}": array for name, array in BAD[kind].items()}
    save_file(arrays, str(path), metadata=metadata)
    with pytest.raises(StatesError, match=r"a\.safetensors"):
        read_states(path)


def test_gaps_and_overlaps_are_times_too() -> None:
    starts = np.array([0.0, 1.0, 5000.0, 5001.0])
    assert len(states(starts, starts + 1.5)) == ROWS
