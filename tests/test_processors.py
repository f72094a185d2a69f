"""Threads by what the process may use, and threads that sleep while they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiprobe.settings import usable_processors

OWN = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
)
ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
linux = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return root


def machine(cores: int) -> str:
    """What Linux says of a machine with two threads on each core."""
    rows = [(0, core) for core in range(cores) for _ in range(2)]
    return "\n\n".join(f"processor\t: 0\nphysical id\t: {p}\ncore id\t\t: {c}" for p, c in rows)


GROUPS = "sys/fs/cgroup"
V1 = "4:memory:/box\n1:cpu,cpuacct:/box\n0::/"
# of each case: files, and the processors that they leave of 64 allowed ones
CASES: dict[str, tuple[dict[str, str], int]] = {
    "nothing is said": ({}, 64),
    "no quota": ({"proc/self/cgroup": "0::/", f"{GROUPS}/cpu.max": "max 100000"}, 64),
    "one and a half": ({"proc/self/cgroup": "0::/", f"{GROUPS}/cpu.max": "150000 100000"}, 2),
    "a fifth": ({"proc/self/cgroup": "0::/", f"{GROUPS}/cpu.max": "20000 100000"}, 1),
    "the group above": (
        {
            "proc/self/cgroup": "0::/a/b",
            f"{GROUPS}/a/b/cpu.max": "max 100000",
            f"{GROUPS}/a/cpu.max": "300000 100000",
        },
        3,
    ),
    "a path of the host": (
        {"proc/self/cgroup": "0::/../kubepods/pod1", f"{GROUPS}/cpu.max": "400000 100000"},
        4,
    ),
    "version 1": (
        {
            "proc/self/cgroup": V1,
            f"{GROUPS}/cpu,cpuacct/box/cpu.cfs_quota_us": "250000",
            f"{GROUPS}/cpu,cpuacct/box/cpu.cfs_period_us": "50000",
        },
        5,
    ),
    "version 1 without quota": (
        {
            "proc/self/cgroup": V1,
            f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1",
            f"{GROUPS}/cpu/cpu.cfs_period_us": "100000",
        },
        64,
    ),
    "damaged": ({"proc/self/cgroup": "x\n:\n0::/", f"{GROUPS}/cpu.max": "1e5 0 7"}, 64),
    "a period of nothing": ({"proc/self/cgroup": "0::/", f"{GROUPS}/cpu.max": "100000 0"}, 64),
    "two threads a core": ({"proc/cpuinfo": machine(cores=6)}, 6),
    "cores are not told": ({"proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 50"}, 64),
}


@linux
@pytest.mark.parametrize("name", CASES)
def test_the_least_of_all_limits_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, expected = CASES[name]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert usable_processors(written(tmp_path, files)) == expected


@linux
def test_processors_that_may_not_be_used_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert usable_processors(written(tmp_path, CASES["the group above"][0])) == 1


def in_a_child(before: str, *, root: Path = Path("/"), **environment: str) -> dict[str, object]:
    """What torch and its OpenMP say in a process that begins with `before`."""
    code = (
        f"import json, os\nfrom pathlib import Path\n{before}\n"
        "from hiprobe.settings import share_processors\n"
        f"share_processors(Path({str(root)!r}))\n"
        "import torch\n"
        f"own = {{name: os.environ.get(name) for name in {OWN!r}}}\n"
        "print(json.dumps({'threads': torch.get_num_threads(), **own}))"
    )
    plain = {name: value for name, value in os.environ.items() if name not in OWN}
    shown = {"OMP_DISPLAY_ENV": "TRUE"}  # OpenMP tells on stderr what it has read
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**plain, **shown, **environment},
    )  # fmt: skip
    return {**json.loads(done.stdout), "told": done.stderr}


@linux
def test_torch_waits_asleep_with_as_many_threads_as_may_run(tmp_path: Path) -> None:
    quota = {"proc/self/cgroup": "0::/", f"{GROUPS}/cpu.max": "100000 100000"}
    found = in_a_child("", root=written(tmp_path, quota))
    assert found["threads"] == 1
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in str(found["told"])
    assert (found["GOMP_SPINCOUNT"], found["KMP_BLOCKTIME"]) == ("0", "0")


@linux
def test_a_process_held_to_one_processor_gets_one_thread() -> None:
    before = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert in_a_child(before)["threads"] == 1
    assert in_a_child("")["threads"] == usable_processors() <= ALLOWED


@linux
def test_what_the_user_has_set_stays() -> None:
    found = in_a_child("", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="ACTIVE")
    assert (found["threads"], found["OMP_WAIT_POLICY"]) == (1, "ACTIVE")
    assert found["GOMP_SPINCOUNT"] is found["KMP_BLOCKTIME"] is None
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in str(found["told"])
    spun = in_a_child("", GOMP_SPINCOUNT="1000", MKL_NUM_THREADS="1")
    assert spun["OMP_WAIT_POLICY"] is spun["OMP_NUM_THREADS"] is None


@linux
def test_a_program_that_has_loaded_torch_keeps_its_threads() -> None:
    found = in_a_child("import torch\ntorch.set_num_threads(2)")
    assert found["threads"] == 2
    assert all(found[name] is None for name in OWN)


@linux
@pytest.mark.parametrize("told", [1, 3])
def test_a_command_keeps_to_its_threads(told: int) -> None:
    """What is loaded after its options were read: torch, numpy, OpenCV and a decoder."""
    code = (
        "from hiprobe.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    import cv2, torch\n"
        "    from hiprobe.settings import decoding_threads\n"
        "    print('told', torch.get_num_threads(), cv2.getNumThreads(), decoding_threads())"
    )
    plain = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--backbone", "/nowhere", "--threads", str(told)],
        capture_output=True, text=True, check=False, env=plain,
    )  # fmt: skip
    torch, opencv, decoding = map(int, done.stdout.split()[-3:])
    assert (opencv, decoding) == (told, told), done.stderr
    assert torch <= told  # MKL takes no more than there are cores


def test_opening_a_backbone_does_so_before_it_loads_torch(tmp_path: Path) -> None:
    """The folder is no model, and so the error comes before any of torch."""
    code = (
        "import os, sys\nfrom hiprobe import open_backbone\n"
        "try:\n    open_backbone(sys.argv[1])\nexcept Exception as error:\n    pass\n"
        "print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'], "
        "os.environ['OMP_NUM_THREADS'])"
    )
    plain = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True,
        env=plain,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "PASSIVE", str(usable_processors())]
