"""A committee: one logistic regression for each reading and layer, and their weighted mean.

Every member is linear in its part of a joined vector, and so is their mean: what is fitted here
is saved, loaded and applied as any other linear scorer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.classifiers import DEFAULT_STRENGTH, mean_and_scale
from hiprobe.dual_logistic import DualFits, fit_duals
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.joined import EVERY_LAYERS, Member, slices_of
from hiprobe.probe.training_set import grouped_folds, roc_auc
from hiprobe.scorer import Scorer, checked_rows, class_weights
from hiprobe.states import VISION_READINGS

# Folds within the clips of a fit, for the members' evidence and the calibration.
INNER_FOLDS = 5

# With so many clips of the rarer kind a member's weight lies halfway between equal and what its
# held-out scores say. An AUC of five clips is noise; one of fifty is not.
EVIDENCE_CLIPS = 10.0

# Evidence is how far an AUC lies above 0.5, relative to the best member, to this power. On the
# traffic cameras 1, 2, 4 and 8 give 0.846, 0.846, 0.843 and 0.839, on rendered scenes 0.865, 0.867,
# 0.869 and 0.869: the sharper, the more like picking one layer.
EVIDENCE_POWER = 2.0

# With so many clips of the rarer kind a reading of the vision tower alone counts half as much as
# one of the language model, before evidence. What it tells depends on the footage far more (0.83 on
# the traffic cameras, 0.74 on rendered scenes), and with a few clips nothing can tell which it is:
# with two of each kind, counting in full costs 0.07 on the scenes and gains nothing on the cameras.
VISION_CLIPS = 50.0

# Inverse strength of the penalty on the slope of the calibration: few clips that happen to be
# separated perfectly would else give probabilities of 0 and 1.
CALIBRATION_C = 10.0

# What decides the weights, for keys of results that are kept.
DESIGN = (EVERY_LAYERS, INNER_FOLDS, EVIDENCE_CLIPS, EVIDENCE_POWER, VISION_CLIPS)

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MemberRow:
    """What a member brought to a fit.

    Attributes:
        reading, layer: what it reads.
        auc: of its held-out scores within the clips of the fit; None where there were no folds.
        weight: its share of the committee's mean, all shares together 1.
    """

    reading: str
    layer: int
    auc: float | None
    weight: float


@dataclass(frozen=True)
class FittedCommittee(FittedScorer):
    """A fitted committee: a linear scorer that also knows its members' part in it."""

    rows: tuple[MemberRow, ...] = ()


@dataclass(frozen=True)
class CommitteeScorer(Scorer):
    """Fits a committee on joined vectors.

    Each member is a logistic regression with an L2 penalty on its standardised part of the vector,
    classes of equal total weight. Its log-odds are brought to mean 0 and deviation 1 on the rows of
    the fit. The mean over members is weighted: readings of the language model equally, those of the
    vision tower less while clips are few, layers of a reading equally, then by held-out evidence,
    as far as there are clips to trust it. A sigmoid of the mean, fitted on held-out scores (Platt),
    gives the probability.

    Attributes:
        members: layout of the joined vectors.
        folds_seed: of the folds within the fit.
        evidence_clips: clips of the rarer kind with which weights lie halfway between those
            before evidence and what held-out scores say; infinity for those before evidence.
    """

    members: tuple[Member, ...] = ()
    folds_seed: int = 0
    evidence_clips: float = EVIDENCE_CLIPS

    def fit(
        self, x: NDArray[Any], y: NDArray[Any], *, groups: Sequence[str] | None = None
    ) -> FittedCommittee:
        """Fit on `[n, dimensions]` and labels `[n]`.

        Args:
            groups: `[n]`, recordings, which folds within the fit never split; each row its own
                where None.

        Raises:
            StatesError: a value is not finite, or a class is missing.
        """
        z, labels = checked_rows(x, y)
        mean, scale = mean_and_scale(z)
        z = (z - mean) / scale
        parts = [z[:, s] for s in slices_of(self.members)]
        kernels = np.stack([part @ part.T for part in parts])
        # As the probe's own scorer: C falls with the summed variance of the dimensions.
        penalties = np.array([max(p.var(axis=0).sum(), 1e-9) for p in parts]) / DEFAULT_STRENGTH
        whole = _fit(kernels, labels, penalties)
        own = groups if groups is not None else [str(i) for i in range(len(labels))]
        held = self._held_out(kernels, labels, penalties, own, order=z.sum(axis=1))
        fitted = np.einsum("mnk,mk->mn", kernels, whole.alpha) + whole.bias[:, None]
        if held is None:
            held, areas = fitted, np.full(len(parts), np.nan)
        else:
            areas = np.array([roc_auc(labels, scores) for scores in held])
        # Not of the held-out log-odds: with four clips those of a member may happen to lie close
        # together, and its part would be blown up (0.712 against 0.740 on the rendered scenes).
        centre, spread = fitted.mean(axis=1), np.maximum(fitted.std(axis=1), 1e-9)
        shares = self._shares(areas, labels)
        slope, offset = _calibration(shares @ ((held - centre[:, None]) / spread[:, None]), labels)
        factors = shares / spread
        weights = [f * (p.T @ a) for f, p, a in zip(factors, parts, whole.alpha, strict=True)]
        shift = float((factors * (whole.bias - centre)).sum())
        return FittedCommittee(
            kind="linear",
            mean=mean,
            scale=scale,
            weights=np.concatenate(weights),
            slope=slope,
            bias=slope * shift + offset,
            rows=tuple(
                MemberRow(m.reading, m.layer, None if np.isnan(a) else float(a), float(w))
                for m, a, w in zip(self.members, areas, shares, strict=True)
            ),
        )

    def _held_out(
        self,
        kernels: _Floats,
        labels: NDArray[np.int64],
        penalties: _Floats,
        groups: Sequence[str],
        *,
        order: _Floats,
    ) -> _Floats | None:
        """Log-odds of rows held out within the fit, `[members, n]`; None without folds.

        Mean and scale are those of all rows of the fit: they see no label.
        """
        pairs = grouped_folds(labels, groups, folds=INNER_FOLDS, seed=self.folds_seed, order=order)
        if not pairs:
            return None
        held = np.zeros(kernels.shape[:2])
        for train, test in pairs:
            own = kernels[:, train[:, None], train]
            found = _fit(own, labels[train], penalties)
            across = kernels[:, test[:, None], train]
            held[:, test] = np.einsum("mnk,mk->mn", across, found.alpha) + found.bias[:, None]
        return held

    def _shares(self, areas: _Floats, labels: NDArray[np.int64]) -> _Floats:
        """Weight of each member: by reading, then by evidence; all together 1."""
        clips = float(np.bincount(labels, minlength=2).min())
        early = clips / (clips + VISION_CLIPS)
        count = Counter(m.reading for m in self.members)
        before = np.array(
            [
                (early if m.reading in VISION_READINGS else 1) / count[m.reading]
                for m in self.members
            ]
        )
        before /= before.sum()
        above = np.nan_to_num(np.maximum(areas - 0.5, 0.0))
        if not above.any():
            return before
        evidence = (above / above.max()) ** EVIDENCE_POWER
        trust = clips / (clips + self.evidence_clips)
        # A view at chance loses its weight once there are enough clips to say that it is at chance.
        blended = before * ((1 - trust) * (before @ evidence) + trust * evidence)
        return np.asarray(blended / blended.sum())


def _fit(kernels: _Floats, targets: NDArray[Any], penalties: _Floats) -> DualFits:
    """Fit all members, both classes with the same total weight."""
    weights = class_weights((targets > 0.5).astype(np.int64))
    return fit_duals(kernels, targets, penalties, weights=weights)


def _calibration(scores: _Floats, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of the sigmoid over held-out scores (Platt, 1999), classes weighed equally.

    His targets, not quite 0 and 1, keep a handful of clips that happen to be separated perfectly
    from claiming certainty.
    """
    counts = np.bincount(labels, minlength=2)
    high, low = (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2)
    targets = np.where(labels == 1, high, low)
    kernel = np.outer(scores, scores)[None]
    found = _fit(kernel, targets, np.array([1 / CALIBRATION_C]))
    slope = float(found.alpha[0] @ scores)
    # A committee that is worse than chance on held-out clips must not be turned round.
    return max(slope, 1e-3), float(found.bias[0])
