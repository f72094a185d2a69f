"""Vectors of every rival for one stretch of video."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from folds import Array
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.backbones.lite.parts import FEATURE_CHANNELS, EfficientNetLite0, Projector, Trained
from hiprobe.segment import Segment
from hiprobe.states import Reading
from hiprobe.video.clip import read_clip
from hiprobe.video.segments import read_segments

READINGS: tuple[Reading, ...] = ("last", "visual_mean", "prompt_mean")
NORMAL_NAMES = ("normal", "noFight")


@dataclass(frozen=True)
class Labelled:
    """One clip of a manifest; `spans` are anomalous frames, half-open, where annotated."""

    video: Path
    label: int
    source: str
    spans: tuple[tuple[int, int], ...]


def read_manifest(folder: Path) -> list[Labelled]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        return [
            Labelled(
                folder / r["video"],
                int(r["label"] not in NORMAL_NAMES),
                r["source"],
                tuple(
                    (int(a), int(b))
                    for a, b in (s.split("-") for s in (r.get("spans") or "").split())
                ),
            )
            for r in csv.DictReader(handle)
        ]


def random_projector(trained: Projector, seed: int = 0) -> Trained:
    """The same shape and standardisation with untrained weights, the LLM as it was published."""
    torch.manual_seed(seed)
    projector = Projector(trained.config)
    for mine, theirs in ((projector.seen, trained.seen), (projector.change, trained.change)):
        mine.mean.copy_(theirs.mean)
        mine.scale.copy_(theirs.scale)
    return Trained(projector)


class Remembering(nn.Module):
    """A vision net that is not run again on the pictures it has just seen."""

    def __init__(self, net: EfficientNetLite0) -> None:
        super().__init__()
        self.net = net
        self.last: tuple[Tensor, tuple[Tensor, Tensor]] | None = None

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        if self.last is None or not torch.equal(self.last[0], pictures):
            self.last = (pictures, self.net(pictures))
        return self.last[1]


def open_rivals(model: Path, trained: Trained) -> dict[str, LiteBackbone]:
    """The trained backbone and the one behind a random projector, one vision net for both."""
    backbones = {
        "trained": load_lite(model, trained=trained),
        "random": load_lite(model, trained=random_projector(trained.projector)),
    }
    shared = Remembering(backbones["trained"].vision)
    for backbone in backbones.values():
        backbone.vision = shared  # type: ignore[assignment]
    return backbones


def motion_statistics(segment: Segment) -> Array:
    """Mean, deviation, maximum and 95th percentile of the differences of key frames."""
    grey = [cv2.cvtColor(cv2.resize(f, (160, 120)), cv2.COLOR_RGB2GRAY) for f in segment.frames]
    differences = np.abs(np.diff(np.stack(grey).astype(np.float64), axis=0))
    rows = np.stack([measure(differences, axis=(1, 2)) for measure in (np.mean, np.std, np.max)])
    high = np.percentile(differences, 95, axis=(1, 2))
    return np.concatenate([rows.mean(1), rows.max(1), [high.mean(), high.max()]])


def vectors(backbones: dict[str, LiteBackbone], segment: Segment) -> dict[str, Array]:
    """Every rival's vector; states are `[layers, width]`, the others `[width]`."""
    any_backbone = next(iter(backbones.values()))
    with torch.inference_mode():
        features = any_backbone.visual_features([segment.frames])[0].double().numpy()
    frames = features[..., :FEATURE_CHANNELS].mean((0, 1))
    change = features[1:, :, FEATURE_CHANNELS:].mean((0, 1))
    found = {"motion": motion_statistics(segment), "vision frames": frames}
    found |= {"vision change": change, "vision": np.concatenate([frames, change])}
    for name, backbone in backbones.items():
        layers = range(backbone.layer_count + 1)
        states = backbone.states([segment], layers=layers, readings=READINGS)
        found |= {f"{name} {r}": states[r][0].astype(np.float64) for r in READINGS}
    return found


def clip_vectors(backbones: dict[str, LiteBackbone], video: Path) -> dict[str, Array]:
    """Vectors of a whole clip, from key frames over all of it."""
    return vectors(backbones, read_clip(video))


def segment_vectors(
    backbones: dict[str, LiteBackbone], video: Path
) -> tuple[list[Segment], dict[str, Array]]:
    """Vectors of each segment, stacked along the first axis; the segments' own times."""
    segments = list(read_segments(video))
    rows = [vectors(backbones, segment) for segment in segments]
    return segments, {k: np.stack([row[k] for row in rows]) for k in rows[0]}
