"""Extracted states of made-up clips, on which the whole path runs without a model."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.fingerprint import Fingerprint
from hiprobe.states import States, VideoStates
from hiprobe.store.states_file import write_states

LAYERS = (1, 2, 3, 4)
WIDTH = 12
BEST_LAYER = 3
FINGERPRINT = Fingerprint("lite", "w" * 8, "float32", "prompt")


def states(
    labels: NDArray[np.int64], rng: np.random.Generator, fingerprint: Fingerprint = FINGERPRINT
) -> States:
    """One row per label; only `BEST_LAYER` tells the labels apart."""
    values = rng.normal(size=(len(labels), len(LAYERS), WIDTH)).astype(np.float32)
    values[:, LAYERS.index(BEST_LAYER), :6] += 3.0 * labels[:, None]
    starts = np.arange(len(labels), dtype=np.float64)
    return States(
        values=values,
        layers=LAYERS,
        start_seconds=starts,
        end_seconds=starts + 1.0,
        reading="last",
        fingerprint=fingerprint,
        layer_count=len(LAYERS),
        failed=np.zeros(len(labels), bool),
    )


def write_clip_states(
    path: Path, label: int, rng: np.random.Generator, fingerprint: Fingerprint = FINGERPRINT
) -> None:
    """States of a clip of three segments."""
    whole = states(np.array([label]), rng, fingerprint)
    segments = states(np.full(3, label), rng, fingerprint)
    write_states(path, VideoStates(states={"last": segments}, clip={"last": whole}))


def write_clip_folder(
    folder: Path, *, clips_per_class: int = 10, seed: int = 0, model: str = "lite"
) -> Path:
    """`normal/` and `abnormal/` with states in place of videos."""
    rng, backbone = np.random.default_rng(seed), replace(FINGERPRINT, model=model)
    for label, name in enumerate(("normal", "abnormal")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(clips_per_class):
            write_clip_states(folder / name / f"{number:02d}.safetensors", label, rng, backbone)
    return folder


def write_untrimmed(path: Path, *, seed: int = 99) -> tuple[float, float]:
    """States of 40 segments with one event; returns its span in seconds."""
    labels = np.zeros(40, dtype=np.int64)
    labels[15:22] = 1
    write_states(path, states(labels, np.random.default_rng(seed)))
    return 15.0, 22.0


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A table of clips."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("video", "label"), *rows])
    return path
