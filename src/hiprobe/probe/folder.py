"""A probe as a folder: numbers in `probe.json`, arrays in `probe.safetensors`.

The JSON is written last and holds the hash of each array file, so a folder whose writing was cut
short, or which was changed since, is refused. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hiprobe import __version__
from hiprobe.errors import ProbeFolderError, StatesError, StorageError
from hiprobe.probe.examples_file import pack_examples, unpack_examples
from hiprobe.probe.probe import Probe
from hiprobe.probe.results import LayerTable, ThresholdSummary
from hiprobe.saliency import SaliencyTable
from hiprobe.scorer import FittedScorer
from hiprobe.states import Fingerprint, LabelledStates
from hiprobe.store.atomic import atomic_path

FORMAT = "hiprobe-probe"
VERSION = 1
JSON_NAME = "probe.json"
TENSORS_NAME = "probe.safetensors"
EXAMPLES_NAME = "examples.safetensors"

_Arrays = dict[str, NDArray[Any]]
_P = TypeVar("_P", bound=Probe)


def write_probe(probe: Probe, folder: Path, *, keep_examples: bool) -> None:
    """Write a fitted probe; `Probe.save` says how.

    Raises:
        StorageError: a file cannot be written.
    """
    examples = None
    if keep_examples and (probe._examples or probe._examples_file):
        arrays, notes = pack_examples(probe.examples())
        examples = _write_arrays(folder / EXAMPLES_NAME, arrays, notes)
        probe._examples_file = (folder / EXAMPLES_NAME, examples)
    document = _document(probe)
    document["tensors_sha256"] = _write_arrays(folder / TENSORS_NAME, _arrays(probe), "")
    document["examples_sha256"] = examples
    with atomic_path(folder / JSON_NAME) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
    if examples is None:
        (folder / EXAMPLES_NAME).unlink(missing_ok=True)


def read_probe(kind: type[_P], folder: Path) -> _P:
    """Read what `write_probe` wrote.

    Raises:
        ProbeFolderError: missing, damaged, foreign or of another version.
    """
    document = _read_document(folder)
    arrays, _ = _read_arrays(folder / TENSORS_NAME, str(document.get("tensors_sha256")))
    try:
        return _assemble(kind, document, arrays, folder)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ProbeFolderError(
            f"{folder} is damaged: {JSON_NAME} lacks or distorts {error}; fit the probe again"
        ) from error


def read_examples(file: tuple[Path, str] | None) -> tuple[LabelledStates, ...]:
    """Read the clips' states that `write_probe` kept.

    Raises:
        ProbeFolderError: they were not kept, or are damaged.
    """
    if file is None:
        raise ProbeFolderError(
            "this probe was saved without the states of its clips, so none can be added; fit it "
            "again on all clips"
        )
    arrays, notes = _read_arrays(*file)
    try:
        return unpack_examples(arrays, notes)
    except (KeyError, TypeError, ValueError, StatesError) as error:
        raise ProbeFolderError(f"{file[0]} is damaged: {error}; fit the probe again") from error


def _document(probe: Probe) -> dict[str, Any]:
    table = probe.layer_table_
    return {
        "format": FORMAT,
        "version": VERSION,
        "hiprobe": __version__,
        "settings": probe.get_params(),
        "fingerprint": probe.fingerprint_.to_json(),
        "reading": probe.reading_,
        "layer_count": probe.layer_count_,
        "width": probe.width_,
        "layer": probe.layer_,
        "mode": probe.mode_,
        "mode_auc": {m: _or_none(a) for m, a in probe.mode_table_.items()},
        "cv_auc": probe.cv_auc_,
        "fold_layers": list(probe.fold_layers_),
        "fold_modes": list(probe.fold_modes_),
        "scorer": probe.scorer_.to_json(),
        "threshold": probe.threshold_,
        "threshold_summary": asdict(probe.threshold_summary_),
        "layers": list(table.layers),
        "has_saliency": table.saliency is not None,
        "clips": [
            {"name": n, "label": int(y), "source": s}
            for n, y, s in zip(probe.names_, probe.labels_, probe.sources_, strict=True)
        ],
        "warnings": list(probe.warnings_),
    }


def _arrays(probe: Probe) -> _Arrays:
    table = probe.layer_table_
    measures = ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette")
    return {
        **{f"scorer/{n}": a for n, a in probe.scorer_.arrays().items()},
        **{f"few_shot/{n}": a for n, a in probe.few_shot_scores_.items()},
        **{f"layers/{n}": getattr(table, n) for n in measures},
    }


def _assemble(kind: type[_P], document: Mapping[str, Any], arrays: _Arrays, folder: Path) -> _P:
    probe = kind(**document["settings"])
    probe.fingerprint_ = Fingerprint(**document["fingerprint"])
    probe.reading_, probe.mode_ = document["reading"], document["mode"]
    probe.layer_count_, probe.width_ = int(document["layer_count"]), int(document["width"])
    probe.layer_, probe.threshold_ = int(document["layer"]), float(document["threshold"])
    probe.scorer_ = FittedScorer.from_parts(_under("scorer", arrays), document["scorer"])
    if len(probe.scorer_.weights) != probe.width_ or not 0 <= probe.layer_ <= probe.layer_count_:
        raise ValueError("width or layer, which do not fit the scorer and the backbone")
    probe.mode_table_ = {m: math.nan if a is None else a for m, a in document["mode_auc"].items()}
    probe.cv_auc_ = document["cv_auc"]
    probe.fold_layers_ = tuple(document["fold_layers"])
    probe.fold_modes_ = tuple(document["fold_modes"])
    probe.few_shot_scores_ = _under("few_shot", arrays)  # type: ignore[assignment]
    probe.layer_table_ = _layer_table(document, _under("layers", arrays))
    probe.threshold_summary_ = ThresholdSummary(**document["threshold_summary"])
    clips = document["clips"]
    probe.labels_ = np.array([c["label"] for c in clips], dtype=np.int64)
    probe.names_ = tuple(c["name"] for c in clips)
    probe.sources_ = tuple(c["source"] for c in clips)
    probe.warnings_ = tuple(document["warnings"])
    if document["examples_sha256"] is not None:
        probe._examples_file = (folder / EXAMPLES_NAME, str(document["examples_sha256"]))
    return probe


def _layer_table(document: Mapping[str, Any], found: _Arrays) -> LayerTable:
    layers = tuple(int(n) for n in document["layers"])
    measures = {n: found[n] for n in ("kl", "ldr", "entropy", "total")}
    return LayerTable(
        saliency=SaliencyTable(layers=layers, **measures) if document["has_saliency"] else None,
        layers=layers,
        chosen=int(document["layer"]),
        cv_auc=found["cv_auc"],
        silhouette=found["silhouette"],
    )


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / JSON_NAME
    try:
        document = json.loads(path.read_text("utf-8"))
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
    return document


def _write_arrays(path: Path, arrays: _Arrays, notes: str) -> str:
    from safetensors.numpy import save_file

    whole = {n: np.ascontiguousarray(a) for n, a in arrays.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(whole, str(temporary), metadata={"hiprobe": notes})
        except Exception as error:  # the library raises its own error type for a full disk
            raise StorageError(f"cannot write {path}: {error}; free some disk space") from error
        return _sha256(temporary)


def _read_arrays(path: Path, sha256: str) -> tuple[_Arrays, str]:
    from safetensors import SafetensorError, safe_open

    try:
        if _sha256(path) != sha256:
            raise ProbeFolderError(
                f"{path} is not the file that {JSON_NAME} names: damaged, or of another probe; "
                "fit the probe again"
            )
        with safe_open(str(path), framework="numpy") as file:
            notes = (file.metadata() or {}).get("hiprobe", "")
            return {n: file.get_tensor(n) for n in file.keys()}, notes  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ProbeFolderError(f"cannot read {path}: {error}; fit the probe again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _under(prefix: str, arrays: _Arrays) -> _Arrays:
    start = f"{prefix}/"
    return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
