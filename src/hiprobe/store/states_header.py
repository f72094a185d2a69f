"""A file of states opened and checked: its header, its times, or all of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hiprobe.errors import StatesError
from hiprobe.store.array_files import open_tensors
from hiprobe.store.documents import DocumentError, check_schema, check_values, parse_json
from hiprobe.store.schemas import StatesHeader

FORMAT_VERSION = 1

Arrays = dict[str, NDArray[Any]]

TIMES = ("start_seconds", "end_seconds", "failed")
"""Arrays of a unit beside its states, one value for each row."""


def read_states_header(path: Path | str) -> dict[str, Any]:
    """The JSON header alone, with `readings` by unit, without loading the arrays.

    Raises:
        StatesError: missing, damaged, foreign or of another version.
    """
    return load_states_file(Path(path), wanted=())[0]


def read_times(path: Path | str) -> dict[str, Arrays]:
    """Unit -> start_seconds, end_seconds and failed of its rows, without loading the states.

    Raises:
        StatesError: as `read_states_header`.
    """
    _, arrays = load_states_file(Path(path), wanted=TIMES)
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


def load_states_file(
    path: Path, *, wanted: Sequence[str] | None = None
) -> tuple[dict[str, Any], Arrays]:
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
            f"cannot read states from {path}: {cause_of(error)}; extract them again"
        ) from error


def _readings(names: list[str], unit: str) -> list[str]:
    found = [n.partition("/")[2] for n in names if n.startswith(f"{unit}/")]
    return sorted(set(found) - set(TIMES))


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


def cause_of(error: BaseException) -> str:
    """The message of an error, or its kind where it has none."""
    return str(error) or type(error).__name__
