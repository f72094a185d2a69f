"""What a fitted probe does: score states, and detect events in them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.localize import check_threshold, find_events, smooth
from hiprobe.probe.fitted import FewShotScores, Fitted
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.results import LayerTable, ThresholdBasis, ThresholdSummary, ViewRow
from hiprobe.probe.threshold import few_shot_threshold, summarise
from hiprobe.probe.training_set import Mode
from hiprobe.provenance import Provenance
from hiprobe.scorer import FittedScorer
from hiprobe.states import Fingerprint, Reading, States
from hiprobe.timeline import Timeline


class FittedProbe(Parameters):
    """The part of `Probe` that needs a fit; attributes are described there."""

    fingerprint_: Fingerprint
    reading_: Reading
    layer_count_: int
    width_: int
    layer_: int
    mode_: Mode
    scorer_: FittedScorer
    threshold_: float
    layer_table_: LayerTable
    mode_table_: dict[Mode, float]
    cv_auc_: float | None
    few_shot_scores_: FewShotScores
    labels_: NDArray[np.int64]
    names_: tuple[str, ...]
    sources_: tuple[str, ...]
    fold_layers_: tuple[int, ...]
    fold_modes_: tuple[Mode, ...]
    threshold_summary_: ThresholdSummary
    warnings_: tuple[str, ...]
    view_table_: tuple[ViewRow, ...]
    provenance_: Provenance | None

    def score(self, states: States) -> NDArray[np.float64]:
        """Anomaly probability of each segment, float64 `[segments]`, NaN where it failed (eq. 9).

        Raises:
            FingerprintError: states of another backbone.
            StatesError: states of another reading, or without the probe's layer.
        """
        self._check_fitted()
        self.check_fingerprint(states.fingerprint)
        if states.reading != self.reading_:
            raise StatesError(
                f"states were read at {states.reading}, the probe reads {self.reading_}; "
                "extract them again with that reading"
            )
        scores = self.scorer_.probability(states.layer(self.layer_))
        return np.where(states.failed, np.nan, scores)

    def detect(
        self,
        states: States,
        *,
        threshold: float | None = None,
        kappa: float | None = None,
        sigma_segments: float | None = None,
    ) -> Timeline:
        """Score, smooth, and find events above the threshold.

        Args:
            threshold: T in place of the probe's; `kappa` is then not used.
            kappa: computes T anew from the few-shot scores.
            sigma_segments: smoothing in place of the probe's.

        Raises:
            FingerprintError, StatesError: as `score`.
            UsageError: as `threshold_for`.
        """
        scores = self.score(states)
        sigma = self.sigma_segments if sigma_segments is None else sigma_segments
        threshold = self.threshold_for(threshold=threshold, kappa=kappa)
        start, end = states.start_seconds, states.end_seconds
        smoothed = smooth(scores, sigma_segments=sigma, start_seconds=start, end_seconds=end)
        return Timeline(
            start_seconds=start,
            end_seconds=end,
            scores=scores,
            smoothed=smoothed,
            threshold=threshold,
            sigma_segments=sigma,
            events=find_events(start, end, smoothed, threshold),
        )

    def threshold_for(self, *, threshold: float | None = None, kappa: float | None = None) -> float:
        """The T that `detect` takes: a given one, one computed from kappa, or the probe's own.

        Raises:
            UsageError: a given threshold, or that of kappa, lies where no score or every score is
                above it. The probe's own is not refused; `warnings_` told of it when it was fitted.
        """
        self._check_fitted()
        if threshold is not None:
            check_threshold(threshold)
            return threshold
        if kappa is None:
            return self.threshold_
        wanted = self.threshold_scores
        found = few_shot_threshold(self.few_shot_scores_, wanted=wanted, kappa=kappa)
        check_threshold(found, named=f"with kappa {kappa:g} the threshold is")
        return found

    def summarise(self, threshold: float) -> ThresholdSummary:
        """What a threshold means on the clips of the fit, on held-out scores where there are."""
        self._check_fitted()
        scores, same = self.few_shot_scores_, threshold == self.threshold_
        basis: ThresholdBasis = self.threshold_summary_.basis if same else "given"
        return summarise(threshold, scores=scores, labels=self.labels_, basis=basis)

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Refuse another backbone than the one of the fit.

        Raises:
            FingerprintError: it differs; the message says in what.
        """
        self._check_fitted()
        if fingerprint.digest != self.fingerprint_.digest:
            raise FingerprintError(
                f"the probe was fitted on backbone {self.fingerprint_.digest}, this is "
                f"{fingerprint.digest}: {self.fingerprint_.difference(fingerprint)}; use the "
                "probe's backbone and prompt, or fit a probe for this one"
            )

    def backbone_spec(self) -> BackboneSpec:
        """The backbone of the fit: `probe.backbone_spec().open()` opens it again.

        Where the examples did not say its name or folder, it is the model's type, which may not be
        a name that can be opened.
        """
        self._check_fitted()
        made = self.fingerprint_
        known = None if self.provenance_ is None else self.provenance_.backbone
        spec = (known or BackboneSpec(made.model)).like(made)
        return replace(spec, prompt=made.prompt)

    def facts(self) -> dict[str, Any]:
        """What the probe is, as JSON values to show and to write beside results."""
        from hiprobe.probe.document import probe_facts

        return probe_facts(self.fitted(), self)

    def fitted(self) -> Fitted:
        """All that the fit came to, as one value.

        Raises:
            UsageError: the probe is not fitted yet.
        """
        self._check_fitted()
        return Fitted(**{f.name: getattr(self, f"{f.name}_") for f in fields(Fitted)})

    def _become(self, fitted: Fitted) -> None:
        for field in fields(fitted):
            setattr(self, f"{field.name}_", getattr(fitted, field.name))

    def _check_fitted(self) -> None:
        if not hasattr(self, "scorer_"):
            raise UsageError("this probe is not fitted yet; call fit, or load a saved one")
