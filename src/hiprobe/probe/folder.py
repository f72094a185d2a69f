"""A probe as a folder: numbers in `probe.json`, arrays in `probe.safetensors`.

The JSON is written last and holds the hash of each array file, so a folder whose writing was cut
short, or which was changed since, is refused. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import __version__
from hiprobe.errors import ProbeFolderError, StatesError
from hiprobe.probe.document import Arrays, fitted_arrays, fitted_document, fitted_from
from hiprobe.probe.examples_file import pack_examples, unpack_examples
from hiprobe.probe.fitted import Fitted
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.reading_file import recorded_provenance, remove_record
from hiprobe.states import LabelledStates
from hiprobe.store.array_files import STATES_LIMIT_BYTES, open_tensors
from hiprobe.store.atomic import atomic_path
from hiprobe.store.documents import DocumentError, check_schema, check_values, read_json
from hiprobe.store.plain_files import MIB, open_plain
from hiprobe.store.schemas import ProbeDocument
from hiprobe.store.storage_errors import storage_error

FORMAT = "hiprobe-probe"
VERSION = 1
JSON_NAME = "probe.json"
TENSORS_NAME = "probe.safetensors"
EXAMPLES_NAME = "examples.safetensors"

LIMIT_BYTES = 1024 * MIB
"""Of the arrays of a probe: a few for each layer and dimension of one hidden state."""

ExamplesFile = tuple[Path, str]
"""File of the clips' states, and its SHA-256."""


@dataclass(frozen=True)
class SavedProbe:
    """What a probe folder holds."""

    settings: Mapping[str, Any]
    fitted: Fitted
    examples_file: ExamplesFile | None


def write_probe(
    folder: Path,
    fitted: Fitted,
    parameters: Parameters,
    *,
    examples: Sequence[LabelledStates] | None,
) -> ExamplesFile | None:
    """Write a fitted probe, with its clips' states where given; returns their file.

    The list of clips left out (`reading.json`) is `hiprobe fit`'s to write; one that belongs to a
    probe written here before is removed.

    Raises:
        StorageError: a file cannot be written.
    """
    kept = folder / EXAMPLES_NAME
    digest = None if examples is None else _write_arrays(kept, *pack_examples(examples))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "hiprobe": __version__,
        "settings": parameters.get_params(),
        **fitted_document(fitted),
        "tensors_sha256": _write_arrays(folder / TENSORS_NAME, fitted_arrays(fitted), ""),
        "examples_sha256": digest,
    }
    with atomic_path(folder / JSON_NAME) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
    remove_record(folder)  # of the probe that was here before
    if digest is None:
        kept.unlink(missing_ok=True)
        return None
    return kept, digest


def read_probe(folder: Path) -> SavedProbe:
    """Read what `write_probe` wrote.

    Raises:
        ProbeFolderError: missing, damaged, foreign or of another version.
    """
    document = _read_document(folder)
    arrays, _ = _read_arrays(folder / TENSORS_NAME, document["tensors_sha256"], LIMIT_BYTES)
    try:
        settings = dict(document["settings"])
        Parameters(**settings)
        digest = document["examples_sha256"]
        kept = None if digest is None else (folder / EXAMPLES_NAME, str(digest))
        fitted = fitted_from(document, arrays)
        if "provenance" not in document:  # of an earlier version, which kept it in a file beside
            fitted = replace(fitted, provenance=recorded_provenance(folder))
        return SavedProbe(settings, fitted, kept)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise ProbeFolderError(
            f"{folder} is damaged: {JSON_NAME} lacks or distorts {error}; fit the probe again"
        ) from error


def read_examples(file: ExamplesFile | None) -> tuple[LabelledStates, ...]:
    """Read the clips' states that `write_probe` kept.

    Raises:
        ProbeFolderError: they were not kept, or are damaged.
    """
    if file is None:
        raise ProbeFolderError(
            "this probe was saved without the states of its clips, so none can be added; fit it "
            "again on all clips"
        )
    arrays, notes = _read_arrays(*file, STATES_LIMIT_BYTES)
    try:
        return unpack_examples(arrays, notes)
    except (KeyError, TypeError, ValueError, OverflowError, StatesError) as error:
        raise ProbeFolderError(f"{file[0]} is damaged: {error}; fit the probe again") from error


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / JSON_NAME
    try:
        document = read_json(path, names=True)
    except OSError as error:
        raise ProbeFolderError(
            f"{folder} is no probe: {JSON_NAME} cannot be read ({error.strerror}); give a folder "
            "that `hiprobe fit` wrote"
        ) from error
    except ValueError as error:
        raise ProbeFolderError(f"{path} is damaged: {error}; fit the probe again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ProbeFolderError(f"{path} was not written by HiProbe; give a folder of `hiprobe fit`")
    version = document.get("version")
    if version != VERSION:
        remedy = "update HiProbe" if isinstance(version, int) and version > VERSION else "fit again"
        raise ProbeFolderError(
            f"{path} has format version {version}, this HiProbe reads {VERSION}; {remedy}"
        )
    try:
        check_schema(document, ProbeDocument)
        check_values([document["fingerprint"], document["views"]])
    except DocumentError as error:
        raise ProbeFolderError(f"{path} is damaged: {error}; fit the probe again") from error
    return document


def _write_arrays(path: Path, arrays: Arrays, notes: str) -> str:
    from safetensors.numpy import save_file

    whole = {n: np.ascontiguousarray(a) for n, a in arrays.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(whole, str(temporary), metadata={"hiprobe": notes})
        except Exception as error:  # the library raises its own error type for a full disk
            raise storage_error(path, error) from error
        return _sha256(temporary)


def _read_arrays(path: Path, sha256: str, limit_bytes: int) -> tuple[Arrays, str]:
    try:
        if _sha256(path, limit_bytes) != sha256:
            raise ProbeFolderError(
                f"{path} is not the file that {JSON_NAME} names: damaged, or of another probe; "
                "fit the probe again"
            )
        with open_tensors(path, limit_bytes=limit_bytes) as file:
            return {name: file.array(name) for name in file.names}, file.note
    except (OSError, DocumentError) as error:
        raise ProbeFolderError(f"cannot read {path}: {error}; fit the probe again") from error


def _sha256(path: Path, limit_bytes: int | None = None) -> str:
    with open_plain(path, limit_bytes=limit_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
