"""Vision features of all training clips, computed once (the vision net is frozen).

    python training/features.py --photographs FOLDER --out training/runs/features

Writes `features.npy` (float16 `[clips, frames, tokens, 2 * channels]`) and `captions.json`, in
parts, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from hiprobe.backbones.lite.projector import change_features
from hiprobe.backbones.lite.vision import EfficientNetLite0, network_input
from pictures import CaptionedClip, Photographs, degrade, picture_clip, read_photographs

PART = 50
HELD_OUT_EVERY = 10  # every tenth photograph is never trained on


def vision_net(weights: Path) -> EfficientNetLite0:
    net = EfficientNetLite0()
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net.eval().requires_grad_(False)


def scene_clip(seed: int) -> CaptionedClip:
    """Eight key frames of a rendered scene, 3 to 10 frames apart, sometimes more."""
    from hiprobe.scenes import TRAINING_KINDS
    from hiprobe.scenes.render import render_scene

    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(TRAINING_KINDS)))
    stride = int(rng.choice([3, 3, 3, 5, 7, 8, 10, 20]))
    indices = tuple(range(stride // 2, 8 * stride, stride))
    scene = render_scene(
        kind, seed=seed, frame_count=8 * stride, size=(224, 224), fps=25.0, frame_indices=indices
    )
    return CaptionedClip(degrade(list(scene.frames), rng), scene.caption, "", kind)


def make_clip(photographs: Photographs, index: int, share: float) -> CaptionedClip:
    """Clip `index`: from photographs, or rendered for a share of them."""
    if (index * 7919) % 1000 < 1000 * share:
        return scene_clip(index)
    names = tuple(n for i, n in enumerate(photographs.names) if i % HELD_OUT_EVERY)
    return picture_clip(photographs, names=names, seed=index)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--vision", type=Path, required=True, help="EfficientNet-Lite0 .pth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=2400)
    parser.add_argument("--scenes", type=float, default=0.4, help="share of rendered scenes")
    parser.add_argument("--grid", type=int, default=2)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    photographs, net = read_photographs(given.photographs), vision_net(given.vision)
    started = time.monotonic()
    for part in range(0, given.clips, PART):
        place = given.out / f"part-{part:06d}.npy"
        if place.exists():
            continue
        clips = [make_clip(photographs, i, given.scenes) for i in range(part, part + PART)]
        maps = torch.stack([net(network_input(c.frames, pixels=224)) for c in clips])
        features = change_features(maps, grid=given.grid).half().numpy()
        texts = [{"change": c.change, "scene": c.scene, "kind": c.kind} for c in clips]
        place.with_suffix(".json").write_text(json.dumps(texts), encoding="utf-8")
        np.save(place.with_suffix(".tmp.npy"), features)
        place.with_suffix(".tmp.npy").rename(place)
        print(f"{part + PART}/{given.clips} clips, {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
