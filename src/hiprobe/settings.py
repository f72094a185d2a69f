"""The only reader and writer of environment variables; everything else takes arguments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hiprobe.processors import usable_processors

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""A thread that waits sleeps, in GNU's OpenMP and in Intel's and LLVM's: by default it spins, and
takes the processor from whatever else runs on the machine."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

_TRUE = {"1", "true", "yes", "on"}


def cache_folder() -> Path:
    """Folder for weights and states: `HIPROBE_CACHE`, else the user's cache folder.

    It is not created here.
    """
    chosen = os.environ.get("HIPROBE_CACHE", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # only where the default is asked for: keeps `import hiprobe` light

    return Path(platformdirs.user_cache_dir("hiprobe", appauthor=False))


def states_folder() -> Path:
    """Folder of the cached states."""
    return cache_folder() / "states"


def backbones_folder() -> Path:
    """Folder of the backbones' weights."""
    return cache_folder() / "backbones"


def offline() -> bool:
    """True where no network may be used.

    That is where `HIPROBE_OFFLINE`, `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` is set to 1.
    """
    return any(
        os.environ.get(name, "").strip().lower() in _TRUE
        for name in ("HIPROBE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def share_processors(root: Path = Path("/")) -> None:
    """Let torch share the machine: to be called before torch is loaded.

    OpenMP reads these variables once, when it is loaded. So they are set here, for this process
    and its children, unless the user has set one of their kind. Where torch is loaded already, by
    a program that uses HiProbe as a library, nothing is changed: its threads are that program's.

    Args:
        root: where `proc` and `sys` lie, from which the number of threads is read.
    """
    if "torch" in sys.modules:
        return
    if not any(os.environ.get(name) for name in _WAITING):
        os.environ.update(_WAITING)
    if not any(os.environ.get(name) for name in _THREADS):
        os.environ[_THREADS[0]] = str(usable_processors(root))


def test_data_folder() -> Path | None:
    """Folder of real clips for tests, `HIPROBE_TEST_DATA`; None where it is unset or absent."""
    chosen = os.environ.get("HIPROBE_TEST_DATA", "").strip()
    folder = Path(chosen).expanduser() if chosen else None
    return folder if folder is not None and folder.is_dir() else None
