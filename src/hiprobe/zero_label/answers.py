"""From what the views give to scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.scorer import sigmoid
from hiprobe.states import States
from hiprobe.zero_label.questions import Method
from hiprobe.zero_label.views import FIRST_TOKEN_COLUMNS, NUMBER_COLUMNS

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """Scores of segments or clips.

    Attributes:
        scores: float64 `[n]` in 0..1; NaN where there is no answer, or the segment failed.
        unanswered: bool `[n]`, an answer came but no number could be read from it.
        mass: float64 `[n]`, probability of Yes and No together, mean of both questions: how much
            of the model's answer the score rests on; None for other methods.
    """

    scores: _Floats
    unanswered: NDArray[np.bool_]
    mass: _Floats | None = None

    @property
    def neutral(self) -> _Floats:
        """Scores for ranking, 0.5 where no number could be read: no opinion either way."""
        return np.where(self.unanswered, 0.5, self.scores)


def answered(states: States, *, method: Method) -> Answered:
    """Scores of a view's states.

    Raises:
        StatesError: the states are not those of the method's view.
    """
    columns = {"first-token": FIRST_TOKEN_COLUMNS, "decoded": NUMBER_COLUMNS}.get(method)
    if columns is None or states.width != len(columns):
        raise StatesError(f"states of width {states.width} are not answers of method {method!r}")
    values = states.values[:, 0].astype(np.float64)
    if method == "first-token":
        scores, mass = first_token_scores(values)
        nobody = np.zeros(len(values), np.bool_)
        return Answered(np.where(states.failed, np.nan, scores), nobody, mass)
    silent = (values[:, 1] == 0.0) & ~states.failed
    missing = silent | states.failed
    return Answered(np.where(missing, np.nan, values[:, 0]), silent)


def first_token_scores(values: _Floats) -> tuple[_Floats, _Floats]:
    """Calibrated P(yes) and the mass it rests on, from `[n, FIRST_TOKEN_COLUMNS]`.

    The log-odds of a blank clip are taken off those of each question (contextual calibration);
    the score is the sigmoid of the mean of the first question's and the second's turned round.
    For one video size the blank shifts all scores alike: it moves where 0.5 lies, not the ranking.
    """
    odd, odd_mass, calm, calm_mass, blank_odd, blank_calm = values.T
    scores = sigmoid(((odd - blank_odd) - (calm - blank_calm)) / 2.0)
    return scores, (odd_mass + calm_mass) / 2.0
