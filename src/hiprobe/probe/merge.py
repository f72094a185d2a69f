"""Clips of an earlier fit together with new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hiprobe.errors import LabelError
from hiprobe.states import LabelledStates


def merged(
    known: Sequence[LabelledStates], new: Sequence[LabelledStates]
) -> tuple[LabelledStates, ...]:
    """Known clips and those of the new ones whose states are not among them.

    Raises:
        LabelError: the same states under two labels.
    """
    seen = {_digest(example): example for example in known}
    result = list(known)
    for example in new:
        twin = seen.setdefault(_digest(example), example)
        if twin.label != example.label:
            raise LabelError(
                f"{example.name} has the same states as {twin.name}, which is labelled "
                f"{twin.class_name or twin.label}; remove one of them"
            )
        if twin is example:
            result.append(example)
    return tuple(result)


def _digest(example: LabelledStates) -> str:
    found = hashlib.sha256()
    for states in (example.clip, example.segments):
        found.update(b"-" if states is None else states.values.tobytes())
    return found.hexdigest()
