"""The probe: fit, score, detect, save and load, in scikit-learn's manner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import FingerprintError, StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.joined import join_examples, members_of
from hiprobe.large_rows import row_blocks
from hiprobe.localize import check_threshold, scored_timeline
from hiprobe.probe.clip_arrays import Clips, are_examples, checked_array, labelled_clips
from hiprobe.probe.committee import MemberRow
from hiprobe.probe.fit_results import (
    FewShotScores,
    Fitted,
    LayerTable,
    ThresholdBasis,
    ThresholdSummary,
    ViewRow,
    few_shot_threshold,
    summarise,
)
from hiprobe.probe.fitting import KEPT_VIEW, fit_examples
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.training_set import Mode, any_states, merged
from hiprobe.provenance import Provenance
from hiprobe.spec import BackboneSpec
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.timeline import SmoothingKind, Timeline


class Probe(Parameters):
    """Few-shot anomaly probe, a classifier of scikit-learn's kind: `fit`, `predict`, `detect`.

    Clips are given as labelled states, or, for scikit-learn's tools, as an array `[clips, layers,
    width]` of one vector for each clip and layer (`[clips, width]` is one layer). The greater of
    two labels is the anomalous one. What is fitted is the same: an array stands for clips without
    segments, so its only mode is "clip", and its layers are counted from 1.

    Args:
        layer: its number, or a rule: "dlsp" picks l* by saliency (paper, eq. 7), "last" is L,
            "middle" L // 2, "cv" the layer of the best cross-validated AUC; other packages add to
            them (entry points `hiprobe.layer_rules`).
        scorer: "logistic" (paper, eq. 8), "svm", "mahalanobis", "euclidean", a name that another
            package adds (entry points `hiprobe.scorers`), or any classifier with scikit-learn's
            interface. `standardise` and `balance` apply to it too, the weights of the classes only
            where its `fit` takes `sample_weight`.
        c: inverse strength of the penalty of logistic regression and SVM; None sets it by the
            width of the states, 0.01 for 576 standardised dimensions.
        penalty: "l2", or "none" for the literal equation 8.
        balance: how classes of different size are made equal, "weights", "resample" or "none".
        mode: what the scorer is fitted on (see `Mode`); "auto" compares all that the states allow
            by the cross-validated AUC of the clips' highest segment score.
        standardise: bring each dimension to mean 0 and deviation 1 over the training vectors.
        reading: position that the states must have been read at; None takes theirs.
        bins: bins of the entropy.
        kappa, sigma_segments: of the threshold (eq. 10) and of the Gaussian smoothing.
        smoothing: of the scores over time: "gaussian" as in the paper, which looks ahead; "ema",
            an exponential mean that looks back only, for live cameras; "none".
        ema_weight: of the newest segment in that mean.
        threshold: fixed T; None computes it from the few-shot scores.
        threshold_scores: few-shot scores that T is taken from, of held-out clips or (the literal
            reading of eq. 10) of the clips that the scorer was fitted on.
        folds: most folds of the cross-validation, which never splits a source.
        seed: of folds and resampling.
        draws: how often the folds are drawn; held-out scores are means over the draws.
        recipe: "paper" reads one layer at one position; "committee" one logistic regression for
            each reading and every third layer, and takes their weighted mean (`CommitteeScorer`).
            It is fitted with `fit_views`, on the same clips in several readings.
        members: what a committee reads; `fit_views` sets it. Layer and scorer mean nothing then.
        random_state: scikit-learn's name for `seed`; used in its place where given.

    Attributes:
        fingerprint_, reading_, layer_count_, width_: of the states it was fitted on.
        layer_, mode_, scorer_, threshold_: what was chosen and fitted.
        classes_: the two labels, normal and anomalous.
        n_features_in_: width of the states.
        layer_table_: measures of all layers.
        mode_table_: mode -> cross-validated AUC, layer chosen inside each training fold.
        cv_auc_: AUC of held-out clips with layer, scaling and mode chosen inside each training
            fold; None where there were too few sources for folds.
        few_shot_scores_: "cross_validated" (where there were folds) and "training" -> float64
            `[clips]`: the score that detection gives a clip, its highest smoothed segment score,
            or that of its vector where no segments were extracted.
        labels_, names_, sources_: of the clips, in the order of the scores.
        fold_layers_, fold_modes_: what was chosen inside each training fold.
        provenance_: how the clips were cut and by which backbone they were read, which `save` keeps
            for `detect`; None where the examples do not say it.
        view_table_: prompts and readings that were compared, empty where there was one only.
        member_table_: what each member of a committee brought, empty for one layer.
        draw_aucs_: cross-validated AUC of each draw of the folds by itself.
        threshold_summary_: what T means on these clips.
        warnings_: plain sentences.
    """

    # Declared for readers and type checkers; `_become` sets them, each from the field of `Fitted`.
    fingerprint_: Fingerprint
    reading_: Reading
    layer_count_: int
    width_: int
    layer_: int
    mode_: Mode
    scorer_: FittedScorer
    threshold_: float
    classes_: NDArray[Any]
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
    member_table_: tuple[MemberRow, ...]
    draw_aucs_: tuple[float, ...]

    # On the class: scikit-learn's `clone` and its checks allow `__init__` to set nothing but
    # settings.
    _examples: tuple[LabelledStates, ...] = ()
    _examples_file: tuple[Path, str] | None = None

    @classmethod
    def of(
        cls, fitted: Fitted, parameters: Parameters, examples: Sequence[LabelledStates] = ()
    ) -> Self:
        """A probe made from a finished fit and the clips it was made on.

        Args:
            examples: the clips, which `add` and `save` need.
        """
        probe = cls(**parameters.get_params(deep=False))
        probe._become(fitted)
        probe._examples = tuple(examples)
        return probe

    def fit(
        self,
        examples: Clips,
        y: ArrayLike | None = None,
        *,
        groups: Sequence[Any] | None = None,
    ) -> Self:
        """Choose layer and mode, fit the scorer, set the threshold.

        Args:
            examples: labelled states, or an array `[clips, layers, width]` or `[clips, width]`.
            y: `[clips]`, labels of an array; for examples those that stand in them unless given.
            groups: `[clips]`, recordings that the clips come from, which folds never split; for an
                array each clip is its own unless given.

        Raises:
            LabelError: a class is missing.
            FingerprintError, StatesError: states that do not belong together, or another
                reading than asked for.
            UsageError: a setting, the array or its labels cannot be used.
        """
        clips, classes = labelled_clips(examples, y, groups)
        if self.recipe == "committee" and not self.members:
            raise UsageError(
                "a committee reads several positions of the same clips: fit it with fit_views, one "
                "list of labelled states for each reading"
            )
        # Together, and only once the fit has succeeded: one that is refused leaves the probe as it
        # was.
        self._become(replace(fit_examples(clips, self), classes=classes))
        self._examples, self._examples_file = clips, None
        return self

    def predict(self, examples: Clips) -> NDArray[Any]:
        """The class of each clip: the anomalous one where its score lies above the threshold.

        Args:
            examples: states of clips, or an array as in `fit`.

        Raises:
            FingerprintError, StatesError, UsageError: as `predict_proba`.
        """
        above = self.decision_function(examples) > 0
        return np.asarray(self.classes_[above.astype(int)])

    def predict_proba(self, examples: Clips) -> NDArray[np.float64]:
        """Probability of both classes for each clip, float64 `[clips, 2]`.

        A clip's score is the one that `detect` would compare with the threshold, its highest
        smoothed segment score, or that of its vector where it has no segments.

        Args:
            examples: states of clips, or an array as in `fit`.

        Raises:
            FingerprintError: states of another backbone.
            StatesError: states of another reading, without the probe's layer, or none at all.
            UsageError: the array has another shape, or the probe is not fitted.
        """
        self._check_fitted()
        if are_examples(examples):
            found = np.array([self._clip_score(e) for e in examples], dtype=np.float64)
        else:
            values = checked_array(examples, like=(self.layer_count_, self.width_))
            # an array has no times, so there is nothing to smooth
            found = self.scorer_.probability(values[:, self.layer_ - 1])
        return np.stack([1 - found, found], axis=1)

    def decision_function(self, examples: Clips) -> NDArray[np.float64]:
        """How far each clip's score lies above the threshold, float64 `[clips]`."""
        return np.asarray(self.predict_proba(examples)[:, 1] - self.threshold_)

    @overload
    def score(self, examples: States) -> NDArray[np.float64]: ...
    @overload
    def score(
        self,
        examples: Clips,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float: ...
    def score(
        self,
        examples: States | Clips,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> NDArray[np.float64] | float:
        """Of the states of one video the anomaly probability of each segment; of clips one number.

        Args:
            examples: `States` of one video; or clips as in `fit`.
            y: `[clips]`, their labels; those that stand in the examples unless given.
            sample_weight: `[clips]`.

        Returns:
            For `States` float64 `[segments]`, NaN where a segment failed (paper, eq. 9). For clips,
            as of any classifier in scikit-learn, the share that `predict` gets right.

        Raises:
            FingerprintError: states of another backbone.
            StatesError: states of another reading, or without the probe's layer.
        """
        self._check_fitted()
        if isinstance(examples, States):
            return self._segment_scores(examples)
        if y is None and are_examples(examples):
            y = [self.classes_[e.label] for e in examples]
        right = self.predict(examples) == np.asarray(y)
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return float(np.average(right, weights=weights))

    def _segment_scores(self, states: States) -> NDArray[np.float64]:
        self.check_fingerprint(states.fingerprint)
        if states.reading != self.reading_:
            raise StatesError(
                f"states were read at {states.reading}, the probe reads {self.reading_}; "
                "extract them again with that reading"
            )
        layer = states.layer(self.layer_)
        # In blocks, since a scorer makes float64 of what it is given. What is shorter than one is
        # scored at once: products of other shapes have other last digits.
        scores = np.empty(len(states))
        for rows in row_blocks(layer):
            scores[rows] = self.scorer_.probability(layer[rows])
        return np.where(states.failed, np.nan, scores)

    def _clip_score(self, example: LabelledStates) -> float:
        states = example.segments if example.segments is not None else example.clip
        if states is None or states.failed.all():
            raise StatesError(f"{example.name} has no states to score; leave it out")
        # as a video's alarm: by its highest moment, failed segments left out
        return float(np.nanmax(self.detect(states).smoothed))

    def fit_views(self, views: Sequence[Sequence[LabelledStates]]) -> Self:
        """As `fit`, on the one of several views of the same clips that is best held out.

        A view is a prompt and a reading (see `extract_views`). It is chosen inside each training
        fold, as layer and mode are; `view_table_` shows all of them.

        Raises:
            StatesError: the views hold different clips.
            LabelError, FingerprintError, UsageError: as `fit`.
        """
        from hiprobe.probe.fitting import fit_views

        if self.recipe == "committee":
            return self.fit(self.joined(views))
        fitted, chosen = fit_views(views, self)
        self._become(fitted)
        self._examples, self._examples_file = tuple(views[chosen]), None
        return self

    def joined(self, views: Sequence[Sequence[LabelledStates]]) -> list[LabelledStates]:
        """The same clips in several readings as a committee reads them, one vector a segment.

        Before the first fit this settles what the committee reads: every reading given, at every
        third layer.

        Raises:
            UsageError: a reading comes twice, as with several prompts.
            StatesError: a reading or a layer of the committee is missing.
        """
        from hiprobe.probe.fitting import refuse_other_clips, usable_in_all

        refuse_other_clips(views)
        usable = usable_in_all(views)
        # Settled once: clips that are added later must give the same vector.
        if not self.members:
            self.members = members_of([any_states(view[0]) for view in usable])
        return join_examples(usable, self.members)

    def add(self, examples: Sequence[LabelledStates]) -> Self:
        """Fit again on the clips of the last fit and these; a clip known already counts once.

        A prompt and reading that `fit_views` chose are kept, and `warnings_` says what that means.

        Raises:
            UsageError: see `check_extendable`.
            ProbeFolderError: the probe was saved without its clips' states, or they are damaged.
            LabelError: a known clip under another label.
        """
        self.check_extendable()
        kept = bool(self.view_table_) or KEPT_VIEW in self.warnings_
        # from the start: layer, mode and threshold depend on all clips, so nothing can be updated
        # in place
        self.fit(merged(self.examples(), examples))
        if kept:
            self._become(replace(self.fitted(), warnings=(*self.warnings_, KEPT_VIEW)))
        return self

    def check_extendable(self) -> None:
        """Refuse a probe on attention heads, of whose clips only the chosen heads are kept.

        Kept heads were chosen on the known clips: scores of those, held out, would be too good.

        Raises:
            UsageError: it reads attention heads.
        """
        if "heads" in self.facts():
            raise UsageError(
                "no clips can be added to a probe on attention heads: heads are chosen again on "
                "all clips, and of the known ones only the chosen heads are kept; fit on all clips "
                "together, `hiprobe fit CLIPS --scorer heads` (clips read before are in the cache)"
            )

    def examples(self) -> tuple[LabelledStates, ...]:
        """States of the clips of the last fit; read from the folder after `load`.

        Raises:
            ProbeFolderError: they were not saved, or are damaged.
        """
        from hiprobe.probe.probe_folder import read_examples

        self._check_fitted()
        if not self._examples:
            found = read_examples(self._examples_file)
            self._examples = tuple(replace(e, provenance=self.provenance_) for e in found)
        return self._examples

    def save(self, folder: Path | str, *, keep_examples: bool = True) -> None:
        """Write the probe as a folder: `probe.json`, `probe.safetensors`, `examples.safetensors`.

        Args:
            folder: target; made where absent, a probe in it is replaced.
            keep_examples: keep the clips' states, which `add` needs (float32, all layers).

        Raises:
            StorageError: it cannot be written.
        """
        from hiprobe.probe.probe_folder import write_probe

        examples = None
        if keep_examples and (self._examples or self._examples_file):
            examples = self.examples()
        kept = write_probe(Path(folder), self.fitted(), self, examples=examples)
        # a save without them leaves the clips of the folder that was loaded within reach
        self._examples_file = kept or self._examples_file

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a saved probe.

        Raises:
            ProbeFolderError: missing, damaged, foreign or of another version.
        """
        from hiprobe.probe.probe_folder import read_probe

        saved = read_probe(Path(folder))
        # `from_saved` gives the settings to fit again by, `_become` what was fitted by them
        probe = cls.from_saved(saved.settings)
        probe._become(saved.fitted)
        probe._examples_file = saved.examples_file
        return probe

    def detect(
        self,
        states: States,
        *,
        threshold: float | None = None,
        kappa: float | None = None,
        smoothing: SmoothingKind | None = None,
        sigma_segments: float | None = None,
        ema_weight: float | None = None,
    ) -> Timeline:
        """Score, smooth, and find events above the threshold.

        Args:
            threshold: T in place of the probe's; `kappa` is then not used.
            kappa: recomputes T from the few-shot scores.
            smoothing, sigma_segments, ema_weight: smoothing in place of the probe's.

        Raises:
            FingerprintError, StatesError: as `score`.
            UsageError: as `threshold_for` and `smoothing_for`.
        """
        self._check_fitted()
        scores = self._segment_scores(states)
        chosen = self.smoothing_for(
            smoothing=smoothing, sigma_segments=sigma_segments, ema_weight=ema_weight
        )
        threshold = self.threshold_for(threshold=threshold, kappa=kappa)
        return scored_timeline(
            states.start_seconds,
            states.end_seconds,
            scores,
            smoothing=chosen,
            threshold=threshold,
            reused=states.reused,
        )

    def threshold_for(self, *, threshold: float | None = None, kappa: float | None = None) -> float:
        """The T that `detect` takes: a given one, one computed from kappa, or the probe's own.

        Raises:
            UsageError: a given threshold, or that of kappa, lies where no score or every score is
                above it. The probe's own is not refused; `warnings_` said so when it was fitted.
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
        # Refused even where the widths agree: vectors of another model mean something else in each
        # dimension, and would be scored without complaint.
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
        """What the probe is, as JSON values to show and to store with results."""
        from hiprobe.probe.probe_folder import probe_facts

        return probe_facts(self.fitted(), self)

    def fitted(self) -> Fitted:
        """The result of the fit as one value.

        Raises:
            UsageError: the probe is not fitted yet.
        """
        self._check_fitted()
        return Fitted(**{f.name: getattr(self, f"{f.name}_") for f in fields(Fitted)})

    def _become(self, fitted: Fitted) -> None:
        for field in fields(fitted):
            setattr(self, f"{field.name}_", getattr(fitted, field.name))

    @property
    def n_features_in_(self) -> int:
        """Width of the states that the probe takes; as in scikit-learn absent before a fit."""
        return self.width_

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's tools ask of an estimator."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        # made by hand: inheriting them from `BaseEstimator` would load scikit-learn with every
        # probe
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(two_d_array=True, three_d_array=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` or `load` has been called."""
        return hasattr(self, "scorer_")

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            # its second base class is scikit-learn's, which takes a second to load
            from hiprobe.probe.not_fitted import ProbeNotFittedError

            raise ProbeNotFittedError("this probe is not fitted yet; call fit, or load a saved one")
