"""The settings that `options` varies, one at a time, from the defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hiprobe.localize import SIGMA_SEGMENTS
from hiprobe.probe.selection import Recipe
from hiprobe.probe.training_set import MODES, Mode
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import make_scorer

C_VALUES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
BINS = (10, 20, ENTROPY_BINS, 100, 200)
SIGMAS_SEGMENTS = (0.0, 0.4, 1.0, 2.0)
KAPPAS = (-1.0, -0.5, 0.0, 0.2, 0.5, 1.0, 1.5, 2.0)

PENALTY, SCALE, BINS_SECTION = "Penalty", "Standardisation", "Entropy bins"
MODE, SIGMA = "What the scorer is fitted on", "Smoothing"


@dataclass(frozen=True)
class Option:
    """One setting of a fit.

    Attributes:
        change: the default recipe to the one under test.
        mode: what the scorer is fitted on; None takes the run's own.
    """

    section: str
    setting: str
    change: Callable[[Recipe], Recipe]
    mode: Mode | None = None


def options() -> tuple[Option, ...]:
    """Every setting that is compared, in the order of the tables."""
    return (*_penalties(), *_scales(), *_bins(), *_modes(), *_sigmas())


def _penalties() -> tuple[Option, ...]:
    found = [Option(PENALTY, "C from the width (default)", lambda r: r)]
    for c in C_VALUES:
        found.append(Option(PENALTY, f"C = {c:g}", _scorer(c=c)))
    found.append(Option(PENALTY, "none (equation 8 as written)", _scorer(penalty=False)))
    return tuple(found)


def _scales() -> tuple[Option, ...]:
    return (
        Option(SCALE, "each dimension standardised (default)", lambda r: r),
        Option(SCALE, "states as they are", _scorer(standardise=False)),
    )


def _bins() -> tuple[Option, ...]:
    told = {b: f"B = {b}{_default(b == ENTROPY_BINS)}" for b in BINS}
    return tuple(Option(BINS_SECTION, told[b], _with_bins(b)) for b in BINS)


def _modes() -> tuple[Option, ...]:
    return tuple(Option(MODE, mode, lambda r: r, mode=mode) for mode in MODES)


def _sigmas() -> tuple[Option, ...]:
    told = {s: f"sigma = {s:g} segments{_default(s == SIGMA_SEGMENTS)}" for s in SIGMAS_SEGMENTS}
    return tuple(Option(SIGMA, told[s], _with_sigma(s)) for s in SIGMAS_SEGMENTS)


def _default(is_default: bool) -> str:
    return " (default)" if is_default else ""


def _scorer(
    *, c: float | None = None, penalty: bool = True, standardise: bool = True
) -> Callable[[Recipe], Recipe]:
    kind = make_scorer(
        "logistic", c=c, penalty="l2" if penalty else "none", standardise=standardise
    )
    return lambda recipe: replace(recipe, scorer=kind)


def _with_bins(bins: int) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, bins=bins)


def _with_sigma(sigma_segments: float) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, sigma_segments=sigma_segments)
