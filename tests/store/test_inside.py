"""Names that lead out of a folder are refused, whatever they are made of."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.errors import OutsideFolderError
from hiprobe.store.text_files import inside

PARTS = st.sampled_from(["..", ".", "a", "b.mp4", "", "...", "/", "~"])


@given(st.lists(PARTS, max_size=6))
def test_a_name_stays_inside_or_is_refused(parts: list[str]) -> None:
    folder, name = Path("/nowhere/results"), "/".join(parts)
    try:
        path = inside(folder, name)
    except OutsideFolderError:
        return
    lies_at = Path("/nowhere/results", name).resolve()
    assert lies_at.is_relative_to(folder) and lies_at != folder
    assert path.resolve() == lies_at


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..", "a/..", "", "."])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutsideFolderError, match="outside"):
        inside(tmp_path / "out", name)


@pytest.mark.parametrize("name", ["x", "a/x", "a/../x", "..x", "a/b/../../x.json"])
def test_names_that_are_good(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name) == tmp_path / PurePosixPath(name)


def test_a_link_to_another_folder_is_outside_and_a_linked_output_folder_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutsideFolderError):
        inside(tmp_path / "out", "sub/x.mp4")
    assert inside(tmp_path / "out" / "sub", "x.mp4").parent.resolve() == tmp_path / "elsewhere"
