"""Results of a fit: tables of layers and views, the threshold and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.localize import adaptive_threshold, out_of_reach
from hiprobe.probe.committee import MemberRow
from hiprobe.probe.training_set import Mode
from hiprobe.provenance import Provenance
from hiprobe.saliency import SaliencyTable
from hiprobe.states import Reading

# Few-shot scores: of held-out clips, or of the clips that the scorer was fitted on.
Basis = Literal["cross_validated", "training"]

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
        """The summary as one sentence."""
        unseen = self.measured_on == "cross_validated"
        scorer = "a probe not trained on it" if unseen else "the probe trained on it"
        return (
            f"At the threshold {self.threshold:.3f}, {self.found} of {self.anomalous} anomalous "
            f"and {self.flagged} of {self.normal} normal clips give an alarm "
            f"(each clip scored by {scorer})."
        )


# float64 `[clips]` each.
FewShotScores = dict[Basis, NDArray[np.float64]]


# `eq=False`: arrays have no equality that is one bool
@dataclass(frozen=True, eq=False)
class Fitted:
    """All that a fit gives: `Probe` describes each field as the attribute with `_` added.

    Raises:
        StatesError: layer, width and scorer do not belong together, or the lists of clips
            differ in length.
    """

    fingerprint: Fingerprint
    reading: Reading
    layer_count: int
    width: int
    layer: int
    mode: Mode
    scorer: FittedScorer
    threshold: float
    layer_table: LayerTable
    mode_table: dict[Mode, float]
    cv_auc: float | None
    few_shot_scores: FewShotScores
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    fold_layers: tuple[int, ...]
    fold_modes: tuple[Mode, ...]
    threshold_summary: ThresholdSummary
    warnings: tuple[str, ...]
    view_table: tuple[ViewRow, ...] = ()
    provenance: Provenance | None = None
    member_table: tuple[MemberRow, ...] = ()
    draw_aucs: tuple[float, ...] = ()
    classes: NDArray[Any] = field(default_factory=lambda: np.array([0, 1]))

    def __post_init__(self) -> None:
        # A fit also comes from a folder, whose parts may not belong together: better refused when
        # it is opened than in front of the first video.
        if self.scorer.width != self.width or not 1 <= self.layer <= self.layer_count:
            raise StatesError(
                f"layer {self.layer} of {self.layer_count} and width {self.width} do not fit the "
                f"scorer of {self.scorer.width} dimensions"
            )
        if not math.isfinite(self.threshold):
            raise StatesError(f"the threshold is {self.threshold}, not a number to compare with")
        scores = [len(s) for s in self.few_shot_scores.values()]
        lengths = {len(self.labels), len(self.names), len(self.sources), *scores}
        if len(lengths) != 1 or "training" not in self.few_shot_scores:
            raise StatesError(f"labels, names, sources and scores of {sorted(lengths)} clips")


def basis_of(scores: FewShotScores, wanted: Basis) -> Basis:
    """The scores asked for; those of the training fit where there were no folds."""
    return wanted if wanted in scores else "training"


def few_shot_threshold(scores: FewShotScores, *, wanted: Basis, kappa: float) -> float:
    """T from the few-shot scores (paper, eq. 10).

    Args:
        wanted: which of the scores; those of the training fit where they are missing.

    Raises:
        UsageError: kappa is not finite.
    """
    return adaptive_threshold(scores[basis_of(scores, wanted)], kappa=kappa)


def reach_warning(threshold: float) -> tuple[str, ...]:
    """What to say of a T that no score, or every score, lies above."""
    # A warning and no error: all else of the fit is of use, and `detect` can be given another
    # threshold.
    wrong = out_of_reach(threshold)
    if wrong is None:
        return ()
    return (f"The threshold is {threshold:.3f}; {wrong}. Choose another kappa.",)


def summarise(
    threshold: float,
    *,
    scores: FewShotScores,
    labels: NDArray[np.int64],
    basis: ThresholdBasis,
) -> ThresholdSummary:
    """How many clips of each kind lie above a threshold, on held-out scores where there are.

    Args:
        scores: few-shot scores of the clips, by their kind.
        labels: `[clips]`, 0 or 1.
        basis: where the threshold comes from.
    """
    # Also where T was taken from training scores: how many it catches is only worth saying of clips
    # that the scorer had not seen.
    measured = basis_of(scores, "cross_validated")
    above, anomalous = scores[measured] > threshold, labels == 1
    return ThresholdSummary(
        threshold=threshold,
        basis=basis,
        measured_on=measured,
        found=int(above[anomalous].sum()),
        anomalous=int(anomalous.sum()),
        flagged=int(above[~anomalous].sum()),
        normal=int((~anomalous).sum()),
    )
