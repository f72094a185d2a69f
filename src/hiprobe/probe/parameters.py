"""The settings of a probe, in scikit-learn's manner: given when made, read and set by name."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Self, get_args

from hiprobe.errors import UsageError
from hiprobe.localize import KAPPA, SIGMA_SEGMENTS, check_threshold, smooth
from hiprobe.probe.results import Basis
from hiprobe.probe.selection import LayerChoice, Recipe
from hiprobe.probe.training_set import Mode
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import Balance, Penalty, Scorer, ScorerName, make_scorer
from hiprobe.states import Reading


class Parameters:
    """Settings as attributes of their own names; `sklearn.base.clone` copies them.

    As with scikit-learn, nothing is checked before `fit`, which `recipe` does.
    """

    def __init__(
        self,
        *,
        layer: LayerChoice = "dlsp",
        scorer: ScorerName = "logistic",
        c: float | None = None,
        penalty: Penalty = "l2",
        balance: Balance = "weights",
        mode: Mode | Literal["auto"] = "auto",
        standardise: bool = True,
        reading: Reading | None = None,
        bins: int = ENTROPY_BINS,
        kappa: float = KAPPA,
        sigma_segments: float = SIGMA_SEGMENTS,
        threshold: float | None = None,
        threshold_scores: Basis = "cross_validated",
        folds: int = 8,
        seed: int = 0,
    ) -> None:
        self.layer = layer
        self.scorer = scorer
        self.c = c
        self.penalty = penalty
        self.balance = balance
        self.mode = mode
        self.standardise = standardise
        self.reading = reading
        self.bins = bins
        self.kappa = kappa
        self.sigma_segments = sigma_segments
        self.threshold = threshold
        self.threshold_scores = threshold_scores
        self.folds = folds
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings, as given; all of them are JSON values. `deep` changes nothing."""
        return {name: getattr(self, name) for name in _names()}

    def set_params(self, **settings: Any) -> Self:
        """Change settings by name; they take effect with the next fit.

        Raises:
            UsageError: a setting of that name does not exist.
        """
        unknown = sorted(set(settings) - set(_names()))
        if unknown:
            raise UsageError(f"no setting {', '.join(unknown)}; there are {', '.join(_names())}")
        for name, value in settings.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(Parameters.__init__).parameters
        told = [f"{n}={v!r}" for n, v in self.get_params().items() if v != defaults[n].default]
        return f"{type(self).__name__}({', '.join(told)})"

    def recipe(self) -> Recipe:
        """The settings that decide a fit, checked.

        Raises:
            UsageError: one of them cannot be used.
        """
        self._refuse_unusable()
        return Recipe(
            layer=self.layer,
            mode=self.mode,
            scorer=self._scorer(),
            sigma_segments=self.sigma_segments,
            bins=self.bins,
            folds=self.folds,
            seed=self.seed,
        )

    def _scorer(self) -> Scorer:
        return make_scorer(
            self.scorer,
            c=self.c,
            penalty=self.penalty,
            standardise=self.standardise,
            balance=self.balance,
            seed=self.seed,
        )

    def _refuse_unusable(self) -> None:
        if self.threshold is not None:
            check_threshold(self.threshold)
        smooth([0.0], sigma_segments=self.sigma_segments)
        if self.folds < 2:
            raise UsageError(f"folds is {self.folds}; cross-validation needs 2 or more")
        if self.threshold_scores not in get_args(Basis):
            raise UsageError(
                f"threshold_scores is {self.threshold_scores!r}; choose cross_validated or training"
            )
        if isinstance(self.layer, int) and self.layer < 1:
            raise UsageError(
                f"layer is {self.layer}; decoder layers count from 1. Index 0 is the embedding, at "
                "the last prompt position the same vector for every input, so nothing can be read"
            )


def _names() -> list[str]:
    return [name for name in inspect.signature(Parameters.__init__).parameters if name != "self"]
