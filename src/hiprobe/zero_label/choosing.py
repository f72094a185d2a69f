"""Heads of labelled clips, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import LabelError, StatesError
from hiprobe.pipeline import ExtractionSettings, Failure, Progress, extract_views
from hiprobe.pipeline.settings import DEFAULTS
from hiprobe.states import LabelledStates
from hiprobe.store.cache import StatesCache
from hiprobe.zero_label.head_views import HeadsView
from hiprobe.zero_label.heads import TOP_HEADS, FittedHeads, fit_heads
from hiprobe.zero_label.questions import HEAD_PROMPTS


def head_states_of(
    clips: Sequence[LabelledClip],
    *,
    backbone: Backbone,
    prompts: Sequence[str] = HEAD_PROMPTS,
    settings: ExtractionSettings = DEFAULTS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> tuple[list[list[LabelledStates]], list[Failure]]:
    """Heads of labelled clips, for each prompt the same clips, and what could not be read."""
    return extract_views(
        clips,
        backbone=HeadsView(backbone),
        prompts=prompts,
        settings=replace(settings, layers=None, readings=("last",)),
        want=("clip",),
        cache=cache,
        progress=progress,
    )


def fit_heads_on(
    views: Sequence[Sequence[LabelledStates]], *, head_count: int, top: int = TOP_HEADS
) -> FittedHeads:
    """Choose heads on labelled clips, which `head_states_of` read, and fit the scorer on them.

    Raises:
        LabelError: a class is missing.
    """
    labels = np.array([e.label for e in views[0]], dtype=np.int64)
    if set(labels.tolist()) != {0, 1}:
        raise LabelError(
            "heads are chosen on labelled clips of both kinds; one kind is missing: add clips"
        )
    return fit_heads([stacked(view, head_count=head_count) for view in views], labels, top=top)


def stacked(view: Sequence[LabelledStates], *, head_count: int) -> NDArray[np.float32]:
    """`[clips, layers, heads, head width]` of clips read through `HeadsView`.

    Raises:
        StatesError: a clip has no vector.
    """
    rows = [e.clip.values[0] for e in view if e.clip is not None and not e.clip.failed.any()]
    if len(rows) < len(view) or not rows:
        raise StatesError(f"{len(view) - len(rows)} of {len(view)} clips have no heads to read")
    values = np.stack(rows)
    return values.reshape(*values.shape[:2], head_count, -1)
