"""Where the published files lie, for the tests that need them."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def published_files() -> Path:
    """The folder of published ground truth, or a skip."""
    folder = Path(os.environ.get("HIPROBE_TEST_DATA", _DEFAULT)) / "vad"
    if not folder.is_dir():
        pytest.skip(f"no published ground truth at {folder}; set HIPROBE_TEST_DATA")
    return folder
