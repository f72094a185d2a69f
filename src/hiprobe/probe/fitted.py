"""What a fit came to, checked when built: the one thing that is saved and read back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.probe.results import Basis, LayerTable, ThresholdSummary, ViewRow
from hiprobe.probe.training_set import Mode
from hiprobe.provenance import Provenance
from hiprobe.scorer import FittedScorer
from hiprobe.states import Fingerprint, Reading

FewShotScores = dict[Basis, NDArray[np.float64]]
"""float64 `[clips]` each."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Attributes of a fitted `Probe`, described there under the same names with `_` behind.

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

    def __post_init__(self) -> None:
        if len(self.scorer.weights) != self.width or not 1 <= self.layer <= self.layer_count:
            raise StatesError(
                f"layer {self.layer} of {self.layer_count} and width {self.width} do not fit the "
                f"scorer of {len(self.scorer.weights)} dimensions"
            )
        if not math.isfinite(self.threshold):
            raise StatesError(f"the threshold is {self.threshold}, not a number to compare with")
        scores = [len(s) for s in self.few_shot_scores.values()]
        lengths = {len(self.labels), len(self.names), len(self.sources), *scores}
        if len(lengths) != 1 or "training" not in self.few_shot_scores:
            raise StatesError(f"labels, names, sources and scores of {sorted(lengths)} clips")
