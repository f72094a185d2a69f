"""What a fitted probe tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.saliency import SaliencyTable
from hiprobe.states import Reading

Basis = Literal["cross_validated", "training"]
"""Few-shot scores: of held-out clips, or of the clips that the scorer was fitted on."""

ThresholdBasis = Literal["cross_validated", "training", "given"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LayerTable:
    """Measures of the layers on the clips of a fit, and the layer that the probe reads.

    The chosen layer was picked without looking at `cv_auc`: a layer that is best there is an
    oracle.

    Attributes:
        saliency: KL, LDR, entropy and S(l); None where both classes have one clip only.
        layers: layer numbers, ascending, without 0.
        chosen: layer that the probe reads.
        cv_auc: float64 `[layers]`, ROC-AUC of held-out clip vectors on every layer, NaN where
            there were too few sources for folds.
        silhouette: float64 `[layers]`, NaN where undefined.
    """

    saliency: SaliencyTable | None
    layers: tuple[int, ...]
    chosen: int
    cv_auc: _Floats
    silhouette: _Floats

    @property
    def kl(self) -> _Floats:
        """KL divergence of every layer (paper, eq. 2)."""
        return self._measure("kl")

    @property
    def ldr(self) -> _Floats:
        """Linear discriminant ratio of every layer (paper, eq. 4)."""
        return self._measure("ldr")

    @property
    def entropy(self) -> _Floats:
        """Entropy of every layer in bits (paper, eq. 6)."""
        return self._measure("entropy")

    @property
    def total(self) -> _Floats:
        """S(l) of every layer (paper, eq. 6')."""
        return self._measure("total")

    def _measure(self, name: str) -> _Floats:
        if self.saliency is None:
            return np.full(len(self.layers), np.nan)
        return np.asarray(getattr(self.saliency, name), dtype=np.float64)


@dataclass(frozen=True)
class ViewRow:
    """A prompt and reading that was compared with others.

    Attributes:
        prompt: what the backbone was asked.
        reading: where its layers were read.
        cv_auc: AUC of held-out clips in this view, layer and mode chosen inside each training
            fold; None where there were no folds.
        folds: training folds that chose it.
        chosen: the probe uses it.
    """

    prompt: str
    reading: Reading
    cv_auc: float | None
    folds: int
    chosen: bool


@dataclass(frozen=True)
class ThresholdSummary:
    """What a threshold means on the clips of the fit: how many of each kind lie above it.

    Attributes:
        threshold: T.
        basis: scores that T was taken from, "given" where the user set it.
        measured_on: scores that the counts below refer to.
        found, anomalous: anomalous clips above T, and all of them.
        flagged, normal: normal clips above T, and all of them.
    """

    threshold: float
    basis: ThresholdBasis
    measured_on: ThresholdBasis
    found: int
    anomalous: int
    flagged: int
    normal: int

    @property
    def recall(self) -> float:
        """Share of the anomalous clips above T."""
        return self.found / self.anomalous

    @property
    def false_alarm_rate(self) -> float:
        """Share of the normal clips above T."""
        return self.flagged / self.normal

    @property
    def text(self) -> str:
        """The same as one sentence."""
        held = "held-out" if self.measured_on == "cross_validated" else "training"
        return (
            f"At the threshold {self.threshold:.3f}, {self.found} of {self.anomalous} anomalous "
            f"and {self.flagged} of {self.normal} normal clips give an alarm ({held} scores)."
        )
