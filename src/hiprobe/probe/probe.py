"""Probe: fitted on labelled states, scores and detects in states of the same backbone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.localize import KAPPA, SIGMA_SEGMENTS, adaptive_threshold, find_events, smooth
from hiprobe.probe.folds import roc_auc
from hiprobe.probe.merge import merged
from hiprobe.probe.results import LayerTable, ThresholdBasis, ThresholdSummary
from hiprobe.probe.selection import (
    CrossValidation,
    LayerChoice,
    Recipe,
    best_mode,
    choose_layer,
    cross_validate,
)
from hiprobe.probe.tables import fit_warnings, layer_table
from hiprobe.probe.training import (
    Mode,
    TrainingSet,
    detection_scores,
    difference,
    fit_mode,
    training_set,
)
from hiprobe.saliency import ENTROPY_BINS
from hiprobe.scorer import DEFAULT_C, Balance, FittedScorer, Penalty, ScorerName, make_scorer
from hiprobe.states import Fingerprint, LabelledStates, Reading, States
from hiprobe.timeline import Timeline


class Probe:
    """Few-shot anomaly probe in scikit-learn's manner: `fit`, `score`, `detect`.

    Args:
        layer: "dlsp" picks l* by saliency (paper, eq. 7), "last" is L, "middle" L // 2.
        scorer: "logistic" (paper, eq. 8), "svm", "mahalanobis" or "euclidean".
        c: inverse strength of the penalty of logistic regression and SVM.
        penalty: "l2", or "none" for the literal equation 8.
        balance: how classes of different size are made equal, "weights", "resample" or "none".
        mode: what the scorer is fitted on (see `Mode`); "auto" compares all that the states allow
            by the cross-validated AUC of the clips' highest segment score.
        standardise: bring each dimension to mean 0 and deviation 1 over the training vectors.
        reading: position that the states must have been read at; None takes theirs.
        bins: bins of the entropy.
        kappa, sigma_segments: of the threshold (eq. 10) and of the smoothing.
        threshold: fixed T; None computes it from the few-shot scores.
        threshold_scores: few-shot scores that T is taken from, of held-out clips or (the literal
            reading of eq. 10) of the clips that the scorer was fitted on.
        folds: most folds of the cross-validation, which never splits a source.
        seed: of folds and resampling.

    Attributes:
        fingerprint_, reading_, layer_count_, width_: of the states it was fitted on.
        layer_, mode_, scorer_, threshold_: what it came to.
        layer_table_: measures of all layers.
        mode_table_: mode -> cross-validated AUC, layer chosen inside each training fold.
        cv_auc_: AUC of held-out clips with layer, scaling and mode chosen inside each training
            fold; None where there were too few sources for folds.
        few_shot_scores_: "cross_validated" (where there were folds) and "training" -> float64
            `[clips]`: the score that detection gives a clip, its highest smoothed segment score,
            or that of its vector where no segments were extracted.
        labels_, names_, sources_: of the clips, in the order of the scores.
        fold_layers_, fold_modes_: what was chosen inside each training fold.
        threshold_summary_: what T means on these clips.
        warnings_: plain sentences.
    """

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
    few_shot_scores_: dict[Literal["cross_validated", "training"], NDArray[np.float64]]
    labels_: NDArray[np.int64]
    names_: tuple[str, ...]
    sources_: tuple[str, ...]
    fold_layers_: tuple[int, ...]
    fold_modes_: tuple[Mode, ...]
    threshold_summary_: ThresholdSummary
    warnings_: tuple[str, ...]

    def __init__(
        self,
        *,
        layer: LayerChoice = "dlsp",
        scorer: ScorerName = "logistic",
        c: float = DEFAULT_C,
        penalty: Penalty = "l2",
        balance: Balance = "weights",
        mode: Mode | Literal["auto"] = "auto",
        standardise: bool = True,
        reading: Reading | None = None,
        bins: int = ENTROPY_BINS,
        kappa: float = KAPPA,
        sigma_segments: float = SIGMA_SEGMENTS,
        threshold: float | None = None,
        threshold_scores: Literal["cross_validated", "training"] = "cross_validated",
        folds: int = 8,
        seed: int = 0,
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
        self.threshold = threshold
        self.threshold_scores = threshold_scores
        self.folds = folds
        self.seed = seed
        self._examples: tuple[LabelledStates, ...] = ()
        self._examples_file: tuple[Path, str] | None = None

    def get_params(self) -> dict[str, Any]:
        """The settings, as given; all of them are JSON values."""
        return {k: v for k, v in vars(self).items() if k[0] != "_" and k[-1] != "_"}

    def fit(self, examples: Sequence[LabelledStates]) -> Probe:
        """Choose layer and mode, fit the scorer, set the threshold.

        Raises:
            LabelError: a class is missing.
            FingerprintError, StatesError: states that do not belong together, or another
                reading than asked for.
            UsageError: a setting cannot be used.
        """
        recipe = self._recipe()
        data = training_set(examples)
        if self.reading not in (None, data.reading):
            raise StatesError(f"states were read at {data.reading}, asked for {self.reading}")
        held_out = cross_validate(data, recipe)
        self._remember(data, held_out)
        self._fit_scorer(data, held_out, recipe)
        self.layer_table_ = layer_table(data, self.layer_, recipe)
        self.threshold_ = self._threshold_of(kappa=None)
        self.threshold_summary_ = self.summarise(self.threshold_)
        self.warnings_ = (*data.warnings, *fit_warnings(data, self.cv_auc_))
        self._examples, self._examples_file = tuple(examples), None
        return self

    def add(self, examples: Sequence[LabelledStates]) -> Probe:
        """Fit again on the clips of the last fit and these; a clip known already counts once.

        Raises:
            ProbeFolderError: the probe was saved without its clips' states, or they are damaged.
            LabelError: a known clip under another label.
        """
        return self.fit(merged(self.examples(), examples))

    def examples(self) -> tuple[LabelledStates, ...]:
        """States of the clips of the last fit; read from the folder after `load`.

        Raises:
            ProbeFolderError: they were not saved, or are damaged.
        """
        from hiprobe.probe.folder import read_examples

        self._check_fitted()
        if not self._examples:
            self._examples = read_examples(self._examples_file)
        return self._examples

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
        """
        scores = self.score(states)
        sigma = self.sigma_segments if sigma_segments is None else sigma_segments
        if threshold is None:
            threshold = self.threshold_ if kappa is None else self._threshold_of(kappa=kappa)
        smoothed = smooth(scores, sigma_segments=sigma)
        return Timeline(
            start_seconds=states.start_seconds,
            end_seconds=states.end_seconds,
            scores=scores,
            smoothed=smoothed,
            threshold=threshold,
            sigma_segments=sigma,
            events=find_events(states.start_seconds, states.end_seconds, smoothed, threshold),
        )

    def summarise(self, threshold: float) -> ThresholdSummary:
        """What a threshold means on the clips of the fit, on held-out scores where there are."""
        measured = self._basis("cross_validated")
        above = self.few_shot_scores_[measured] > threshold
        given = self.threshold is not None or threshold != self.threshold_
        basis: ThresholdBasis = "given" if given else self._basis(self.threshold_scores)
        anomalous = self.labels_ == 1
        return ThresholdSummary(
            threshold=threshold,
            basis=basis,
            measured_on=measured,
            found=int(above[anomalous].sum()),
            anomalous=int(anomalous.sum()),
            flagged=int(above[~anomalous].sum()),
            normal=int((~anomalous).sum()),
        )

    def check_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Refuse another backbone than the one of the fit.

        Raises:
            FingerprintError: it differs; the message says in what.
        """
        self._check_fitted()
        if fingerprint.digest != self.fingerprint_.digest:
            raise FingerprintError(
                f"the probe was fitted on backbone {self.fingerprint_.digest}, this is "
                f"{fingerprint.digest}: {difference(self.fingerprint_, fingerprint)}; use the "
                "probe's backbone and prompt, or fit a probe for this one"
            )

    def facts(self) -> dict[str, Any]:
        """What the probe is, as JSON values to show and to write beside results."""
        self._check_fitted()
        counts = Counter(self.labels_.tolist())
        return {
            "model": self.fingerprint_.model,
            "fingerprint": self.fingerprint_.digest,
            "prompt": self.fingerprint_.prompt,
            "reading": self.reading_,
            "layer": self.layer_,
            "layer_count": self.layer_count_,
            "scorer": self.scorer,
            "mode": self.mode_,
            "threshold": self.threshold_,
            "threshold_basis": self.threshold_summary_.basis,
            "sigma_segments": self.sigma_segments,
            "normal_clips": counts[0],
            "anomalous_clips": counts[1],
            "sources": len(set(self.sources_)),
            "cv_auc": self.cv_auc_,
        }

    def save(self, folder: Path | str, *, keep_examples: bool = True) -> None:
        """Write the probe as a folder: `probe.json`, `probe.safetensors`, `examples.safetensors`.

        Args:
            folder: target; made where absent, a probe in it is replaced.
            keep_examples: keep the clips' states, which `add` needs (float32, all layers).

        Raises:
            StorageError: it cannot be written.
        """
        from hiprobe.probe.folder import write_probe

        self._check_fitted()
        write_probe(self, Path(folder), keep_examples=keep_examples)

    @classmethod
    def load(cls, folder: Path | str) -> Probe:
        """Read a saved probe.

        Raises:
            ProbeFolderError: missing, damaged, foreign or of another version.
        """
        from hiprobe.probe.folder import read_probe

        return read_probe(cls, Path(folder))

    def _recipe(self) -> Recipe:
        if self.folds < 2:
            raise UsageError(f"folds is {self.folds}; cross-validation needs 2 or more")
        if self.threshold_scores not in ("cross_validated", "training"):
            raise UsageError(
                f"threshold_scores is {self.threshold_scores!r}; choose cross_validated or training"
            )
        smooth([0.0], sigma_segments=self.sigma_segments)
        scorer = make_scorer(
            self.scorer,
            c=self.c,
            penalty=self.penalty,
            standardise=self.standardise,
            balance=self.balance,
            seed=self.seed,
        )
        return Recipe(
            layer=self.layer,
            mode=self.mode,
            scorer=scorer,
            sigma_segments=self.sigma_segments,
            bins=self.bins,
            folds=self.folds,
            seed=self.seed,
        )

    def _remember(self, data: TrainingSet, held_out: CrossValidation) -> None:
        self.fingerprint_, self.reading_ = data.fingerprint, data.reading
        self.layer_count_, self.width_ = data.layer_count, data.width
        self.labels_, self.names_, self.sources_ = data.labels, data.names, data.sources
        self.fold_layers_, self.fold_modes_ = held_out.layers, held_out.modes
        self.mode_table_ = {m: roc_auc(data.labels, s) for m, s in held_out.by_mode.items()}
        self.cv_auc_ = roc_auc(data.labels, held_out.nested) if held_out.layers else None

    def _fit_scorer(self, data: TrainingSet, held_out: CrossValidation, recipe: Recipe) -> None:
        """Layer, mode, scorer and few-shot scores from all clips."""
        clips = np.arange(len(data))
        layer = choose_layer(data, clips, recipe=recipe)
        mode = best_mode(data.labels, held_out.by_mode)
        scorer = fit_mode(data, clips, mode=mode, layer=layer, scorer=recipe.scorer)
        sigma = self.sigma_segments
        self.layer_, self.mode_, self.scorer_ = layer, mode, scorer
        self.few_shot_scores_ = {
            "training": detection_scores(
                data, clips, layer=layer, scorer=scorer, sigma_segments=sigma
            )
        }
        if held_out.layers:
            self.few_shot_scores_["cross_validated"] = held_out.by_mode[mode]

    def _basis(
        self, wanted: Literal["cross_validated", "training"]
    ) -> Literal["cross_validated", "training"]:
        return wanted if wanted in self.few_shot_scores_ else "training"

    def _threshold_of(self, *, kappa: float | None) -> float:
        if kappa is None and self.threshold is not None:
            return float(self.threshold)
        scores = self.few_shot_scores_[self._basis(self.threshold_scores)]
        return adaptive_threshold(scores, kappa=self.kappa if kappa is None else kappa)

    def _check_fitted(self) -> None:
        if not hasattr(self, "scorer_"):
            raise UsageError("this probe is not fitted yet; call fit, or load a saved one")
