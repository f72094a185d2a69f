"""Cloning with the real git, from a repository on this disk; and what is said without one."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from data_trees import clips

from hiprobe.datasets.catalog import KnownSet, known_set
from hiprobe.datasets.fetch import clone, how_to_get
from hiprobe.errors import DownloadError, UsageError


@pytest.fixture
def fights(tmp_path: Path) -> KnownSet:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    source = tmp_path / "source"
    clips(source, ("fight/fi001.mp4", "noFight/nofi001.mp4"))
    settings = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*settings, "commit", "-q", "-m", "clips"]):
        subprocess.run(["git", "-C", str(source), *command], check=True, capture_output=True)
    return replace(known_set("fights"), clone=source.as_uri())


def test_a_clone_is_whole_or_not_there(fights: KnownSet, tmp_path: Path) -> None:
    target = tmp_path / "new" / "fights"
    clone(fights, folder=target)
    assert (target / "fight" / "fi001.mp4").is_file()
    assert [p.name for p in target.parent.iterdir()] == ["fights"]
    with pytest.raises(UsageError, match="holds something"):
        clone(fights, folder=target)
    broken = replace(fights, clone=(tmp_path / "absent").as_uri())
    with pytest.raises(DownloadError, match=r"copy the folder to .*/other, then run"):
        clone(broken, folder=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_without_a_network_or_a_repository(tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=r"OFFLINE is set[\s\S]*git clone --depth 1 https://github"
    ):
        clone(known_set("fights"), folder=tmp_path / "x", offline=True)
    with pytest.raises(UsageError, match=r"no public repository[\s\S]*crcv\.ucf\.edu"):
        clone(known_set("ucf-crime"), folder=tmp_path / "x")
    text = how_to_get(known_set("xd-violence"), tmp_path)
    assert f"{tmp_path}/1-1004/" in text and f"data check xd-violence {tmp_path}" in text
