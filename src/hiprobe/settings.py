"""The only reader of environment variables; everything else takes arguments."""

from __future__ import annotations

import os
from pathlib import Path

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


def test_data_folder() -> Path | None:
    """Folder of real clips for tests, `HIPROBE_TEST_DATA`; None where it is unset or absent."""
    chosen = os.environ.get("HIPROBE_TEST_DATA", "").strip()
    folder = Path(chosen).expanduser() if chosen else None
    return folder if folder is not None and folder.is_dir() else None
