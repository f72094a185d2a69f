"""A probe that reads attention heads in place of a hidden state; it is saved and run like others.

Its backbone is `ChosenHeadsView`, which gives the chosen heads side by side as one layer; the heads
stand in its fingerprint, so that a probe folder names them. Heads are chosen again inside each
training fold: held-out scores, and the threshold that comes from them, have not seen their clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.baselines.attention_heads import (
    LEAST_CLIPS,
    TOP_HEADS,
    ChosenHeadsView,
    HeadsView,
    columns,
    fit_heads,
    held_out_heads,
    stacked,
)
from hiprobe.errors import LabelError
from hiprobe.probe import Probe
from hiprobe.probe.fit_results import (
    FewShotScores,
    Fitted,
    ThresholdBasis,
    basis_of,
    few_shot_threshold,
    reach_warning,
    summarise,
)
from hiprobe.probe.fitting import fit_warnings
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.training_set import TrainingSet, grouped_folds, roc_auc, training_set
from hiprobe.states import LabelledStates


def fit_heads_probe(
    views: Sequence[Sequence[LabelledStates]],
    *,
    backbone: Backbone,
    parameters: Parameters,
    top: int = TOP_HEADS,
) -> Probe:
    """Choose heads on labelled clips and fit a probe on them.

    Args:
        views: for each prompt the same clips, as `head_states_of` gives them.
        backbone: the one that was read, not a view of it.
        parameters: scorer, threshold, folds and seed are used; layer and mode are not.
        top: heads to read.

    Raises:
        StatesError: a clip has no vector, or shapes differ.
        LabelError: a class is missing, or there are too few clips.
        UsageError: a setting cannot be used.
    """
    count = HeadsView(backbone).heads_backbone.head_count
    stacks = [stacked(view, head_count=count) for view in views]
    own = Probe(**parameters.get_params(deep=False)).set_params(layer=1, mode="clip", reading=None)
    scorer = own.settled().scorer
    labels = np.array([e.label for e in views[0]], dtype=np.int64)
    sources = tuple(e.source for e in views[0])
    pairs = grouped_folds(labels, sources, folds=own.folds, seed=own.seed)
    fewest = min((len(train) for train, _ in pairs), default=len(labels))
    if fewest < LEAST_CLIPS:
        raise LabelError(
            f"{int((labels == 0).sum())} normal and {int((labels == 1).sum())} anomalous clips "
            f"are too few: heads are chosen on {LEAST_CLIPS} or more, and again inside each fold, "
            f"where {fewest} are left; add clips, or leave out --scorer heads"
        )
    # Not by the probe's own cross-validation: that would hold out clips on which heads were chosen.
    held_out = held_out_heads(stacks, labels, pairs, top=top, scorer=scorer)
    chosen = fit_heads(stacks, labels, top=top, scorer=scorer)
    view = ChosenHeadsView(backbone, chosen.heads)
    examples = []
    rows = columns(stacks[0], chosen.heads)[:, None, None]
    for example, row in zip(views[0], rows, strict=True):
        assert example.clip is not None  # `stacked` refuses clips without a vector
        states = replace(
            example.clip,
            values=row,
            layers=(1,),
            layer_count=view.layer_count,
            fingerprint=view.fingerprint,
        )
        examples.append(replace(example, clip=states, segments=None))
    fitted = own.fit(examples).fitted()
    if pairs:
        fitted = _with_held_out(fitted, held_out, own, data=training_set(examples))
    return Probe.of(fitted, own, examples)


def _with_held_out(
    fitted: Fitted, held_out: NDArray[np.float64], parameters: Parameters, *, data: TrainingSet
) -> Fitted:
    """The fit with held-out scores whose heads were chosen inside each fold, and what follows."""
    scores: FewShotScores = {**fitted.few_shot_scores, "cross_validated": held_out}
    auc, wanted = roc_auc(fitted.labels, held_out), parameters.threshold_scores
    threshold = parameters.threshold
    basis: ThresholdBasis = "given"
    if threshold is None:
        threshold = few_shot_threshold(scores, wanted=wanted, kappa=parameters.kappa)
        basis = basis_of(scores, wanted)
    return replace(
        fitted,
        threshold=threshold,
        few_shot_scores=scores,
        cv_auc=auc,
        mode_table={"clip": auc},
        layer_table=replace(fitted.layer_table, cv_auc=np.array([auc])),
        threshold_summary=summarise(threshold, scores=scores, labels=fitted.labels, basis=basis),
        warnings=(
            *data.warnings,
            *fit_warnings(data, auc, fitted.scorer),
            *reach_warning(threshold),
        ),
    )
