"""A tiny model as a repository of a local hub, and an empty cache to fetch it into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import Repository, serving
from safetensors.numpy import save

from hiprobe.settings import backbones_folder


@pytest.fixture(scope="session")
def parts() -> dict[str, bytes]:
    """Two files of weights; the second is longer than the pieces that the hub's client writes."""
    rng = np.random.default_rng(0)
    return {
        f"model-0000{n}-of-00002.safetensors": save(
            {f"layer.{n}": rng.integers(0, 256, size, dtype=np.uint8)}
        )
        for n, size in ((1, 500_000), (2, 24_000_000))
    }


@pytest.fixture
def repository(parts: dict[str, bytes]) -> Repository:
    """The weights with their index, config and tokenizer, and what must stay away."""
    index = {"weight_map": {f"layer.{n}": f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}}
    return Repository(
        {
            "config.json": b'{"model_type": "internvl"}',
            "tokenizer.json": b"{}",
            "chat_template.jinja": b"{{ messages }}",
            "model.safetensors.index.json": json.dumps(index).encode(),
            **parts,
            "consolidated.safetensors": save({"x": np.zeros(3, np.float32)}),
            "LICENSE": b"free\n",
            "pytorch_model.bin": b"pickled",
            "modeling_tiny.py": b"raise SystemExit('code of a model')\n",
            "onnx/model.onnx": b"other",
            "runs/events.json": b"{}",
        }
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HiProbe's folder of backbones, empty; the hub client's cache, empty."""
    from huggingface_hub import constants

    for name in ("HIPROBE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return backbones_folder()


@pytest.fixture
def hub(
    repository: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repository]:
    """The repository, served where the hub's client looks for it."""
    from huggingface_hub import constants

    with serving(repository) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield repository
