"""The folder of a saved probe."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import __version__
from hiprobe.documents.arrays import STATES_LIMIT_BYTES, open_tensors
from hiprobe.documents.checked import (
    MIB,
    DocumentError,
    check_schema,
    check_values,
    file_sha256,
    read_json,
)
from hiprobe.documents.probe_schemas import ProbeDocument
from hiprobe.errors import ProbeFolderError, StatesError
from hiprobe.failures import storage_error
from hiprobe.fingerprint import Fingerprint
from hiprobe.fitted_scorer import FittedScorer
from hiprobe.joined import layers_of, readings_of
from hiprobe.objects import remove_file
from hiprobe.probe.committee import MemberRow
from hiprobe.probe.fit_results import Fitted, LayerTable, ThresholdSummary, ViewRow
from hiprobe.probe.packed_examples import pack_examples, unpack_examples
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.reading_file import recorded_provenance, remove_record
from hiprobe.provenance import Provenance
from hiprobe.saliency import SaliencyTable
from hiprobe.scorer_names import scorer_name
from hiprobe.states import LabelledStates
from hiprobe.store.atomic import atomic_path

Arrays = dict[str, NDArray[Any]]


def fitted_document(fitted: Fitted) -> dict[str, Any]:
    """The fit without its arrays, as JSON values."""
    table = fitted.layer_table
    return {
        "fingerprint": fitted.fingerprint.to_json(),
        "reading": fitted.reading,
        "layer_count": fitted.layer_count,
        "width": fitted.width,
        "layer": fitted.layer,
        "mode": fitted.mode,
        "mode_auc": {m: _or_none(a) for m, a in fitted.mode_table.items()},
        "cv_auc": fitted.cv_auc,
        "fold_layers": list(fitted.fold_layers),
        "fold_modes": list(fitted.fold_modes),
        "views": [asdict(row) for row in fitted.view_table],
        "scorer": fitted.scorer.to_json(),
        "threshold": fitted.threshold,
        "threshold_summary": asdict(fitted.threshold_summary),
        "layers": list(table.layers),
        "has_saliency": table.saliency is not None,
        "clips": [
            {"name": n, "label": int(y), "source": s}
            for n, y, s in zip(fitted.names, fitted.labels, fitted.sources, strict=True)
        ],
        "warnings": list(fitted.warnings),
        "members": [asdict(row) for row in fitted.member_table],
        "draw_aucs": [_or_none(a) for a in fitted.draw_aucs],
        "provenance": None if fitted.provenance is None else fitted.provenance.to_json(),
    }


def fitted_arrays(fitted: Fitted) -> Arrays:
    """The arrays of the fit, by name."""
    table = fitted.layer_table
    measures = ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette")
    return {
        **{f"scorer/{n}": a for n, a in fitted.scorer.arrays().items()},
        **{f"few_shot/{n}": a for n, a in fitted.few_shot_scores.items()},
        **{f"layers/{n}": getattr(table, n) for n in measures},
    }


def fitted_from(document: Mapping[str, Any], arrays: Arrays) -> Fitted:
    """The fit that `fitted_document` and `fitted_arrays` took apart.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: they lack or distort something.
        StatesError: they do not belong together.
    """
    clips, read = document["clips"], document.get("provenance")
    return Fitted(
        fingerprint=Fingerprint(**document["fingerprint"]),
        reading=document["reading"],
        layer_count=int(document["layer_count"]),
        width=int(document["width"]),
        layer=int(document["layer"]),
        mode=document["mode"],
        scorer=FittedScorer.from_parts(_under("scorer", arrays), document["scorer"]),
        threshold=float(document["threshold"]),
        layer_table=_layer_table(document, _under("layers", arrays)),
        mode_table={m: math.nan if a is None else a for m, a in document["mode_auc"].items()},
        cv_auc=document["cv_auc"],
        few_shot_scores=_under("few_shot", arrays),  # type: ignore[arg-type]
        labels=np.array([c["label"] for c in clips], dtype=np.int64),
        names=tuple(c["name"] for c in clips),
        sources=tuple(c["source"] for c in clips),
        fold_layers=tuple(document["fold_layers"]),
        fold_modes=tuple(document["fold_modes"]),
        threshold_summary=ThresholdSummary(**document["threshold_summary"]),
        warnings=tuple(document["warnings"]),
        view_table=tuple(ViewRow(**row) for row in document["views"]),
        provenance=Provenance.from_json(read) if read is not None else None,
        member_table=tuple(MemberRow(**row) for row in document.get("members", ())),
        draw_aucs=tuple(math.nan if a is None else a for a in document.get("draw_aucs", ())),
        classes=np.array(document.get("classes", [0, 1])),
    )


def probe_facts(fitted: Fitted, parameters: Parameters) -> dict[str, Any]:
    """What a probe is, as JSON values to show and to store with results."""
    counts = Counter(fitted.labels.tolist())
    return {
        "model": fitted.fingerprint.model,
        "fingerprint": fitted.fingerprint.digest,
        "prompt": fitted.fingerprint.prompt,
        **_read_of(fitted, parameters),
        **_heads(fitted.fingerprint),
        "recipe": parameters.recipe,
        "scorer": "committee" if parameters.members else scorer_name(parameters.scorer),
        "mode": fitted.mode,
        "threshold": fitted.threshold,
        "threshold_basis": fitted.threshold_summary.basis,
        "sigma_segments": parameters.sigma_segments,
        "smoothing": parameters.smoothing_for().words,
        "normal_clips": counts[0],
        "anomalous_clips": counts[1],
        "sources": len(set(fitted.sources)),
        "cv_auc": fitted.cv_auc,
    }


def _read_of(fitted: Fitted, parameters: Parameters) -> dict[str, Any]:
    """What is read of the backbone: one layer at one position, or the members of a committee."""
    members = parameters.members
    if not members:
        return {
            "reading": fitted.reading,
            "layer": fitted.layer,
            "layer_count": fitted.layer_count,
        }
    return {
        "reading": ", ".join(readings_of(members)),
        "layers": ", ".join(map(str, layers_of(members))),
        "members": len(members),
    }


def _heads(fingerprint: Fingerprint) -> dict[str, Any]:
    """The attention heads that are read in place of a hidden state, as layer.number."""
    named = fingerprint.settings.get("heads")
    return {} if named is None else {"heads": named}


def _layer_table(document: Mapping[str, Any], found: Arrays) -> LayerTable:
    layers = tuple(int(n) for n in document["layers"])
    measures = {n: found[n] for n in ("kl", "ldr", "entropy", "total")}
    return LayerTable(
        saliency=SaliencyTable(layers=layers, **measures) if document["has_saliency"] else None,
        layers=layers,
        chosen=int(document["layer"]),
        cv_auc=found["cv_auc"],
        silhouette=found["silhouette"],
    )


def _under(prefix: str, arrays: Arrays) -> Arrays:
    start = f"{prefix}/"
    return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


FORMAT = "hiprobe-probe"
VERSION = 1
JSON_NAME = "probe.json"
TENSORS_NAME = "probe.safetensors"
EXAMPLES_NAME = "examples.safetensors"

# Of the arrays of a probe: a few for each layer and dimension of one hidden state.
LIMIT_BYTES = 1024 * MIB

# File of the clips' states, and its SHA-256.
ExamplesFile = tuple[Path, str]


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

    Args:
        parameters: the settings that it was fitted with.
        examples: the clips' states; None to keep none.

    Raises:
        StorageError: a file cannot be written.
    """
    kept = folder / EXAMPLES_NAME
    # The document goes last: it names the digests of the two files before it, so that a folder
    # whose writing broke off is refused, and never read as half of one probe and half of another.
    digest = None if examples is None else _write_arrays(kept, *pack_examples(examples))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "hiprobe": __version__,
        "settings": parameters.saved_settings(),
        **fitted_document(fitted),
        # only where unusual, so that most documents stay as earlier versions wrote them
        **({} if fitted.classes.tolist() == [0, 1] else {"classes": fitted.classes.tolist()}),
        "tensors_sha256": _write_arrays(folder / TENSORS_NAME, fitted_arrays(fitted), ""),
        "examples_sha256": digest,
    }
    with atomic_path(folder / JSON_NAME) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
    remove_record(folder)  # of the probe that was here before
    if digest is None:
        remove_file(kept)
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
        # made to be checked: `Probe.load` makes its own
        Parameters.from_saved(settings)
        digest = document["examples_sha256"]
        kept = None if digest is None else (folder / EXAMPLES_NAME, str(digest))
        # what it takes by `get` came later than the format's first version
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
    # before the schema: a later version would fail that as damaged, when it only needs an update
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

    # safetensors writes an array's memory as it lies, of a transposed view too
    whole = {n: np.asarray(a, order="C") for n, a in arrays.items()}  # keeps single numbers
    with atomic_path(path) as temporary:
        try:
            save_file(whole, str(temporary), metadata={"hiprobe": notes})
        except Exception as error:  # the library raises its own error type for a full disk
            raise storage_error(path, error) from error
        return file_sha256(temporary)


def _read_arrays(path: Path, sha256: str, limit_bytes: int) -> tuple[Arrays, str]:
    try:
        # also catches a sound file of another probe that was copied into the folder
        if file_sha256(path, limit_bytes=limit_bytes) != sha256:
            raise ProbeFolderError(
                f"{path} is not the file that {JSON_NAME} names: damaged, or of another probe; "
                "fit the probe again"
            )
        with open_tensors(path, limit_bytes=limit_bytes) as file:
            return {name: file.array(name) for name in file.names}, file.note
    except (OSError, DocumentError) as error:
        raise ProbeFolderError(f"cannot read {path}: {error}; fit the probe again") from error
