"""LayerCurves: what saliency measured on every layer, as charts and tables show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.errors import UsageError

CV_AUC = "Cross-validated AUC"


@dataclass(frozen=True)
class LayerCurves:
    """One value per layer and measure (paper, eqs. 2, 4, 6 and 6').

    Layers count from 1 to L; the paper's figures count the same layers from 0 to L-1.

    Attributes:
        layers: layer numbers, 1..L.
        kl, ldr, entropy: measures before normalisation; entropy in bits.
        total: S(l), the sum of the three after normalising each over the layers.
        chosen: l*, one of `layers`.
        cv_auc: cross-validated ROC-AUC, None where there were too few clips.
        silhouette: silhouette of the two classes (paper, Figure 3), None where not computed.

    Raises:
        UsageError: lengths differ, or the chosen layer is not among the layers.
    """

    layers: Sequence[int]
    kl: Sequence[float]
    ldr: Sequence[float]
    entropy: Sequence[float]
    total: Sequence[float]
    chosen: int
    cv_auc: Sequence[float] | None = None
    silhouette: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.layers):
                raise UsageError(
                    f"{name} has {len(values)} values for {len(self.layers)} layers; "
                    "give one for each layer"
                )
        if self.chosen not in self.layers:
            raise UsageError(f"chosen layer {self.chosen} is not among {list(self.layers)}")

    def measures(self) -> tuple[tuple[str, Sequence[float]], ...]:
        """Name and values of each measure that is there, in the order to show them."""
        optional = (("Silhouette", self.silhouette), (CV_AUC, self.cv_auc))
        return (
            ("KL divergence", self.kl),
            ("LDR", self.ldr),
            ("Entropy (bits)", self.entropy),
            ("S(l), their normalised sum", self.total),
            *((name, values) for name, values in optional if values is not None),
        )

    def reason(self) -> str:
        """Why the chosen layer is read, in words that go on after its number."""
        finite = [value if math.isfinite(value) else -math.inf for value in self.total]
        best = self.layers[finite.index(max(finite))]
        if best == self.chosen:
            return "the one with the highest S(l)"
        return f"set by hand; the highest S(l) is at layer {best}"
