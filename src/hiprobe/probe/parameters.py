"""The settings of a probe, as scikit-learn holds them, and what a fit is decided by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.joined import Member
from hiprobe.localize import Smoothing, check_threshold
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe.committee import CommitteeScorer
from hiprobe.probe.fit_results import (
    Basis,
)
from hiprobe.probe.fold_fits import LayerChoice, Recipe
from hiprobe.probe.training_set import Mode
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import Balance, make_scorer
from hiprobe.scorer_names import Penalty, scorer_name
from hiprobe.states import Reading
from hiprobe.timeline import EMA_WEIGHT, SmoothingKind

# How a probe reads: one layer at one position, or many of each in a committee.
RecipeName = Literal["paper", "committee"]

RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)


class Parameters:
    """Settings as attributes of their own names, in scikit-learn's manner.

    As with scikit-learn, nothing is checked before `fit`, which `recipe` does. `BaseEstimator` is
    not inherited: importing it takes a second, which `hiprobe detect` and `info` need not spend.
    """

    def __init__(
        self,
        *,
        layer: LayerChoice = "dlsp",
        scorer: Any = "logistic",
        c: float | None = None,
        penalty: Penalty = "l2",
        balance: Balance = "weights",
        mode: Mode | Literal["auto"] = "auto",
        standardise: bool = True,
        reading: Reading | None = None,
        bins: int = ENTROPY_BINS,
        kappa: float = KAPPA,
        sigma_segments: float = SIGMA_SEGMENTS,
        smoothing: SmoothingKind = "gaussian",
        ema_weight: float = EMA_WEIGHT,
        threshold: float | None = None,
        threshold_scores: Basis = "cross_validated",
        folds: int = 8,
        seed: int = 0,
        draws: int = 1,
        recipe: RecipeName = "paper",
        members: tuple[Member, ...] = (),
        random_state: int | None = None,
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
        self.smoothing = smoothing
        self.ema_weight = ema_weight
        self.threshold = threshold
        self.threshold_scores = threshold_scores
        self.folds = folds
        self.seed = seed
        self.draws = draws
        self.recipe = recipe
        self.members = members
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings, as given.

        Args:
            deep: also those of a scorer that was passed as an object, as `scorer__NAME`.
        """
        found = {name: getattr(self, name) for name in _names()}
        if deep and hasattr(self.scorer, "get_params") and not isinstance(self.scorer, type):
            inner = self.scorer.get_params()
            # scikit-learn's way to name a setting within a setting, which its grid search uses
            found |= {f"scorer__{name}": value for name, value in inner.items()}
        return found

    def set_params(self, **settings: Any) -> Self:
        """Change settings by name; they take effect with the next fit.

        Raises:
            UsageError: a setting of that name does not exist.
        """
        inner = {n: v for n, v in settings.items() if n.startswith("scorer__")}
        unknown = sorted(set(settings) - set(_names()) - set(inner))
        if unknown:
            raise UsageError(f"no setting {', '.join(unknown)}; there are {', '.join(_names())}")
        for name, value in settings.items():
            if name not in inner:
                setattr(self, name, value)
        if inner:
            if not hasattr(self.scorer, "set_params"):
                raise UsageError(f"no setting {', '.join(inner)}: the scorer is {self.scorer!r}")
            self.scorer.set_params(**{n.removeprefix("scorer__"): v for n, v in inner.items()})
        return self

    def saved_settings(self) -> dict[str, Any]:
        """The settings as JSON values: the scorer by name, `random_state` as the seed."""
        settings = self.get_params(deep=False)
        # one seed is saved, the one that counts
        del settings["random_state"]
        settings["members"] = [[m.reading, m.layer, m.width] for m in self.members]
        return {**settings, "scorer": scorer_name(self.scorer), "seed": self._seed()}

    @classmethod
    def from_saved(cls, settings: Mapping[str, Any]) -> Self:
        """An unfitted object with the settings that `saved_settings` gave.

        Raises:
            TypeError, ValueError, UsageError: they lack or distort something.
        """
        members = tuple(Member(*m) for m in settings.get("members", ()))
        return cls(**{**settings, "members": members})

    def __repr__(self) -> str:
        defaults = inspect.signature(Parameters.__init__).parameters
        own = self.get_params(deep=False).items()
        # not `!=`: a grid may hold arrays and estimators, whose comparison is no plain bool
        changed = [f"{n}={v!r}" for n, v in own if repr(v) != repr(defaults[n].default)]
        return f"{type(self).__name__}({', '.join(changed)})"

    def settled(self, *, usual_mode: Mode = "clip") -> Recipe:
        """The settings that decide a fit, checked.

        Args:
            usual_mode: what a committee is fitted on unless a mode is set, by the clips' length.

        Raises:
            UsageError: one of them cannot be used.
        """
        if self.threshold is not None:
            check_threshold(self.threshold)
        if self.folds < 2:
            raise UsageError(f"folds is {self.folds}; cross-validation needs 2 or more")
        if self.draws < 1:
            raise UsageError(f"draws is {self.draws}; draw the folds once or more")
        if self.threshold_scores not in get_args(Basis):
            raise UsageError(
                f"threshold_scores is {self.threshold_scores!r}; choose cross_validated or training"
            )
        if isinstance(self.layer, int) and self.layer < 1:
            raise UsageError(
                f"layer is {self.layer}; decoder layers count from 1. Index 0 is the embedding, at "
                "the last prompt position the same vector for every input, so nothing can be read"
            )
        if self.recipe not in RECIPES:
            raise UsageError(f"recipe {self.recipe!r} is unknown; choose one of {RECIPES}")
        scorer = make_scorer(
            self.scorer,
            c=self.c,
            penalty=self.penalty,
            standardise=self.standardise,
            balance=self.balance,
            seed=self._seed(),
        )
        # A committee does not compare modes: with few sources that choice is noise, and on clips of
        # unseen people every other mode than whole clips did worse.
        if self.members:
            scorer = CommitteeScorer(classifier=None, members=self.members, name="committee")
        return Recipe(
            # the joined vectors of a committee are one layer, which has the number 1
            layer=1 if self.members else self.layer,
            mode=usual_mode if self.members and self.mode == "auto" else self.mode,
            scorer=scorer,
            smoothing=self.smoothing_for(),
            bins=self.bins,
            folds=self.folds,
            seed=self._seed(),
            draws=self.draws,
        )

    def smoothing_for(
        self,
        *,
        smoothing: SmoothingKind | None = None,
        sigma_segments: float | None = None,
        ema_weight: float | None = None,
    ) -> Smoothing:
        """The smoothing that `detect` takes; what is None is the probe's own.

        Raises:
            UsageError: a value is out of its range, or belongs to another kind of smoothing.
        """
        kind = self.smoothing if smoothing is None else smoothing
        if kind != "gaussian" and sigma_segments is not None:
            raise UsageError(f"a sigma belongs to the Gaussian, and the smoothing is {kind}")
        if kind != "ema" and ema_weight is not None:
            raise UsageError(
                f"a weight of the newest segment belongs to ema, and the smoothing is {kind}"
            )
        return Smoothing(
            kind=kind,
            sigma_segments=self.sigma_segments if sigma_segments is None else sigma_segments,
            ema_weight=self.ema_weight if ema_weight is None else ema_weight,
        )

    def _seed(self) -> int:
        """`random_state` where given, which is scikit-learn's name for it, else `seed`."""
        if self.random_state is None:
            return self.seed
        if not isinstance(self.random_state, int | np.integer) or self.random_state < 0:
            raise UsageError(
                f"random_state is {self.random_state!r}; give a whole number from 0, so that the "
                "saved probe can be fitted again"
            )
        return int(self.random_state)


def _names() -> list[str]:
    # from the signature, as scikit-learn has it, so that a new setting cannot be forgotten here
    return [name for name in inspect.signature(Parameters.__init__).parameters if name != "self"]
