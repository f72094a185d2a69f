"""Compare designs where comparing is allowed: on held-out rendered scenes and on the car crashes.

    python training/designs.py --runs training/runs/a training/runs/b --model MODEL_FOLDER \
        --crashes DATA/car_crash --scenes training/runs/scenes_held --out training/results

Appends one line a run to `designs.jsonl`: out-of-fold ROC-AUC by layer and at DLSP's layer,
at the last position and as the mean over visual tokens, with what the run's own record says of the
design. The fights and Ped2 are not looked at here; they are for frozen designs (`measure.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from captioned import read_captioned
from folds import Array, auc, dlsp_layers, folds_by_source, out_of_fold, picked
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.video.clip import read_clip
from rendered.kinds import label_of
from rivals import read_manifest
from words import asked, trained_of

BATCH = 8
READ = ("last", "visual_mean")


@dataclass(frozen=True)
class DesignSet:
    """Vision features of labelled clips `[clips, frames, tokens, channels]`."""

    name: str
    features: Tensor
    labels: Array
    sources: np.ndarray


def crashes(folder: Path, backbone: LiteBackbone) -> DesignSet:
    rows = read_manifest(folder)
    with torch.inference_mode():
        found = [backbone.visual_features([read_clip(r.video).frames])[0].half() for r in rows]
    labels = np.array([r.label for r in rows], dtype=float)
    return DesignSet(folder.name, torch.stack(found), labels, np.array([r.source for r in rows]))


def scenes(folder: Path) -> DesignSet:
    held = read_captioned([folder])
    labels = np.array([label_of(t["kind"]) for t in held.texts], dtype=float)
    sources = np.arange(len(labels)).astype(str)
    return DesignSet("rendered scenes", torch.from_numpy(held.features), labels, sources)


@torch.inference_mode()
def states(backbone: LiteBackbone, features: Tensor) -> dict[str, Array]:
    """States by reading position, `[clips, layers, width]`, layer 0 first."""
    found: dict[str, list[Array]] = {r: [] for r in READ}
    for batch in features.split(BATCH):
        hidden, visual = asked(backbone, batch.float())
        found["last"].append(np.stack([h[:, -1].numpy() for h in hidden], axis=1))
        means = [h[:, visual].mean(1).numpy() for h in hidden]
        found["visual_mean"].append(np.stack(means, axis=1))
    return {k: np.concatenate(v).astype(np.float64) for k, v in found.items()}


def judged(states: Array, data: DesignSet) -> dict[str, object]:
    """AUC by layer and at the layer DLSP picks; the last one has the final norm applied."""
    folds = folds_by_source(data.labels, data.sources)
    by_layer = [out_of_fold(states[:, n], data.labels, folds) for n in range(states.shape[1])]
    chosen = dlsp_layers(states, data.labels, folds)
    dlsp = picked(by_layer, chosen, folds)
    aucs = [auc(data.labels, s) for s in by_layer]
    return {"dlsp": auc(data.labels, dlsp), "dlsp layers": chosen, "by layer": aucs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--crashes", type=Path, required=True)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    sets: list[DesignSet] = []
    for run in given.runs:
        backbone = load_lite(given.model, trained=trained_of(run))
        sets = sets or [crashes(given.crashes, backbone), scenes(given.scenes)]
        facts = json.loads((run / "projector.json").read_text(encoding="utf-8"))
        line: dict[str, object] = {"run": run.name, **facts}
        for data in sets:
            read = states(backbone, data.features)
            line[data.name] = {r: judged(x, data) for r, x in read.items()}
        with (given.out / "designs.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
