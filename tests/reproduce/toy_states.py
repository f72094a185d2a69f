"""Labelled states whose informative layer is known, as folders of extracted states."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from hiprobe.fingerprint import Fingerprint
from hiprobe.joined import COMMITTEE_READINGS
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.states import VISION_READINGS, LabelledStates, States, VideoStates
from hiprobe.store.states_file import write_states

LAYERS, WIDTH, BEST = 4, 10, 3
FINGERPRINT = Fingerprint("toy", "w" * 8, "float32", "prompt")


def rows(label: int, count: int, rng: np.random.Generator, *, gap: float = 2.0) -> States:
    values = rng.normal(size=(count, LAYERS, WIDTH)).astype(np.float32)
    values[:, BEST - 1, :5] += gap * label
    return of_values(values)


def of_values(values: np.ndarray, failed: tuple[int, ...] = ()) -> States:
    count = len(values)
    bad = np.zeros(count, bool)
    bad[list(failed)] = True
    values[bad] = 0
    return States(
        values=values,
        layers=tuple(range(1, LAYERS + 1)),
        start_seconds=np.arange(count, dtype=np.float64),
        end_seconds=np.arange(count, dtype=np.float64) + 1.0,
        reading="last",
        fingerprint=FINGERPRINT,
        layer_count=LAYERS,
        failed=bad,
    )


def examples(
    *, sources: int = 12, per_source: int = 2, seed: int = 0, prefix: str = "s", gap: float = 2.0
) -> tuple[LabelledStates, ...]:
    """Half of the sources normal, half anomalous."""
    rng = np.random.default_rng(seed)
    return tuple(
        LabelledStates(
            name=f"{prefix}{source}-{number}",
            label=source % 2,
            source=f"{prefix}{source}",
            clip=rows(source % 2, 1, rng, gap=gap),
            segments=rows(source % 2, 3, rng, gap=gap),
            class_name=("normal", "abnormal")[source % 2],
        )
        for source in range(sources)
        for number in range(per_source)
    )


def write_folder(folder: Path, found: tuple[LabelledStates, ...]) -> Path:
    """A table of extracted states with their sources."""
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "label", "source"])
        for e in found:
            assert e.clip is not None and e.segments is not None
            whole = VideoStates(states={"last": e.segments}, clip={"last": e.clip})
            write_states(folder / f"{e.name}.safetensors", whole)
            writer.writerow([f"{e.name}.safetensors", e.class_name, e.source])
    return folder / "manifest.csv"


def in_every_reading(own: States, *, seed: int, blind: tuple[str, ...] = ()) -> dict[str, States]:
    """The decoder tells the event at its last layer, which a committee reads; the tower never.

    Readings that are `blind` never tell it either.
    """
    own = replace(own, values=np.roll(own.values, 1, axis=1))
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(own), 1, 6)).astype(np.float32)
    tower = replace(own, values=values, layers=(1,), layer_count=1)
    noise = replace(own, values=rng.normal(size=own.values.shape).astype(np.float32))
    kinds = {**dict.fromkeys(VISION_READINGS, tower), **dict.fromkeys(blind, noise)}
    return {r: replace(kinds.get(r, own), reading=r) for r in COMMITTEE_READINGS}


def write_views(
    folder: Path, found: tuple[LabelledStates, ...], *, blind: tuple[str, ...] = ()
) -> Path:
    """As `write_folder`, with all readings of a committee."""
    manifest = write_folder(folder, found)
    for seed, e in enumerate(found):
        assert e.clip is not None and e.segments is not None
        clip = in_every_reading(e.clip, seed=seed, blind=blind)
        whole = VideoStates(in_every_reading(e.segments, seed=seed, blind=blind), clip=clip)
        write_states(folder / f"{e.name}.safetensors", whole)
    return manifest


def no_backbone() -> object:
    raise AssertionError("extracted states need no backbone")


def bench(out: Path, *data: DataSource, seeds: tuple[int, ...] = (0, 1), **settings) -> Bench:
    request = ReproduceRequest(data=data, out=out, seeds=seeds, folds=3, draws=40, **settings)
    extraction = Extraction(request, no_backbone)
    return Bench(request, extraction, FinishedPieces(out / "kept"), say=lambda line: None)
