"""The states of a fit's clips as a few long arrays and a note that says whose rows are whose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.documents.checked import (
    check_values,
    parse_json,
)
from hiprobe.documents.probe_schemas import ExamplesNotes
from hiprobe.fingerprint import Fingerprint
from hiprobe.probe.training_set import any_states
from hiprobe.states import LabelledStates, States

_Arrays = dict[str, NDArray[Any]]


def pack_examples(examples: Sequence[LabelledStates]) -> tuple[_Arrays, str]:
    """All states concatenated, and JSON that says which rows belong to which clip."""
    arrays: _Arrays = {}
    for unit in ("clip", "segments"):
        present = [s for s in (getattr(e, unit) for e in examples) if s is not None]
        for name in ("values", "start_seconds", "end_seconds", "failed"):
            if present:
                arrays[f"{unit}/{name}"] = np.concatenate([getattr(s, name) for s in present])
    first = any_states(examples[0])
    notes = {
        # once for all clips: a fit refuses clips of two backbones, readings or sets of layers
        "fingerprint": first.fingerprint.to_json(),
        "reading": first.reading,
        "layers": list(first.layers),
        "layer_count": first.layer_count,
        "clips": [_note(e) for e in examples],
    }
    return arrays, json.dumps(notes)


def unpack_examples(arrays: _Arrays, text: str) -> tuple[LabelledStates, ...]:
    """Labelled states from what `pack_examples` gave.

    Raises:
        KeyError, TypeError, ValueError, StatesError: arrays and notes do not fit together.
    """
    notes = parse_json(text, ExamplesNotes, names=True)
    check_values(notes["fingerprint"])
    _refuse_unequal_rows(arrays, notes)
    # clips follow one another in the arrays, so counting rows says where each begins
    taken = {"clip": 0, "segments": 0}
    examples = []
    for clip in notes["clips"]:
        found: dict[str, States | None] = {"clip": None, "segments": None}
        for unit in ("clip", "segments"):
            if clip[unit] is not None:
                rows = slice(taken[unit], taken[unit] + int(clip[unit]))
                found[unit] = _states(unit, rows, arrays, notes)
                taken[unit] = rows.stop
        examples.append(
            LabelledStates(
                name=clip["name"],
                label=clip["label"],
                source=clip["source"],
                clip=found["clip"],
                segments=found["segments"],
                class_name=clip["class_name"],
            )
        )
    return tuple(examples)


def _refuse_unequal_rows(arrays: _Arrays, notes: Mapping[str, Any]) -> None:
    """More rows than the notes share out, or fewer, would give a clip the states of another."""
    for unit in ("clip", "segments"):
        shared_out = sum(int(clip[unit] or 0) for clip in notes["clips"])
        found = {len(a) if a.ndim else 0 for n, a in arrays.items() if n.startswith(f"{unit}/")}
        if found - {shared_out}:
            raise ValueError(f"{unit}: arrays of {sorted(found)} rows for {shared_out} in the note")


def _note(example: LabelledStates) -> dict[str, Any]:
    return {
        "name": example.name,
        "label": example.label,
        "source": example.source,
        "class_name": example.class_name,
        "clip": None if example.clip is None else len(example.clip),
        "segments": None if example.segments is None else len(example.segments),
    }


def _states(unit: str, rows: slice, arrays: _Arrays, notes: Mapping[str, Any]) -> States:
    return States(
        values=arrays[f"{unit}/values"][rows],
        layers=tuple(int(n) for n in notes["layers"]),
        start_seconds=arrays[f"{unit}/start_seconds"][rows],
        end_seconds=arrays[f"{unit}/end_seconds"][rows],
        reading=notes["reading"],
        fingerprint=Fingerprint(**notes["fingerprint"]),
        layer_count=int(notes["layer_count"]),
        failed=arrays[f"{unit}/failed"][rows],
    )
