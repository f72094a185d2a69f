"""What the lite backbone shows on labelled real sets, all rivals in the same run.

    python training/measure.py --set DATA/fights --projector training/runs/first --out RESULTS

Folds are grouped by source. Motion statistics, the vision features alone, the same LLM behind a
random projector, and every layer of the trained one at each reading position are compared by
out-of-fold ROC-AUC. DLSP chooses its layer inside each training fold; the layer that is best on
the test folds is called an oracle. Every run is appended to `log.jsonl` in the results folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from hiprobe.saliency import layer_saliency
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from hiprobe.backbones.lite.model import LiteBackbone, load_lite
from hiprobe.backbones.lite.projector import Projector, ProjectorConfig, load_projector
from hiprobe.segment import Segment
from hiprobe.states import READINGS
from hiprobe.video.segments import read_clip

NORMAL_NAMES = ("normal", "noFight")
C = 0.01
Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledRow:
    """One clip of a manifest."""

    video: Path
    label: int
    source: str


def read_manifest(folder: Path) -> list[LabelledRow]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        return [
            LabelledRow(folder / r["video"], int(r["label"] not in NORMAL_NAMES), r["source"])
            for r in csv.DictReader(handle)
        ]


def motion_statistics(segment: Segment) -> Array:
    """Mean, deviation, maximum and 95th percentile of the differences of key frames."""
    grey = [cv2.cvtColor(cv2.resize(f, (160, 120)), cv2.COLOR_RGB2GRAY) for f in segment.frames]
    differences = np.abs(np.diff(np.stack(grey).astype(np.float64), axis=0))
    rows = np.stack([d(differences, axis=(1, 2)) for d in (np.mean, np.std, np.max)])
    high = np.percentile(differences, 95, axis=(1, 2))
    return np.concatenate([rows.mean(1), rows.max(1), [high.mean(), high.max()]])


def clip_vectors(backbones: dict[str, LiteBackbone], segment: Segment) -> dict[str, Array]:
    """Every rival's vector of one stretch; states are `[layers, width]`."""
    first = next(iter(backbones.values()))
    with torch.inference_mode():
        features = first.visual_features([segment.frames])[0].double().numpy()
    channels = features.shape[-1] // 2
    found = {
        "motion": motion_statistics(segment),
        "vision_frames": features[..., :channels].mean((0, 1)),
        "vision_change": features[1:, :, channels:].mean((0, 1)),
    }
    found["vision"] = np.concatenate([found["vision_frames"], found["vision_change"]])
    for name, backbone in backbones.items():
        layers = range(backbone.layer_count + 1)
        states = backbone.states([segment], layers=layers, readings=READINGS)
        found |= {f"{name}/{r}": states[r][0].astype(np.float64) for r in READINGS}
    return found


def out_of_fold(x: Array, y: Array, folds: list[tuple[Array, Array]]) -> Array:
    """Log-odds of each row from a probe that has not seen its source."""
    scores = np.zeros(len(y))
    for train, test in folds:
        scaler = StandardScaler().fit(x[train])
        probe = LogisticRegression(C=C, max_iter=1000, class_weight="balanced")
        probe.fit(scaler.transform(x[train]), y[train])
        scores[test] = probe.decision_function(scaler.transform(x[test]))
    return scores


def dlsp_layers(states: Array, y: Array, folds: list[tuple[Array, Array]]) -> list[int]:
    """The layer that DLSP picks in each training fold."""
    found = []
    for train, _ in folds:
        normal, anomalous = (states[train[y[train] == label]][:, 1:] for label in (0, 1))
        found.append(1 + int(np.argmax(layer_saliency(normal, anomalous).total)))
    return found


def paired_bootstrap(
    a: Array, b: Array, y: Array, sources: Array, draws: int = 2000
) -> list[float]:
    """95 % interval of AUC(a) - AUC(b), drawn over sources."""
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(sources == s) for s in np.unique(sources)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        if 0 < y[rows].mean() < 1:
            found.append(roc_auc_score(y[rows], a[rows]) - roc_auc_score(y[rows], b[rows]))
    return [round(float(q), 4) for q in np.quantile(found, [0.025, 0.975])]


def compare(
    vectors: dict[str, Array], y: Array, sources: Array, layer_count: int
) -> dict[str, object]:
    """The whole table as a JSON document."""
    split = StratifiedGroupKFold(8, shuffle=True, random_state=0)
    folds = list(split.split(y, y, sources))
    scores = {n: out_of_fold(vectors[n], y, folds) for n in vectors if vectors[n].ndim == 2}
    table: dict[str, object] = {n: round(roc_auc_score(y, s), 4) for n, s in scores.items()}
    for name in (n for n in vectors if vectors[n].ndim == 3):
        states = vectors[name]
        by_layer = [out_of_fold(states[:, n], y, folds) for n in range(layer_count + 1)]
        aucs = [round(roc_auc_score(y, s), 4) for s in by_layer]
        chosen = dlsp_layers(states, y, folds)
        picked = np.zeros(len(y))
        for layer, (_, test) in zip(chosen, folds, strict=True):
            picked[test] = by_layer[layer][test]
        scores[f"{name}/dlsp"], scores[f"{name}/final"] = picked, by_layer[-1]
        scores[f"{name}/middle"] = by_layer[layer_count // 2]
        table[name] = {
            "dlsp": round(roc_auc_score(y, picked), 4),
            "dlsp_layers": chosen,
            "oracle": max(aucs[1:]),
            "oracle_layer": int(np.argmax(aucs[1:])) + 1,
            "last": aucs[-1],
            "middle": aucs[layer_count // 2],
            "by_layer": aucs,
        }
    table["paired"] = {
        f"{ours} - {rival}": paired_bootstrap(scores[ours], scores[rival], y, sources)
        for ours in scores
        if ours.startswith("trained") and ours.endswith("dlsp")
        for rival in scores
        if rival in ("motion", "vision", "vision_change", ours.replace("dlsp", "final"))
        or rival == ours.replace("trained", "random")
    }
    return table


def random_projector(trained: Projector, seed: int = 0) -> Projector:
    """The same shape and standardisation with untrained weights."""
    torch.manual_seed(seed)
    projector = Projector(ProjectorConfig(**trained.config.to_json()))
    projector.mean.copy_(trained.mean)
    projector.scale.copy_(trained.scale)
    return projector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--projector", type=Path, help="run folder; without: the shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="run", help="what to call this run in the log")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    trained = (
        load_projector(
            weights=given.projector / "projector.safetensors",
            config=given.projector / "projector.json",
        )
        if given.projector
        else load_projector()
    )
    backbones = {
        "trained": load_lite(given.model, projector=trained),
        "random": load_lite(given.model, projector=random_projector(trained)),
    }
    rows, started = read_manifest(given.set), time.monotonic()
    found = []
    for number, row in enumerate(rows, 1):
        found.append(clip_vectors(backbones, read_clip(row.video)))
        if number % 20 == 0:
            print(f"{number}/{len(rows)} clips, {time.monotonic() - started:.0f} s", flush=True)
    vectors = {k: np.stack([f[k] for f in found]) for k in found[0]}
    y = np.array([r.label for r in rows])
    sources = np.array([r.source for r in rows])
    table = compare(vectors, y, sources, backbones["trained"].layer_count)
    table |= {"set": given.set.name, "name": given.name, "clips": len(rows), "C": C}
    with (given.out / "log.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(table) + "\n")
    short = {k: v for k, v in table.items() if not isinstance(v, dict)}
    short |= {
        k: {m: v[m] for m in ("dlsp", "oracle", "oracle_layer", "last", "middle")}
        for k, v in table.items()
        if isinstance(v, dict) and "dlsp" in v
    }
    print(json.dumps(short, indent=1))
    print(json.dumps(table["paired"], indent=1))


if __name__ == "__main__":
    sys.exit(main())
