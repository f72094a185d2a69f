"""What the lite backbone shows on labelled real sets, all rivals in the same run.

    python training/measure.py --set DATA/fights --model MODEL_FOLDER --out RESULTS

Folds are grouped by source. Motion statistics, the vision features alone, the same LLM behind a
random projector, and every layer of the trained one at each reading position are compared by
out-of-fold ROC-AUC: of clip vectors, and of the highest segment score that a held-out clip gets
("in use"). Where the manifest has spans, segments are rows and the AUC is per frame. DLSP chooses
its layer inside each training fold; the layer that is best on the test folds is called an
oracle. Every run is appended to `log.jsonl` in the results folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from folds import (
    FOLDS,
    Array,
    C,
    Fold,
    auc,
    dlsp_layers,
    folds_by_source,
    highest_out_of_fold,
    out_of_fold,
    paired_interval,
    picked,
)
from hiprobe.backbones.lite.lite_model import LiteBackbone
from hiprobe.segment import Segment
from rivals import (
    Labelled,
    clip_vectors,
    open_rivals,
    read_manifest,
    segment_vectors,
)
from words import trained_of

Vectors = dict[str, Array]
RIVALS = ("motion", "vision", "vision change")


def compare(rows: Vectors, y: Array, sources: Array, frames: Array) -> dict[str, object]:
    """Every rival's AUC; `frames` repeats each row for its frames (ones for clips)."""
    folds = folds_by_source(y, sources)
    scores = {n: out_of_fold(x, y, folds) for n, x in rows.items() if x.ndim == 2}
    table: dict[str, object] = {n: frame_auc(y, s, frames) for n, s in scores.items()}
    for name, states in ((n, x) for n, x in rows.items() if x.ndim == 3):
        entry, chosen = layers_compared(states, y, folds, frames)
        table[name] = entry
        scores |= {f"{name} {k}": v for k, v in chosen.items()}
    table["paired"] = paired(scores, y, sources)
    return table


def frame_auc(y: Array, scores: Array, frames: Array) -> float:
    return auc(np.repeat(y, frames), np.repeat(scores, frames))


def layers_compared(
    states: Array, y: Array, folds: list[Fold], frames: Array
) -> tuple[dict[str, object], Vectors]:
    """DLSP's layer against the oracle, the last and the middle one."""
    by_layer = [out_of_fold(states[:, n], y, folds) for n in range(states.shape[1])]
    aucs = [frame_auc(y, s, frames) for s in by_layer]
    chosen = dlsp_layers(states, y, folds)
    dlsp = picked(by_layer, chosen, folds)
    middle = (len(aucs) - 1) // 2
    entry: dict[str, object] = {
        "dlsp": frame_auc(y, dlsp, frames),
        "dlsp layers": chosen,
        "oracle": max(aucs[1:]),
        "oracle layer": int(np.argmax(aucs[1:])) + 1,
        "last": aucs[-1],
        "middle": aucs[middle],
        "by layer": aucs,
    }
    return entry, {"dlsp": dlsp, "last layer": by_layer[-1], "middle": by_layer[middle]}


def paired(scores: Vectors, y: Array, sources: Array) -> dict[str, list[float]]:
    """Intervals of the trained backbone at DLSP's layer minus each rival, rows as units."""
    found = {}
    for ours in (n for n in scores if n.startswith("trained") and n.endswith("dlsp")):
        others = (*RIVALS, ours.replace("dlsp", "last layer"), ours.replace("trained", "random"))
        for rival in others:
            found[f"{ours} - {rival}"] = paired_interval(scores[ours], scores[rival], y, sources)
    return found


def in_use(
    clips: Vectors, segments: list[Vectors], y: Array, sources: Array
) -> dict[str, dict[str, float]]:
    """AUC of the highest segment score of a held-out clip, by how clips stand in fitting."""
    folds = folds_by_source(y, sources)
    table = {}
    for name, x in clips.items():
        if x.ndim == 2:
            parts = [s[name] for s in segments]
            table[name] = fitting_modes([row[None] for row in x], parts, y, folds)
            continue
        chosen = dlsp_layers(x, y, folds)
        layer = int(np.median(chosen)) if len(set(chosen)) > 1 else chosen[0]
        parts = [s[name][:, layer] for s in segments]
        table[name] = fitting_modes([row[None] for row in x[:, layer]], parts, y, folds)
        table[name]["layer"] = layer
    return table


def fitting_modes(
    clips: list[Array], parts: list[Array], y: Array, folds: list[Fold]
) -> dict[str, float]:
    means = [p.mean(0, keepdims=True) for p in parts]
    modes = {"clip": clips, "segment_mean": means, "segment": parts}
    return {m: auc(y, highest_out_of_fold(parts, rows, y, folds)) for m, rows in modes.items()}


def measure_clips(
    manifest: list[Labelled], backbones: dict[str, LiteBackbone], *, with_segments: bool
) -> dict[str, object]:
    clips, segments, started = [], [], time.monotonic()
    for number, row in enumerate(manifest, 1):
        clips.append(clip_vectors(backbones, row.video))
        if with_segments:
            segments.append(segment_vectors(backbones, row.video)[1])
        if number % 10 == 0:
            print(f"{number}/{len(manifest)}, {time.monotonic() - started:.0f} s", flush=True)
    rows = {k: np.stack([c[k] for c in clips]) for k in clips[0]}
    y = np.array([r.label for r in manifest])
    sources = np.array([r.source for r in manifest])
    table = compare(rows, y, sources, np.ones(len(y), dtype=int))
    return table | ({"in use": in_use(rows, segments, y, sources)} if with_segments else {})


def measure_frames(
    manifest: list[Labelled], backbones: dict[str, LiteBackbone]
) -> dict[str, object]:
    """Segments are rows; one is anomalous where most of its frames are."""
    found: list[Vectors] = []
    labels, sources, frames = [], [], []
    for row in manifest:
        segments, rows = segment_vectors(backbones, row.video)
        found.append(rows)
        labels += [int(share(s, row) > 0.5) for s in segments]
        sources += [row.source] * len(segments)
        frames += [s.frame_count for s in segments]
        print(f"{row.video.name}: {len(segments)} segments", flush=True)
    stacked = {k: np.concatenate([f[k] for f in found]) for k in found[0]}
    return compare(stacked, np.array(labels), np.array(sources), np.array(frames))


def share(segment: Segment, row: Labelled) -> float:
    """Part of a segment's frames that lies in an annotated span."""
    first, end = segment.first_frame, segment.first_frame + segment.frame_count
    inside = sum(max(0, min(end, b) - max(first, a)) for a, b in row.spans)
    return inside / segment.frame_count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--projector", type=Path, help="run folder; without: the shipped one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="shipped", help="what to call this run in the log")
    parser.add_argument("--clips-only", action="store_true", help="leave out the scores in use")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    backbones = open_rivals(given.model, trained_of(given.projector))
    manifest = read_manifest(given.set)
    by_frame = any(row.spans for row in manifest)
    if by_frame:
        table = measure_frames(manifest, backbones)
    else:
        table = measure_clips(manifest, backbones, with_segments=not given.clips_only)
    table["unit"] = "frame" if by_frame else "clip"
    table |= {"set": given.set.name, "run": given.name, "C": C, "folds": FOLDS}
    with (given.out / "log.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(table) + "\n")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    sys.exit(main())
