"""Synthetic labelled states whose informative layer is known."""

from __future__ import annotations

import numpy as np

from hiprobe.fingerprint import Fingerprint
from hiprobe.states import LabelledStates, States

FINGERPRINT = Fingerprint("toy", "weights-1", "float32", "What happens?", {"frame_pixels": 224})


def states(values, *, failed=(), fingerprint=FINGERPRINT, reading="last", layers=None):
    values = np.asarray(values, dtype=np.float32)
    n, count = values.shape[:2]
    bad = np.zeros(n, dtype=bool)
    bad[list(failed)] = True
    values[bad] = 0
    return States(
        values=values,
        layers=tuple(range(1, count + 1)) if layers is None else layers,
        start_seconds=np.arange(n, dtype=np.float64),
        end_seconds=np.arange(n, dtype=np.float64) + 1,
        reading=reading,
        fingerprint=fingerprint,
        layer_count=count,
        failed=bad,
    )


def examples(
    *,
    seed: int = 0,
    count: int = 40,
    layers: int = 6,
    width: int = 12,
    informative: int = 4,
    gap: float = 2.0,
    segments: int = 5,
    per_source: int = 1,
    hot: int | None = None,
    clip: bool = True,
):
    """Half normal, half anomalous clips; the classes part on layer `informative` only.

    With `hot`, only so many segments of an anomalous clip are anomalous, and so is its clip
    vector by that share.
    """
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=width)
    found = []
    for i in range(count):
        label = i % 2
        rows = rng.normal(size=(segments, layers, width))
        lit = segments if hot is None else hot
        if label:
            rows[:lit, informative - 1] += gap * direction
        whole = rng.normal(size=(1, layers, width))
        whole[0, informative - 1] += label * gap * direction * lit / max(segments, 1)
        found.append(
            LabelledStates(
                name=f"clip-{i}",
                label=label,
                source=f"source-{i // (2 * per_source)}-{label}",
                clip=states(whole) if clip else None,
                segments=states(rows) if segments else None,
                class_name=("normal", "fight")[label],
            )
        )
    return found
