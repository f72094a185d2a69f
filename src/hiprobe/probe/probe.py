"""Probe: fitted on labelled states, scores and detects in states of the same backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from hiprobe.errors import UsageError
from hiprobe.probe.fitted import Fitted
from hiprobe.probe.fitting import fit_examples
from hiprobe.probe.merge import merged
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.scoring import FittedProbe
from hiprobe.probe.tables import KEPT_VIEW
from hiprobe.states import LabelledStates


class Probe(FittedProbe):
    """Few-shot anomaly probe in scikit-learn's manner: `fit`, `score`, `detect`.

    Args:
        layer: "dlsp" picks l* by saliency (paper, eq. 7), "last" is L, "middle" L // 2.
        scorer: "logistic" (paper, eq. 8), "svm", "mahalanobis" or "euclidean".
        c: inverse strength of the penalty of logistic regression and SVM; None sets it by the
            width of the states, 0.01 for 576 standardised dimensions.
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
        provenance_: how the clips were cut and by which backbone they were read, which `save` keeps
            for `detect`; None where the examples do not say it.
        view_table_: prompts and readings that were compared, empty where there was one only.
        threshold_summary_: what T means on these clips.
        warnings_: plain sentences.
    """

    _examples: tuple[LabelledStates, ...] = ()
    _examples_file: tuple[Path, str] | None = None

    @classmethod
    def of(
        cls, fitted: Fitted, parameters: Parameters, examples: Sequence[LabelledStates] = ()
    ) -> Self:
        """A probe of a fit that was put together elsewhere, with the clips it was made on."""
        probe = cls(**parameters.get_params())
        probe._become(fitted)
        probe._examples = tuple(examples)
        return probe

    def fit(self, examples: Sequence[LabelledStates]) -> Self:
        """Choose layer and mode, fit the scorer, set the threshold.

        Raises:
            LabelError: a class is missing.
            FingerprintError, StatesError: states that do not belong together, or another
                reading than asked for.
            UsageError: a setting cannot be used.
        """
        self._become(fit_examples(examples, self))
        self._examples, self._examples_file = tuple(examples), None
        return self

    def fit_views(self, views: Sequence[Sequence[LabelledStates]]) -> Self:
        """As `fit`, on the one of several views of the same clips that is best held out.

        A view is a prompt and a reading (see `extract_views`). It is chosen inside each training
        fold, as layer and mode are; `view_table_` shows all of them.

        Raises:
            StatesError: the views hold different clips.
            LabelError, FingerprintError, UsageError: as `fit`.
        """
        from hiprobe.probe.views import fit_views

        fitted, chosen = fit_views(views, self)
        self._become(fitted)
        self._examples, self._examples_file = tuple(views[chosen]), None
        return self

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
                "no clips can be added to a probe on attention heads: heads are chosen anew on all "
                "clips, and of the known ones only the chosen heads are kept; fit on all clips "
                "together, `hiprobe fit CLIPS --scorer heads` (clips read before are in the cache)"
            )

    def examples(self) -> tuple[LabelledStates, ...]:
        """States of the clips of the last fit; read from the folder after `load`.

        Raises:
            ProbeFolderError: they were not saved, or are damaged.
        """
        from hiprobe.probe.folder import read_examples

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
        from hiprobe.probe.folder import write_probe

        examples = None
        if keep_examples and (self._examples or self._examples_file):
            examples = self.examples()
        kept = write_probe(Path(folder), self.fitted(), self, examples=examples)
        self._examples_file = kept or self._examples_file

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a saved probe.

        Raises:
            ProbeFolderError: missing, damaged, foreign or of another version.
        """
        from hiprobe.probe.folder import read_probe

        saved = read_probe(Path(folder))
        probe = cls(**saved.settings)
        probe._become(saved.fitted)
        probe._examples_file = saved.examples_file
        return probe
