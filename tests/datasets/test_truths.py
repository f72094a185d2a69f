"""Which truth a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiprobe.datasets.ground_truth import find_truth, load_truth


def test_a_folder_of_a_sets_name_does_not_hide_the_packaged_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ped2").mkdir()
    assert find_truth("ped2") == load_truth("ucsd-ped2")
    (tmp_path / "ped2" / "manifest.csv").write_text(
        "video,label,split,frames,spans\na.mp4,1,test,20,3-5\nb.mp4,0,test,20,\n"
    )
    assert [v.frames for v in find_truth("ped2").videos] == [20, 20]
