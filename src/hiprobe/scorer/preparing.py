"""What all scorers do to vectors and labels before they fit."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError

Balance = Literal["weights", "resample", "none"]
"""How classes of different size are made equal."""

BALANCES: tuple[Balance, ...] = get_args(Balance)

DEFAULT_STRENGTH = 5.76
"""C times the summed variance of all dimensions, where no C is given: 0.01 for 576 standardised
dimensions. C alone means more the wider a state is, since a logit sums over its dimensions."""

_Floats = NDArray[np.float64]


def inverse_strength(z: _Floats, c: float | None) -> float:
    """C as given, or `DEFAULT_STRENGTH` over the summed variance of `[n, dimensions]`.

    So by default neither the width of a backbone nor the unit of its states moves a score.
    """
    if c is not None:
        return c
    return DEFAULT_STRENGTH / (float(z.var(axis=0).sum()) or 1.0)


def prepared(
    x: NDArray[Any],
    y: NDArray[Any],
    standardise: bool,
    balance: Balance,
    seed: int,
    only: int | None = None,
) -> tuple[_Floats, NDArray[np.int64], _Floats, _Floats]:
    """Checked, resampled and standardised vectors, labels, and the mean and scale taken off."""
    z, labels = np.asarray(x, dtype=np.float64), np.asarray(y).astype(np.int64)
    if z.ndim != 2 or labels.shape != (len(z),) or not np.isfinite(z).all():
        raise StatesError(
            f"cannot fit on states {z.shape} with labels {labels.shape}: not finite "
            "or of another shape than [n, dimensions] and [n]"
        )
    if set(labels.tolist()) != {0, 1}:
        raise StatesError(f"cannot fit on labels {sorted(set(labels.tolist()))}: 0 and 1 needed")
    if only is not None:
        z, labels = z[labels == only], labels[labels == only]
    if balance == "resample":
        rows = _resampled(labels, seed)
        z, labels = z[rows], labels[rows]
    mean, scale = np.zeros(z.shape[1]), np.ones(z.shape[1])
    if standardise:
        mean, deviation = z.mean(axis=0), z.std(axis=0)
        # rounding alone gives a constant column a tiny deviation, which must not be blown up
        constant = deviation <= 1e-12 * np.abs(z).max(axis=0)
        scale = np.where(constant, 1.0, deviation)
    return (z - mean) / scale, labels, mean, scale


def _resampled(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """All rows, and random ones of the smaller class again, until both classes are equal."""
    counts = np.bincount(labels, minlength=2)
    small = int(np.argmin(counts))
    extra = np.random.default_rng(seed).choice(
        np.flatnonzero(labels == small), size=int(abs(counts[0] - counts[1]))
    )
    return np.concatenate([np.arange(len(labels)), extra])


def class_weights(labels: NDArray[np.int64], balance: Balance) -> _Floats:
    """Weight of each sample; n / (2 n_class) for equal total weight of both classes."""
    if balance != "weights":
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=2)
    return np.asarray((len(labels) / (2.0 * counts))[labels], dtype=np.float64)
