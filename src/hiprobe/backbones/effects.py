"""What a cheaper way of running a backbone does to its states, and to the scores made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.loading import AREA_RESIZE, TRAINED_RESIZE, LoadOptions
from hiprobe.errors import StatesError
from hiprobe.segment import Segment
from hiprobe.states import Reading

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""States `[n, width]` of one layer to scores `[n]`, such as a fitted probe's."""


@dataclass(frozen=True)
class StatesEffect:
    """How far the states of one backbone lie from those of another, layer by layer.

    Attributes:
        layers: the layers compared.
        relative: distance of two states as a share of the exact one's length, the mean over
            segments, by layer.
        cosine: the lowest cosine of two states of a segment, by layer.
        score_change: largest absolute change of a score, None where no score was given.
    """

    layers: tuple[int, ...]
    relative: tuple[float, ...]
    cosine: tuple[float, ...]
    score_change: float | None = None


def states_effect(
    exact: Backbone,
    changed: Backbone,
    segments: Sequence[Segment],
    *,
    layers: Sequence[int],
    reading: Reading = "last",
    score: Score | None = None,
) -> StatesEffect:
    """Compare two backbones of the same model on the same segments.

    Args:
        layers: compared one by one; a score is taken of the last of them.
        score: what a user makes of the states; its largest change is reported.

    Raises:
        StatesError: there are no segments, or the backbones are of different shape.
    """
    if not segments or exact.width != changed.width:
        raise StatesError(
            f"{len(segments)} segments, widths {exact.width} and {changed.width}: give one segment "
            "or more, and two backbones of the same model"
        )
    one, other = (
        b.states(segments, layers=layers, readings=(reading,))[reading].astype(np.float64)
        for b in (exact, changed)
    )
    length = np.linalg.norm(one, axis=2)
    apart = np.linalg.norm(one - other, axis=2) / length
    cosine = (one * other).sum(axis=2) / (length * np.linalg.norm(other, axis=2))
    return StatesEffect(
        layers=tuple(layers),
        relative=tuple(apart.mean(axis=0).tolist()),
        cosine=tuple(cosine.min(axis=0).tolist()),
        score_change=None if score is None else _change(score, one[:, -1], other[:, -1]),
    )


def _change(score: Score, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    before, after = (np.asarray(score(v.astype(np.float32))) for v in (one, other))
    return float(np.abs(before - after).max())


def quantisation_effect(
    model: str | Path,
    segments: Sequence[Segment],
    *,
    quantise: str,
    layers: Sequence[int],
    options: LoadOptions | None = None,
    score: Score | None = None,
) -> StatesEffect:
    """What one-byte weights do to a model's states: it is opened both ways, one after the other.

    Args:
        model: a name, hub id or folder, as for `open_backbone`.
        quantise: one of `loading.QUANTISED`.
        options: how it is opened otherwise.

    Raises:
        BackboneError: the model cannot be opened, or torchao is missing.
    """
    return _effect(model, segments, {"quantise": quantise}, layers, options, score)


def resize_effect(
    model: str | Path,
    segments: Sequence[Segment],
    *,
    layers: Sequence[int],
    options: LoadOptions | None = None,
    score: Score | None = None,
) -> StatesEffect:
    """What the faster resize does to a model's states; arguments as in `quantisation_effect`.

    Raises:
        BackboneError: the model cannot be opened, or prepares frames by its own processor.
    """
    return _effect(model, segments, {"resize": AREA_RESIZE}, layers, options, score)


def _effect(
    model: str | Path,
    segments: Sequence[Segment],
    changes: dict[str, str],
    layers: Sequence[int],
    options: LoadOptions | None,
    score: Score | None,
) -> StatesEffect:
    from hiprobe.backbones.registry import open_backbone

    base = {**asdict(options or LoadOptions()), "resize": TRAINED_RESIZE, "quantise": None}
    if options is not None and "resize" not in changes:
        base["resize"] = options.resize
    exact, changed = (
        open_backbone(model, cut_at_layer=max(layers), **how) for how in (base, {**base, **changes})
    )
    return states_effect(exact, changed, segments, layers=layers, score=score)
