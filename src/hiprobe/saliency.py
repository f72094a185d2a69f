"""Dynamic layer saliency probing: which layer separates the two classes best (paper, eqs. 1-7).

All of it is computed in float64 on one vector per clip and layer. Choices where the paper is
silent: variances are those of the population (divided by n); entropy bins lie on the range of
all samples of a layer and dimension; `RELATIVE_FLOOR` of a dimension's variance over all samples
takes the place of eps, so that the unit of a dimension does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError

# Default number of entropy bins; the paper gives none.
ENTROPY_BINS = 50

# Least variance of a class, and eps of LDR, as a part of the variance over all samples.
RELATIVE_FLOOR = 1e-6

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SaliencyTable:
    """Measures of every layer, float64 `[layers]` each.

    Attributes:
        layers: layer numbers, as a rule 1..L.
        kl, ldr, entropy: means over dimensions (paper, eqs. 2, 4, 6); entropy in bits.
        total: S(l), the sum of the three after z-scoring each over layers (eqs. 5', 6').
    """

    layers: tuple[int, ...]
    kl: _Floats
    ldr: _Floats
    entropy: _Floats
    total: _Floats

    @property
    def best(self) -> int:
        """Layer number l* = argmax S(l) (paper, eq. 7); the shallowest of equals."""
        return self.layers[int(np.argmax(self.total))]


def layer_saliency(
    normal: NDArray[Any],
    anomalous: NDArray[Any],
    *,
    bins: int = ENTROPY_BINS,
    layers: Sequence[int] | None = None,
) -> SaliencyTable:
    """Saliency of every layer from two sets of clip vectors (paper, eqs. 1-7).

    A dimension constant over all samples adds 0 to each measure. A class constant in a dimension
    that varies elsewhere gets the floor as variance. A class of one sample has no variance: it
    takes the other class's. A measure equal on all layers is 0 after normalisation.

    Args:
        normal: `[n, layers, dimensions]`, one vector per normal clip and layer.
        anomalous: `[a, layers, dimensions]`.
        bins: equal-width bins of the entropy.
        layers: numbers of the layers, 1, 2, ... unless given.

    Raises:
        StatesError: shapes do not fit, a value is not finite, a class is empty, or both have
            one sample only (no variance can be estimated).
        UsageError: fewer than 2 bins.
    """
    _check(normal, anomalous)
    if bins < 2:
        raise UsageError(f"entropy over {bins} bins is always 0; give at least 2")
    count = normal.shape[1]
    numbers = tuple(range(1, count + 1)) if layers is None else tuple(layers)
    if len(numbers) != count:
        raise StatesError(f"{len(numbers)} layer numbers for states of {count} layers")
    rows = [_measures(normal[:, i], anomalous[:, i], bins=bins) for i in range(count)]
    kl, ldr, entropy = np.array(rows, dtype=np.float64).T
    total = normalised(kl) + normalised(ldr) + normalised(entropy)
    return SaliencyTable(layers=numbers, kl=kl, ldr=ldr, entropy=entropy, total=total)


def normalised(measure: _Floats) -> _Floats:
    """Z-scores over layers (paper, eq. 5'); zeros where all layers are equal."""
    centred = measure - measure.mean()
    # rounding alone makes equal layers differ by so much
    spread = float(measure.std())
    if spread <= 1e-12 * float(np.abs(measure).max(initial=0.0)):
        return np.zeros_like(centred)
    return np.asarray(centred / spread, dtype=np.float64)


def _check(normal: NDArray[Any], anomalous: NDArray[Any]) -> None:
    if normal.ndim != 3 or anomalous.ndim != 3 or normal.shape[1:] != anomalous.shape[1:]:
        raise StatesError(
            f"normal {normal.shape} and anomalous {anomalous.shape} must both be "
            "[clips, layers, dimensions] with equal layers and dimensions"
        )
    if not normal.size or not anomalous.size or len(normal) + len(anomalous) < 3:
        raise StatesError(
            f"{len(normal)} normal and {len(anomalous)} anomalous clips: saliency needs one of "
            "each kind and three in all; add clips or name a layer"
        )
    for name, values in (("normal", normal), ("anomalous", anomalous)):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            clip, layer, dimension = (int(i) for i in bad[0])
            raise StatesError(
                f"{name} clip {clip} is not finite at layer index {layer}, dimension {dimension}; "
                "extract its states again in float32"
            )


def _measures(
    normal: NDArray[Any], anomalous: NDArray[Any], *, bins: int
) -> tuple[float, float, float]:
    """KL, LDR and entropy of one layer: means over dimensions (paper, eqs. 2, 4, 6)."""
    n, a = normal.astype(np.float64), anomalous.astype(np.float64)
    everything = np.concatenate([n, a])
    low, high = everything.min(axis=0), everything.max(axis=0)
    # a dimension that never changes says nothing about the classes, and would divide 0 by 0
    varying = high > low
    kl = np.zeros(len(low))
    ldr = np.zeros(len(low))
    floor = RELATIVE_FLOOR * everything[:, varying].var(axis=0)
    moments = _moments(n[:, varying], a[:, varying], floor)
    kl[varying] = _divergence(*moments)
    ldr[varying] = _discriminant_ratio(*moments, floor)
    return float(kl.mean()), float(ldr.mean()), float(_entropy(everything, low, high, bins).mean())


def _moments(n: _Floats, a: _Floats, floor: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Variances of the two classes, floored, and the squared distance of their means."""
    var_n, var_a = n.var(axis=0), a.var(axis=0)
    var_n, var_a = (var_a if len(n) == 1 else var_n), (var_n if len(a) == 1 else var_a)
    gap = np.square(n.mean(axis=0) - a.mean(axis=0))
    return np.maximum(var_n, floor), np.maximum(var_a, floor), gap


def _divergence(var_n: _Floats, var_a: _Floats, gap: _Floats) -> _Floats:
    """KL(normal || anomalous) of two Gaussians, in nats, per dimension (paper, eq. 1)."""
    return np.asarray(0.5 * (np.log(var_a / var_n) + (var_n + gap) / var_a - 1.0))


def _discriminant_ratio(var_n: _Floats, var_a: _Floats, gap: _Floats, epsilon: _Floats) -> _Floats:
    """Linear discriminant ratio per dimension (paper, eq. 3)."""
    return np.asarray(gap / (var_n + var_a + epsilon))


def _entropy(values: _Floats, low: _Floats, high: _Floats, bins: int) -> _Floats:
    """Shannon entropy in bits over equal bins on each dimension's range (paper, eq. 5)."""
    count, width = values.shape
    place = values - low
    place /= np.where(high > low, high - low, 1.0)
    place *= bins
    # the highest value belongs to the last bin, not to one behind it
    np.minimum(place, bins - 1, out=place)
    # the bins of each dimension have numbers of their own, so that one call counts all of them
    flat = place.astype(np.int64)
    flat += np.arange(width) * bins
    counts = np.bincount(flat.ravel(), minlength=width * bins).reshape(width, bins)
    p = np.arange(count + 1) / count
    terms = p * np.log2(np.where(p > 0, p, 1.0))  # a bin holds 0 to `count` samples: looked up
    return np.asarray(-terms[counts].sum(axis=1))
