"""The script that measures workers, on a small number of units."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "scale.py"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_workers_change_no_state_and_fail_no_unit() -> None:
    words = [sys.executable, str(SCRIPT), "kills", "--kills", "3"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"] and not found["failed"] and found["killed"] == 3
