"""A fit as JSON values and arrays, and back; what `probe.json` and `probe.safetensors` hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.probe.fitted import Fitted
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.results import LayerTable, ThresholdSummary, ViewRow
from hiprobe.provenance import Provenance
from hiprobe.saliency import SaliencyTable
from hiprobe.scorer import FittedScorer
from hiprobe.states import Fingerprint

Arrays = dict[str, NDArray[Any]]


def fitted_document(fitted: Fitted) -> dict[str, Any]:
    """What is no array, as JSON values."""
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
        "provenance": None if fitted.provenance is None else fitted.provenance.to_json(),
    }


def fitted_arrays(fitted: Fitted) -> Arrays:
    """The arrays, by name."""
    table = fitted.layer_table
    measures = ("kl", "ldr", "entropy", "total", "cv_auc", "silhouette")
    return {
        **{f"scorer/{n}": a for n, a in fitted.scorer.arrays().items()},
        **{f"few_shot/{n}": a for n, a in fitted.few_shot_scores.items()},
        **{f"layers/{n}": getattr(table, n) for n in measures},
    }


def fitted_from(document: Mapping[str, Any], arrays: Arrays) -> Fitted:
    """What `fitted_document` and `fitted_arrays` took apart.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: they lack or distort something.
        StatesError: they do not belong together.
    """
    clips = document["clips"]
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
        provenance=_provenance(document.get("provenance")),
    )


def _provenance(document: Mapping[str, Any] | None) -> Provenance | None:
    """How the clips were read; None in folders of earlier versions, and where it is not known."""
    return None if document is None else Provenance.from_json(document)


def probe_facts(fitted: Fitted, parameters: Parameters) -> dict[str, Any]:
    """What a probe is, as JSON values to show and to write beside results."""
    counts = Counter(fitted.labels.tolist())
    return {
        "model": fitted.fingerprint.model,
        "fingerprint": fitted.fingerprint.digest,
        "prompt": fitted.fingerprint.prompt,
        "reading": fitted.reading,
        "layer": fitted.layer,
        "layer_count": fitted.layer_count,
        **_heads(fitted.fingerprint),
        "scorer": parameters.scorer,
        "mode": fitted.mode,
        "threshold": fitted.threshold,
        "threshold_basis": fitted.threshold_summary.basis,
        "sigma_segments": parameters.sigma_segments,
        "normal_clips": counts[0],
        "anomalous_clips": counts[1],
        "sources": len(set(fitted.sources)),
        "cv_auc": fitted.cv_auc,
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
