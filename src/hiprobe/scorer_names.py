"""The names of scorers: what makes the classifier of a name, and what a classifier is called.

`SCORERS` holds the classifiers by name; other packages add to it through the entry-point group
`hiprobe.scorers`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from hiprobe.plugins import Registry, installed

Penalty = Literal["l2", "none"]

PENALTIES: tuple[Penalty, ...] = get_args(Penalty)

# A name in `SCORERS`.
ScorerName = str


@dataclass(frozen=True)
class ScorerSettings:
    """The settings of a probe that a classifier may use.

    Attributes:
        c: inverse strength of the penalty; None leaves it to the classifier.
        penalty: "l2", or "none" for the literal equation 8.
        seed: of whatever the classifier draws at random.
    """

    c: float | None = None
    penalty: Penalty = "l2"
    seed: int = 0


# What makes the classifier of a name: a class or function. It is called with `settings`, a
# `ScorerSettings`, if it has a parameter of that name; with `random_state`, as scikit-learn's own
# classes, if it has that one; else with nothing.
SCORERS: Registry[Callable[..., Any]] = Registry("hiprobe.scorers", "scorer")


def make_classifier(name: str, settings: ScorerSettings) -> Any:
    """An unfitted classifier of a name.

    Raises:
        UsageError: unknown name, or its package cannot be loaded.
    """
    make = SCORERS.get(name)
    parameters = inspect.signature(make).parameters
    if "settings" in parameters:
        return make(settings=settings)
    if "random_state" in parameters:
        return make(random_state=settings.seed)
    return make()


def scorer_name(scorer: Any) -> str:
    """What a scorer is called in a saved probe: its name, or that of an equal registered one.

    A classifier that no name makes is called as it is shown, `LinearDiscriminantAnalysis()`.
    """
    if isinstance(scorer, str):
        return scorer
    name = registered_name(scorer)
    same = name is not None and repr(make_classifier(name, ScorerSettings())) == repr(scorer)
    return name if name is not None and same else repr(scorer)[:200]


def registered_name(classifier: Any) -> str | None:
    """The name under which a package adds the classifier's class; None where none does."""
    own = type(classifier)
    # reads entry points by their text, so that a package that is not asked for is not loaded
    for name, entry in installed(SCORERS.group).items():
        if entry.value.replace(" ", "") == f"{own.__module__}:{own.__qualname__}":
            return name
    return None


def _ours(name: str) -> Callable[[], Callable[..., Any]]:
    """Loader of one of our own, which is called in `hiprobe.classifiers` what it is called here."""

    def load() -> Callable[..., Any]:
        from hiprobe import classifiers

        made: Callable[..., Any] = getattr(classifiers, name)
        return made

    return load


# Here and not beside the classifiers: the names are complete without importing those, and a saved
# classifier, which is loaded through this file, can stand below them.
for _name in ("logistic", "svm", "mahalanobis", "euclidean"):
    SCORERS.register(_name, _ours(_name))
