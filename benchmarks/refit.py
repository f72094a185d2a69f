"""Measures a refit of one layer from states on disk: 100,000 segments of width 4096 by default.

    python benchmarks/refit.py make FOLDER [--rows 100000] [--width 4096] [--decay 1]
    python benchmarks/refit.py measure FOLDER [--again 3] [--in-float64 20000]

`make` writes states with a planted signal as `hiprobe extract` writes them, in one file. Their
dimensions depend on each other: the variance along the k-th direction falls as k^-DECAY, as that of
real states does (those of lite fall faster than 1/k; 0 makes all directions alike).
`measure` reads the file, fits the logistic regression that `hiprobe fit` fits, and prints one line
of JSON. `--in-float64` fits so many of the rows the way of fewer rows, to compare.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hiprobe import scorer
from hiprobe.evaluation.metrics.ranking import roc_auc
from hiprobe.fingerprint import Fingerprint
from hiprobe.scorer import make_scorer
from hiprobe.states import States
from hiprobe.store.states_file import read_states, write_states

LAYER, SHARE_ABNORMAL, FILE, LABELS = 20, 0.2, "camera.safetensors", "labels.npy"

T = TypeVar("T")


def planted(
    *, rows: int, width: int, decay: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """States `[rows, width]` far from 0, and their labels."""
    from scipy.fft import dct

    rng = np.random.default_rng(0)
    order = np.arange(1, width + 1)
    spread = order**-decay
    spread *= width / spread.sum()
    signal = rng.standard_normal(width) * order**-0.5
    signal *= 2 / np.linalg.norm(signal)
    labels = (rng.random(rows) < SHARE_ABNORMAL).astype(np.int64)
    middle = rng.normal(0, 10, width).astype(np.float32)
    signs, places = rng.choice([-1, 1], width).astype(np.float32), rng.permutation(width)
    states = np.empty((rows, width), np.float32)
    for first in range(0, rows, 4096):
        own = labels[first : first + 4096, None]
        drawn = rng.standard_normal((len(own), width), dtype=np.float32)
        drawn = (drawn + own * signal.astype(np.float32)) * np.sqrt(spread).astype(np.float32)
        # a turn of the space: every dimension is made of all directions
        states[first : first + 4096] = dct(drawn[:, places] * signs, norm="ortho", axis=1) + middle
    return states, labels


def make(folder: Path, *, rows: int, width: int, decay: float) -> None:
    """Write the states and their labels."""
    values, labels = planted(rows=rows, width=width, decay=decay)
    times = np.arange(rows + 1) * 0.8
    states = States(
        values=values[:, None],
        layers=(LAYER,),
        start_seconds=times[:-1],
        end_seconds=times[1:],
        reading="last",
        fingerprint=Fingerprint("planted", "", "float32", "none"),
        layer_count=32,
        failed=np.zeros(rows, np.bool_),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_states(folder / FILE, states)
    np.save(folder / LABELS, labels)


def timed(what: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """A result, with the seconds by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = what()
    return found, {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }


def measure(folder: Path, *, again: int, in_float64: int) -> dict[str, Any]:
    """Time and memory of reading and fitting; the best of some turns, the file in memory."""
    labels = np.load(folder / LABELS)
    make_scorer("logistic").fit(np.eye(2, 4), np.arange(2))  # imports what it needs
    turns = []
    for _ in range(again):
        video, read = timed(lambda: read_states(folder / FILE))
        states = video.states["last"].layer(LAYER)
        _, once = timed(lambda states=states: states @ np.ones(states.shape[1], np.float32))  # type: ignore[misc]
        fitted, fit = timed(lambda states=states: make_scorer("logistic").fit(states, labels))  # type: ignore[misc]
        turns.append({"read": read, "one_product": once, "fit": fit})
    best = {
        part: min((turn[part] for turn in turns), key=lambda found: found["seconds"])
        for part in turns[0]
    }
    held = np.arange(0, len(labels), max(1, len(labels) // 2000))
    found = {
        "rows": len(labels),
        "width": states.shape[1],
        **best,
        "iterations": fitted.convergence.iterations if fitted.convergence else None,
        "auc_of_some": round(roc_auc(fitted.probability(states[held]), labels[held]), 4),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if in_float64:
        found["float64"] = _in_float64(states[:in_float64], labels[:in_float64])
    return found


def _in_float64(states: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Any]:
    """The same rows both ways: what the way of fewer rows takes, and how far scores are apart."""
    scorer.MANY_ROWS = len(labels)
    here, by_passes = timed(lambda: make_scorer("logistic").fit(states, labels))
    scorer.MANY_ROWS = len(labels) + 1
    there, usual = timed(lambda: make_scorer("logistic").fit(states, labels))
    apart = float(np.abs(here.probability(states) - there.probability(states)).max())
    return {"rows": len(labels), "by_passes": by_passes, "usual": usual, "scores_apart": apart}


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    making = steps.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--rows", type=int, default=100_000)
    making.add_argument("--width", type=int, default=4096)
    making.add_argument("--decay", type=float, default=1.0)
    measuring = steps.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--again", type=int, default=3)
    measuring.add_argument("--in-float64", type=int, default=0)
    given = parser.parse_args()
    if given.step == "make":
        make(given.folder, rows=given.rows, width=given.width, decay=given.decay)
    else:
        found = measure(given.folder, again=given.again, in_float64=given.in_float64)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
