"""What `hiprobe fit` was told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hiprobe.localize import KAPPA, SIGMA_SEGMENTS
from hiprobe.probe import Mode, Probe
from hiprobe.probe.results import Basis
from hiprobe.prompts import Prompt
from hiprobe.scorer import Penalty, ScorerName
from hiprobe.states import Reading

HEADS = "heads"
"""In place of a scorer's name: logistic regression over attention heads."""


@dataclass(frozen=True)
class FitSettings:
    """What `fit` may be told; the defaults are those of the probe.

    Attributes:
        readings, prompts: more than one of either are compared by cross-validation; no prompt
            is the backbone's own.
    """

    mode: Mode | Literal["auto"] = "auto"
    layer: int | None = None
    kappa: float = KAPPA
    sigma: float = SIGMA_SEGMENTS
    penalty: Penalty = "l2"
    threshold_scores: Basis = "cross_validated"
    readings: tuple[Reading, ...] = ("last",)
    prompts: tuple[Prompt, ...] = ()
    seed: int = 0
    scorer: ScorerName | Literal["heads"] = "logistic"

    @property
    def reads_heads(self) -> bool:
        """Whether attention heads are read in place of a hidden state."""
        return self.scorer == HEADS

    def probe(self) -> Probe:
        """An unfitted probe with these settings."""
        return Probe(
            mode=self.mode,
            layer="dlsp" if self.layer is None else self.layer,
            kappa=self.kappa,
            sigma_segments=self.sigma,
            penalty=self.penalty,
            threshold_scores=self.threshold_scores,
            seed=self.seed,
            scorer="logistic" if self.scorer == "heads" else self.scorer,
        )
