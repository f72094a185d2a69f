"""States of descriptions: each different text is read once, each video is kept when it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import TEXT_READINGS, TextReading, TextsBackbone
from hiprobe.errors import UsageError
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.descriptions import DescribedSet
from hiprobe.store.array_files import read_npy
from hiprobe.store.atomic import atomic_path

CHUNK = 32
"""Texts after which the course of the run is told."""

LAYER_STEP = 3
"""Every so many layers are read, and the first and the last: neighbours differ little."""


def read_layers(layer_count: int) -> tuple[int, ...]:
    """Layers that are compared, ascending."""
    return tuple(sorted({1, *range(LAYER_STEP, layer_count + 1, LAYER_STEP), layer_count}))


def text_states(
    bench: Bench, described: DescribedSet, layers: Sequence[int]
) -> dict[TextReading, NDArray[np.float32]]:
    """States of all sampled texts of a set, float32 `[samples, layers, width]` by reading.

    Raises:
        UsageError: the backbone does not read texts.
    """
    backbone = bench.extraction.backbone
    if not isinstance(backbone, TextsBackbone):
        raise UsageError(
            f"{bench.request.backbone.known_as} does not read texts in place of pictures; use lite"
        )
    seen: dict[str, NDArray[np.float32]] = {}
    rows = []
    made = _reader_digest(backbone, layers)
    for number, video in enumerate(described.videos, start=1):
        place = _place(bench, described.name, video.texts, made)
        found = _load(place, (len(TEXT_READINGS), len(video.texts), len(layers), backbone.width))
        if found is None:
            told = f"{described.name}: texts of video {number} of {len(described.videos)}"
            _read_new(backbone, video.texts, layers, seen, bench, told)
            found = np.stack([seen[t] for t in video.texts], axis=1)
            _keep(place, found)
        rows.append(found)
    joined = np.concatenate(rows, axis=1)
    return {reading: joined[i] for i, reading in enumerate(TEXT_READINGS)}


def _read_new(
    backbone: Any,
    texts: Sequence[str],
    layers: Sequence[int],
    seen: dict[str, NDArray[np.float32]],
    bench: Bench,
    told: str,
) -> None:
    new = [t for t in dict.fromkeys(texts) if t not in seen]
    for start in range(0, len(new), CHUNK):
        bench.say(f"{told}, {start} of {len(new)} new")
        chunk = new[start : start + CHUNK]
        found = backbone.text_states(chunk, layers=layers)
        for position, text in enumerate(chunk):
            seen[text] = np.stack([found[r][position] for r in TEXT_READINGS])


def _reader_digest(backbone: TextsBackbone, layers: Sequence[int]) -> str:
    """What decides the states of a text: the decoder and the prompt, not how pictures are read."""
    found = backbone.text_states(("A street with people.",), layers=layers)
    values = b"".join(found[r].tobytes() for r in TEXT_READINGS)
    return hashlib.sha256(f"{tuple(layers)}".encode() + values).hexdigest()[:24]


def _place(bench: Bench, name: str, texts: Sequence[str], made: str) -> Path:
    digest = hashlib.sha256("\0".join([made, *texts]).encode()).hexdigest()[:24]
    return bench.kept.folder / f"texts-{name}-{digest}.npy"


def _load(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    try:
        found: NDArray[np.float32] = read_npy(path)
    except (OSError, ValueError):
        return None
    return found if found.shape == shape else None


def _keep(path: Path, values: NDArray[np.float32]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
