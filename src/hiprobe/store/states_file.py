"""States of one video as one safetensors file: readable without torch, checked when read.

Layout: tensors `segments/READING` and `clip/READING`, float32 `[rows, layers, width]`, with
`UNIT/start_seconds`, `UNIT/end_seconds`, `UNIT/failed`, `UNIT/reused`; one metadata entry
`hiprobe` with JSON.
Its `layers` and `layer_count` are those of the decoder where a reading of the decoder is in the
file; readings of the vision tower, in the same file, have one layer (1 of 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.documents.arrays import open_tensors
from hiprobe.documents.checked import DocumentError, check_schema, check_values, parse_json
from hiprobe.documents.schemas import StatesHeader
from hiprobe.errors import StatesError
from hiprobe.failures import storage_error
from hiprobe.fingerprint import Fingerprint
from hiprobe.large_rows import give_back
from hiprobe.provenance import Provenance
from hiprobe.segment import Cut
from hiprobe.states import Reading, States, VideoStates, depth_at, layers_at
from hiprobe.store.atomic import atomic_path

FORMAT_VERSION = 1

Arrays = dict[str, NDArray[Any]]

# Arrays of a unit besides its states, one value for each row; earlier versions reused none.
TIMES = ("start_seconds", "end_seconds", "failed", "reused")


def read_states_header(path: Path | str) -> dict[str, Any]:
    """The JSON header alone, with `readings` by unit, without loading the arrays.

    Raises:
        StatesError: missing, damaged, foreign or of another version.
    """
    return _load(Path(path), wanted=())[0]


def read_times(path: Path | str) -> dict[str, Arrays]:
    """Unit -> start_seconds, end_seconds and failed of its rows, without loading the states.

    Raises:
        StatesError: as `read_states_header`.
    """
    _, arrays = _load(Path(path), wanted=TIMES)
    found: dict[str, Arrays] = {"segments": {}, "clip": {}}
    for name, array in arrays.items():
        unit, _, what = name.partition("/")
        if array.ndim != 1 or array.dtype.kind not in "fiub":
            raise StatesError(
                f"{path} is damaged: {name} is {array.dtype} of shape {array.shape}, not one "
                "number for each segment; extract it again"
            )
        found.setdefault(unit, {})[what] = array
    return found


def _load(path: Path, *, wanted: Sequence[str] | None = None) -> tuple[dict[str, Any], Arrays]:
    """Header, with `readings` by unit, and arrays; only those of the `wanted` kinds, or all.

    Raises:
        StatesError: missing, damaged, foreign or of another version; the message says which.
    """
    try:
        with open_tensors(path) as file:
            header, names = _checked_header(file.note, path), file.names
            header["readings"] = {u: _readings(names, u) for u in ("segments", "clip")}
            if wanted is not None:
                names = [n for n in names if n.partition("/")[2] in wanted]
            return header, {n: file.array(n) for n in names}
    except (DocumentError, OSError) as error:
        raise StatesError(
            f"cannot read states from {path}: {_words(error)}; extract them again"
        ) from error


def _readings(names: list[str], unit: str) -> list[str]:
    found = {n.partition("/")[2] for n in names if n.startswith(f"{unit}/")}
    return sorted(found - {*TIMES})


def _checked_header(text: str, path: Path) -> dict[str, Any]:
    try:
        header = parse_json(text, names=True)
    except DocumentError:
        header = None
    if not isinstance(header, dict):
        raise StatesError(f"{path} holds no HiProbe states; write it with `hiprobe extract`")
    if header.get("version") != FORMAT_VERSION:
        raise StatesError(
            f"{path} has states format {header.get('version')}, this version reads "
            f"{FORMAT_VERSION}; extract it again"
        )
    try:
        check_schema(header, StatesHeader)
        check_values(header["fingerprint"])
    except DocumentError as error:
        raise StatesError(f"{path} is damaged: {error}; extract it again") from error
    return dict(header)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__  # a KeyError and the like may come without words


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
        notes: further entries for the header, as where the states come from.

    Raises:
        StatesError: nothing to write, or readings that do not belong together.
        StorageError: the file cannot be written.
    """
    video = _as_video_states(states)
    first = video.leading
    if first is None:
        raise StatesError(f"no states to write to {path}; extract at least one reading")
    arrays: Arrays = {**_pack("segments", video.states), **_pack("clip", video.clip)}
    _refuse_mixture(video, first)
    header = {
        "version": FORMAT_VERSION,
        "fingerprint": first.fingerprint.to_json(),
        "layer_count": first.layer_count,
        "layers": list(first.layers),
        "outcome": video.outcome,
        "provenance": None if video.provenance is None else video.provenance.to_json(),
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
            provenance=_provenance(header),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StatesError(f"{path} is damaged: {_words(error)}; extract it again") from error


def _provenance(header: Mapping[str, Any]) -> Provenance | None:
    """How the video was read; None where the file was not made by an extraction.

    Files of earlier versions noted the length of segments in seconds alone, since `hiprobe extract`
    left all else at its defaults.
    """
    if header.get("provenance") is not None:
        return Provenance.from_json(header["provenance"])
    seconds = header.get("notes", {}).get("segment_seconds")
    if seconds is None:
        return None
    return Provenance(cut=Cut(segment_seconds=float(seconds) if seconds else None))


def _as_video_states(states: VideoStates | Mapping[Reading, States] | States) -> VideoStates:
    if isinstance(states, VideoStates):
        return states
    if isinstance(states, States):
        return VideoStates(states={states.reading: states})
    return VideoStates(states=dict(states))


def _pack(unit: str, by_reading: Mapping[Reading, States]) -> Arrays:
    arrays: Arrays = {}
    for reading, states in by_reading.items():
        arrays[f"{unit}/{reading}"] = np.ascontiguousarray(states.values)
        for name in TIMES:
            arrays[f"{unit}/{name}"] = np.ascontiguousarray(getattr(states, name))
    return arrays


def _refuse_mixture(video: VideoStates, first: States) -> None:
    for unit in (video.states, video.clip):
        for reading, states in unit.items():
            if states.reading != reading:
                raise StatesError(f"states read at {states.reading} are filed under {reading}")
            if len({len(s) for s in unit.values()}) > 1:
                raise StatesError("the readings of one video differ in their number of segments")
            layers = layers_at(reading, first.layers)
            if (states.fingerprint, states.layers) != (first.fingerprint, layers):
                raise StatesError(
                    "states of different backbones or layers cannot share one file; "
                    "write one file for each"
                )


def _unpack(unit: str, arrays: Arrays, header: Mapping[str, Any]) -> dict[Reading, States]:
    reused = f"{unit}/reused"
    return {
        reading: States(
            values=arrays[f"{unit}/{reading}"],
            layers=layers_at(reading, [int(n) for n in header["layers"]]),
            start_seconds=arrays[f"{unit}/start_seconds"],
            end_seconds=arrays[f"{unit}/end_seconds"],
            reading=reading,
            fingerprint=Fingerprint(**header["fingerprint"]),
            layer_count=depth_at(reading, int(header["layer_count"])),
            failed=arrays[f"{unit}/failed"],
            **({"reused": arrays[reused]} if reused in arrays else {}),
        )
        for reading in header["readings"][unit]
    }


def _save(path: Path, arrays: Arrays, header: Mapping[str, Any]) -> None:
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        try:
            save_file(arrays, str(temporary), metadata={"hiprobe": json.dumps(header)})
        except Exception as error:  # the library raises its own error type for a full disk
            raise storage_error(path, error) from error
        for array in arrays.values():
            give_back(array)
