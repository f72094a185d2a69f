"""Models on this disk load by name with every network call blocked."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from backbone_cases import moving_square
from click.testing import CliRunner

from hiprobe.backbones.model_folders import own_folder
from hiprobe.backbones.registry import open_backbone
from hiprobe.cli.app import app
from hiprobe.store.states_file import read_states
from hiprobe.video.write import write_video

SEGMENT = moving_square(seed=3)
HUB = "somebody/tiny-internvl"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every way out raises, and is noted."""
    tried: list[str] = []

    def refuse(name: str) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            tried.append(name)
            raise OSError(f"{name} is blocked")

        return call

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse(name))
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse(name))
    return tried


def test_from_hiprobes_folder(
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: list[str],
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    shutil.copytree(model_folder("internvl"), own_folder(HUB))
    backbone = open_backbone(HUB)
    states = backbone.states([SEGMENT], layers=[2])["last"]
    reference = open_backbone(model_folder("internvl")).states([SEGMENT], layers=[2])["last"]
    assert np.array_equal(states, reference)
    assert backbone.describe(SEGMENT.frames, prompt="What?", max_new_tokens=2) is not None
    assert no_network == []


def test_from_the_hub_clients_cache(
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: list[str],
) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / f"models--{HUB.replace('/', '--')}"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / ("b" * 40)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(model_folder("internvl").iterdir())):
        blob = repository / "blobs" / f"{number:040d}"
        shutil.copyfile(path, blob)
        (snapshot / path.name).symlink_to(blob)  # as the client lays its cache out
    backbone = open_backbone(HUB, cut_at_layer=1)
    assert backbone.states([SEGMENT], layers=[1])["last"].shape == (1, 1, 32)
    assert no_network == []


def test_the_commands_take_a_hub_id_and_a_folder(
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_network: list[str],
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    shutil.copytree(model_folder("internvl"), own_folder(HUB))
    video = tmp_path / "square.mp4"
    write_video(video, [np.asarray(f) for f in SEGMENT.frames] * 3, fps=24)
    found = {}
    for number, name in enumerate((HUB, str(own_folder(HUB)))):
        out = tmp_path / f"states{number}"
        line = ["extract", str(video), "--backbone", name, "-o", str(out), "--no-cache", "--quiet"]
        result = CliRunner().invoke(app, line)
        assert result.exit_code == 0, result.output
        found[name] = read_states(next(out.rglob("*.safetensors"))).states["last"].values
    first, second = found.values()
    assert first.shape == (1, 4, 32)
    assert np.array_equal(first, second)
    result = CliRunner().invoke(app, ["extract", str(video), "--backbone", "qwen3-vl-8b"])
    assert result.exit_code == 8
    assert "`hiprobe backbones get qwen3-vl-8b` fetches it, about 17.5 GB" in result.output
    assert no_network == []
