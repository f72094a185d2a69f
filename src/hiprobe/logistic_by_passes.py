"""Logistic regression with an L2 penalty on very many float32 rows, by passes over where they lie.

Rows are read as they are, also memory-mapped: they are neither copied nor turned into float64.
Each evaluation of loss and gradient reads them from memory once, in parts that threads share. Some
thousand rows give a preconditioner, a shrunk estimate of the curvature, so that L-BFGS takes 10 to
25 passes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.settings import threads_in_use

# A usual L2 cache: a block is used twice, for logits and for the gradient, and comes from memory
# once. Smaller ones make Python's share of a pass larger, in which threads wait for each other:
# 100,000 rows of 4096 take two threads 0.19 s with 256 kB, 0.12 s with 512 kB, 0.10 s with 1 MB.
_BLOCK_BYTES = 1024 * 1024

# Parts of the rows that threads take in turn. Their sums are added up in order, so that they have
# the same digits with any number of threads.
_PARTS = 16

# Rows that the preconditioner is made of. 3,000 save three passes and cost as much as these.
_SAMPLE_ROWS = 2_000

# The ridge of the preconditioner, in geometric means of what the sample shows. Of 1/4 to 2, 2 took
# the fewest passes on spectra that are flat and that fall as 1/k and k^-1.3, one more on k^-2.
_RIDGE = 2.0

# Passes end where the logits would still move so far, root mean square. Scores are then within
# 1e-3 of the minimum's; the error of float32 itself is 1e-4 to 3e-4.
_TOLERANCE = 5e-4

# A fall of the loss, as a share of it, that float32 logits cannot show. Where it comes before the
# tolerance, a search along the step would only pass over the rows until it gave up.
_LEAST_FALL = 2e-7

# A mean of so many deviations, root mean square, would cost float32 the digits that this needs.
# The lite backbone's states have 8 to 40.
MOST_DEVIATIONS = 300.0

_Floats = NDArray[np.float64]
_Rows = NDArray[np.float32]


@dataclass(frozen=True)
class PassesFit:
    """A regression on standardised rows.

    Attributes:
        weights, bias: float64 `[dimensions]` and a number, of rows less their mean, over scale.
        iterations: steps of L-BFGS.
        converged: False where the limit of iterations came first.
    """

    weights: _Floats
    bias: float
    iterations: int
    converged: bool


def mean_and_deviation_by_passes(x: _Rows) -> tuple[_Floats, _Floats]:
    """Mean and deviation of each dimension, in one pass; exactly 0 for a constant one.

    Values that are not finite, or whose squares are not in float32, make the result not finite.
    """
    # A value that occurs, so that a constant dimension has no spread at all, and near the middle,
    # so that squares about it lose no digits.
    centre = np.median(x[:: max(1, len(x) // 33)][:33], axis=0).astype(np.float32)

    def sums(part: slice) -> tuple[_Floats, _Floats]:
        total, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):  # each thread has its own
            for rows in _blocks(x, part):
                off = x[rows] - centre
                total += np.dot(np.ones(len(off), np.float32), off)
                squares += np.einsum("ij,ij->j", off, off)
        return total, squares

    with _pool() as pool, np.errstate(over="ignore", invalid="ignore"):
        parts = list(pool.map(sums, _parts(len(x))))
        total, squares = (np.sum(of_parts, axis=0) for of_parts in zip(*parts, strict=True))
        variance = squares / len(x) - np.square(total / len(x))
        return centre + total / len(x), np.sqrt(np.maximum(variance, 0))


def fit_by_passes(
    x: _Rows,
    y: NDArray[Any],
    *,
    mean: _Floats,
    scale: _Floats,
    weights: _Floats,
    c: float,
    iterations: int,
) -> PassesFit:
    """Minimise c times the weighted cross-entropies + |w|^2 / 2 over standardised rows.

    The minimum is that of scikit-learn's `LogisticRegression(C=c)`; tests compare the scores.

    Args:
        x: `[n, dimensions]`, finite, not standardised.
        y: `[n]`, 0 or 1.
        mean, scale: `[dimensions]`, to standardise by.
        weights: `[n]`, of the rows.
        iterations: most steps.
    """
    history = _History(_preconditioner(x, mean, scale, c * weights))
    with _pool() as pool:
        loss = _Loss(x, np.asarray(y, dtype=np.float64), mean, scale, weights, c, pool)
        return _minimised(loss, history, iterations)


_LIMIT = threading.Lock()


@contextmanager
def _pool() -> Iterator[Executor]:
    """Threads that take parts of the rows; BLAS has one in each, for a product of one block is too
    small to be shared."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # The limit is the whole process's. Of two fits that overlap, the second would take the first
    # one's limit for the usual number of threads, and leave it behind.
    with _LIMIT, threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads_in_use()) as of:
        yield of


def _parts(rows: int) -> list[slice]:
    edges = np.linspace(0, rows, _PARTS + 1).astype(int).tolist()
    return [slice(first, end) for first, end in pairwise(edges)]


def _minimised(loss: _Loss, history: _History, iterations: int) -> PassesFit:
    at = _Point(np.zeros(loss.x.shape[1] + 1), loss)
    for number in range(1, iterations + 1):
        step = -history.smoothed(at.gradient)
        fall = -float(at.gradient @ step)
        # By Newton's decrement: how far the step would move the logits, root mean square.
        if fall <= max(_TOLERANCE**2 * at.curvature, _LEAST_FALL * at.value):
            return PassesFit(at.w[:-1], float(at.w[-1]), number - 1, converged=True)
        new = _along(at, step, fall, loss)
        if new is None:  # no fall that float32 can show
            return PassesFit(at.w[:-1], float(at.w[-1]), number - 1, converged=True)
        history.add(new.w - at.w, new.gradient - at.gradient)
        at = new
    return PassesFit(at.w[:-1], float(at.w[-1]), iterations, converged=False)


def _blocks(x: _Rows, part: slice) -> Iterator[slice]:
    count = max(1, _BLOCK_BYTES // (x.itemsize * x.shape[1]))
    return (slice(n, min(n + count, part.stop)) for n in range(part.start, part.stop, count))


@dataclass(frozen=True)
class _Loss:
    """Rows, labels and weights; the variables are the weights of the dimensions, then the bias."""

    x: _Rows
    y: _Floats
    mean: _Floats
    scale: _Floats
    weights: _Floats
    c: float
    pool: Executor

    def __call__(self, w: _Floats) -> tuple[float, _Floats, float]:
        """Loss, gradient, and the sum of the rows' curvatures, in one pass."""
        from scipy.special import expit

        along = w[:-1] / self.scale
        # rows are standardised by their products alone
        narrow, offset = along.astype(np.float32), w[-1] - float(self.mean @ along)
        logits, residuals = np.empty(len(self.x)), np.empty(len(self.x))

        def gradient_of(part: slice) -> _Floats:
            gradient = np.zeros(len(along))
            for rows in _blocks(self.x, part):
                block = self.x[rows]
                # `dot`, since `@` of so few rows keeps Python's lock, and other threads waiting
                logits[rows] = np.dot(block, narrow) + offset
                residuals[rows] = self.weights[rows] * (expit(logits[rows]) - self.y[rows])
                gradient += np.dot(residuals[rows].astype(np.float32), block)
            return gradient

        gradient = np.sum(list(self.pool.map(gradient_of, _parts(len(self.x)))), axis=0)
        total = float(residuals.sum())
        own = self.c * (gradient - self.mean * total) / self.scale + w[:-1]
        entropies = self.weights * (np.logaddexp(0, logits) - self.y * logits)
        curvature = self.c * float((self.weights * expit(logits) * expit(-logits)).sum())
        value = self.c * float(entropies.sum()) + float(w[:-1] @ w[:-1]) / 2
        return value, np.append(own, self.c * total), curvature


class _Point:
    """Where the minimisation stands."""

    def __init__(self, w: _Floats, loss: _Loss) -> None:
        self.w = w
        self.value, self.gradient, self.curvature = loss(w)


def _along(at: _Point, step: _Floats, fall: float, loss: _Loss) -> _Point | None:
    """The first point along a step that is low enough (Armijo), by parabolas; None if none is."""
    share = 1.0
    for _ in range(10):
        new = _Point(at.w + share * step, loss)
        if new.value <= at.value - 1e-4 * share * fall:
            return new
        above = new.value - at.value + share * fall
        share *= min(max(share * fall / (2 * above), 0.1), 0.5)
    return None


# A gradient to the step that an estimate of the curvature makes of it.
_Preconditioner = Callable[[_Floats], _Floats]


def _preconditioner(x: _Rows, mean: _Floats, scale: _Floats, weights: _Floats) -> _Preconditioner:
    """The inverse of a sample's curvature at 0 plus a ridge, by Woodbury's identity."""
    from scipy.linalg import cho_factor, cho_solve

    count = min(_SAMPLE_ROWS, len(x))
    rows = np.sort(np.random.default_rng(0).choice(len(x), count, replace=False))
    sample = np.ones((count, x.shape[1] + 1), dtype=np.float32)  # the last one is the bias
    sample[:, :-1] = (x[rows] - mean.astype(np.float32)) / scale.astype(np.float32)
    sample *= np.sqrt(weights[rows] * len(x) / (4 * count)).astype(np.float32)[:, None]
    diagonal = np.diag_indices(count)
    try:
        products = sample @ sample.T
        products[diagonal] += 1  # the penalty's own
        pivots = np.diag(np.linalg.cholesky(products))
    except np.linalg.LinAlgError:
        # With a weak penalty the 1 is lost in float32's rounding. Always in float64 it would take
        # twice as long.
        products = sample.astype(np.float64) @ sample.T.astype(np.float64)
        products[diagonal] += 1
        pivots = np.diag(np.linalg.cholesky(products))
    # In dimensions that the sample does not show the curvature is that of its lesser ones, and a
    # large share of what it does show is chance: hence far more ridge than the penalty's.
    ridge = 1 + _RIDGE * float(np.exp(2 * np.log(pivots).mean()))
    products[diagonal] += products.dtype.type(ridge - 1)
    factor = cho_factor(products, lower=True, check_finite=False)

    def step(gradient: _Floats) -> _Floats:
        shown = sample @ gradient.astype(np.float32)
        shown = cho_solve(factor, shown, check_finite=False)
        return np.asarray((gradient - shown @ sample) / ridge, dtype=np.float64)

    return step


class _History:
    """Steps so far and what they did to the gradient: L-BFGS about a preconditioner."""

    def __init__(self, preconditioner: _Preconditioner) -> None:
        self._preconditioner = preconditioner
        self._pairs: list[tuple[_Floats, _Floats, float]] = []

    def add(self, step: _Floats, change: _Floats) -> None:
        """One step; the loss is convex, so the two never point apart but by rounding."""
        product = float(step @ change)
        if product > 0:
            self._pairs.append((step, change, product))

    def smoothed(self, gradient: _Floats) -> _Floats:
        """The inverse curvature times a gradient, by the two loops of L-BFGS."""
        found, parts = gradient.copy(), []
        for step, change, product in reversed(self._pairs):
            parts.append(float(step @ found) / product)
            found -= parts[-1] * change
        found = self._preconditioner(found)
        if self._pairs:
            _, change, product = self._pairs[-1]
            found *= product / float(change @ self._preconditioner(change))
        for (step, change, product), part in zip(self._pairs, reversed(parts), strict=True):
            found += step * (part - float(change @ found) / product)
        return found
