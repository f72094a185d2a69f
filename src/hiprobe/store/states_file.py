"""States of one video as one safetensors file: readable without torch, checked when read.

Layout: tensors `segments/READING` and `clip/READING`, float32 `[rows, layers, width]`, beside
`UNIT/start_seconds`, `UNIT/end_seconds`, `UNIT/failed`; one metadata entry `hiprobe` with JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, StorageError
from hiprobe.states import Fingerprint, Reading, States, VideoStates
from hiprobe.store.atomic import atomic_path

FORMAT_VERSION = 1

_Arrays = dict[str, NDArray[Any]]

_TIMES = ("start_seconds", "end_seconds", "failed")
"""Arrays of a unit beside its states, one value for each row."""


def write_states(
    path: Path | str,
    states: VideoStates | Mapping[Reading, States] | States,
    *,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write the states of one video, whole or not at all.

    Args:
        path: target, by custom ending in `.safetensors`.
        states: everything extracted, or the segments' states by reading, or of one reading.
        notes: free entries kept beside (where the states come from).

    Raises:
        StatesError: nothing to write, or readings that do not belong together.
        StorageError: the file cannot be written.
    """
    video = _as_video_states(states)
    first = next(iter([*video.states.values(), *video.clip.values()]), None)
    if first is None:
        raise StatesError(f"no states to write to {path}; extract at least one reading")
    arrays: _Arrays = {**_pack("segments", video.states), **_pack("clip", video.clip)}
    _refuse_mixture(video, first)
    header = {
        "version": FORMAT_VERSION,
        "fingerprint": first.fingerprint.to_json(),
        "layer_count": first.layer_count,
        "layers": list(first.layers),
        "outcome": video.outcome,
        "notes": dict(notes or {}),
    }
    _save(Path(path), arrays, header)


def read_states(path: Path | str) -> VideoStates:
    """Read and check what `write_states` wrote.

    Raises:
        StatesError: missing, damaged, foreign or of another version; the message says which.
    """
    header, arrays = _load(Path(path))
    try:
        return VideoStates(
            states=_unpack("segments", arrays, header),
            clip=_unpack("clip", arrays, header),
            outcome=str(header["outcome"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StatesError(f"{path} is damaged: {_cause(error)}; extract it again") from error


def read_states_header(path: Path | str) -> dict[str, Any]:
    """The JSON header alone, with `readings` by unit, without loading the arrays.

    Raises:
        StatesError: missing, damaged, foreign or of another version.
    """
    return _load(Path(path), wanted=())[0]


def read_times(path: Path | str) -> dict[str, _Arrays]:
    """Unit -> start_seconds, end_seconds and failed of its rows, without loading the states.

    Raises:
        StatesError: as `read_states_header`.
    """
    _, arrays = _load(Path(path), wanted=_TIMES)
    found: dict[str, _Arrays] = {"segments": {}, "clip": {}}
    for name, array in arrays.items():
        unit, _, what = name.partition("/")
        found[unit][what] = array
    return found


def _as_video_states(states: VideoStates | Mapping[Reading, States] | States) -> VideoStates:
    if isinstance(states, VideoStates):
        return states
    if isinstance(states, States):
        return VideoStates(states={states.reading: states})
    return VideoStates(states=dict(states))


def _pack(unit: str, by_reading: Mapping[Reading, States]) -> _Arrays:
    arrays: _Arrays = {}
    for reading, states in by_reading.items():
        arrays[f"{unit}/{reading}"] = np.ascontiguousarray(states.values)
        for name in _TIMES:
            arrays[f"{unit}/{name}"] = np.ascontiguousarray(getattr(states, name))
    return arrays


def _refuse_mixture(video: VideoStates, first: States) -> None:
    for unit in (video.states, video.clip):
        for reading, states in unit.items():
            if states.reading != reading:
                raise StatesError(f"states read at {states.reading} are filed under {reading}")
            if len({len(s) for s in unit.values()}) > 1:
                raise StatesError("the readings of one video differ in their number of segments")
            if (states.fingerprint, states.layers) != (first.fingerprint, first.layers):
                raise StatesError(
                    "states of different backbones or layers cannot share one file; "
                    "write one file for each"
                )


def _unpack(unit: str, arrays: _Arrays, header: Mapping[str, Any]) -> dict[Reading, States]:
    return {
        reading: States(
            values=arrays[f"{unit}/{reading}"],
            layers=tuple(int(n) for n in header["layers"]),
            start_seconds=arrays[f"{unit}/start_seconds"],
            end_seconds=arrays[f"{unit}/end_seconds"],
            reading=reading,
            fingerprint=Fingerprint(**header["fingerprint"]),
            layer_count=int(header["layer_count"]),
            failed=arrays[f"{unit}/failed"],
        )
        for reading in header["readings"][unit]
    }


def _save(path: Path, arrays: _Arrays, header: Mapping[str, Any]) -> None:
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        try:
            save_file(arrays, str(temporary), metadata={"hiprobe": json.dumps(header)})
        except Exception as error:  # the library raises its own error type for a full disk
            raise StorageError(f"cannot write {path}: {error}; free some disk space") from error


def _load(path: Path, *, wanted: Sequence[str] | None = None) -> tuple[dict[str, Any], _Arrays]:
    """Header and arrays; of the arrays only those of the `wanted` kinds, all where None."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            header = _checked_header((file.metadata() or {}).get("hiprobe"), path)
            names = list(file.keys())
            header["readings"] = {u: _readings(names, u) for u in ("segments", "clip")}
            if wanted is not None:
                names = [n for n in names if n.partition("/")[2] in wanted]
            return header, {n: file.get_tensor(n) for n in names}
    except (SafetensorError, OSError) as error:
        raise StatesError(
            f"cannot read states from {path}: {_cause(error)}; extract them again"
        ) from error


def _readings(names: list[str], unit: str) -> list[str]:
    found = [n.partition("/")[2] for n in names if n.startswith(f"{unit}/")]
    return sorted(set(found) - set(_TIMES))


def _checked_header(text: str | None, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(text or "")
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise StatesError(f"{path} holds no HiProbe states; write it with `hiprobe extract`")
    if header.get("version") != FORMAT_VERSION:
        raise StatesError(
            f"{path} has states format {header.get('version')}, this version reads "
            f"{FORMAT_VERSION}; extract it again"
        )
    return header


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
