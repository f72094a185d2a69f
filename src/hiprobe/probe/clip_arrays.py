"""Clips as scikit-learn hands them over: arrays with labels, in place of labelled states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiprobe.errors import UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import LabelledStates, States

# Labelled states, or an array `[clips, layers, width]`, or `[clips, width]` of one layer.
Clips = Sequence[LabelledStates] | NDArray[Any]

# In place of a backbone's: nothing says what made an array.
ARRAY = Fingerprint("array", "none", "float32", "", {})


def are_examples(clips: Clips) -> TypeGuard[Sequence[LabelledStates]]:
    """Whether clips are labelled states; scikit-learn may hand a list over as an object array."""
    if isinstance(clips, np.ndarray):
        return clips.dtype == object and clips.size > 0 and isinstance(clips[0], LabelledStates)
    return isinstance(clips, list | tuple) and all(isinstance(e, LabelledStates) for e in clips)


def labelled_clips(
    clips: Clips, y: ArrayLike | None, groups: Sequence[Any] | None
) -> tuple[tuple[LabelledStates, ...], NDArray[Any]]:
    """Clips as labelled states, and the two classes, normal and anomalous.

    Args:
        y: `[clips]`; those of labelled states unless given.
        groups: `[clips]`, recordings; those of labelled states, or each clip its own, unless given.

    Raises:
        UsageError: the array, the labels or the groups cannot be used.
    """
    if are_examples(clips):
        found, classes = tuple(clips), np.array([0, 1])
        labels = None
        if y is not None:
            labels, classes = _labels(y, len(found))
    else:
        values = checked_array(clips)
        labels, classes = _labels(y, len(values))
        found = tuple(
            LabelledStates(f"clip-{i}", 0, f"clip-{i}", _one_row(row), None)
            for i, row in enumerate(values)
        )
    if labels is not None:
        found = tuple(replace(e, label=int(n)) for e, n in zip(found, labels, strict=True))
    if groups is not None:
        if len(groups) != len(found):
            raise UsageError(f"{len(groups)} groups for {len(found)} clips; give one for each")
        found = tuple(replace(e, source=str(g)) for e, g in zip(found, groups, strict=True))
    return found, classes


def checked_array(clips: Any, *, like: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """An array of clips as float32 `[clips, layers, width]`.

    Args:
        like: layers and width that a fitted probe takes.

    Raises:
        UsageError: no numbers, not finite, no clips, or another shape.
    """
    from sklearn.utils import check_array

    try:
        # its messages, and the one on the number of features below, are what `check_estimator` asks
        # for
        found = check_array(clips, dtype=np.float32, allow_nd=True, input_name="X")
    except ValueError as error:
        raise UsageError(str(error)) from error
    if found.ndim > 3:
        raise UsageError(f"X has shape {found.shape}; give [clips, layers, width]")
    if found.ndim == 2:
        found = found[:, None]
    if like is not None and found.shape[1:] != like:
        layers, width = found.shape[1:]
        raise UsageError(
            f"X has {width} features, but Probe is expecting {like[1]} features as input, on "
            f"{like[0]} layers (X has {layers})"
        )
    return np.asarray(found)


def _labels(y: ArrayLike | None, count: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """0 or 1 for each clip, and the two labels that these stand for."""
    from sklearn.utils import assert_all_finite, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets, type_of_target

    if y is None:
        raise UsageError("an array of clips requires y to be passed, but the target y is None")
    try:
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if len(labels) != count:
        raise UsageError(f"{len(labels)} labels for {count} clips; give one for each")
    if labels.dtype.kind not in "biuf":
        raise UsageError(
            f"labels are {labels.dtype}; give numbers, 0 for normal and 1 for anomalous (the order "
            "of words does not say which of them is the anomalous one)"
        )
    classes, found = np.unique(labels, return_inverse=True)
    if len(classes) > 2:
        raise UsageError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(labels)}."
        )
    if len(classes) == 1:
        raise UsageError(f"the clips are of 1 class, {classes[0]}; a probe needs both")
    return found.astype(np.int64), classes


def _one_row(row: NDArray[np.float32]) -> States:
    """The vectors of one clip, `[layers, width]`, as states without a time of their own."""
    return States(
        values=row[None],
        layers=tuple(range(1, len(row) + 1)),
        start_seconds=np.zeros(1),
        end_seconds=np.ones(1),
        reading="last",
        fingerprint=ARRAY,
        layer_count=len(row),
        failed=np.zeros(1, dtype=bool),
    )
