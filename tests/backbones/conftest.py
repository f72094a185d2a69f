"""The backbones under test: one built small here, and the real lite one where it can be had."""

from __future__ import annotations

import pytest
from backbone_cases import BackboneCase, lite_case, write_tiny_lite


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
