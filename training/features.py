"""Vision features of all training clips, computed once (the vision net is frozen).

    python training/features.py scenes --model MODEL_FOLDER --out training/runs/scenes
    python training/features.py clips --photographs FOLDER --model ... --out training/runs/clips
    python training/features.py stills --photographs FOLDER --model ... --out training/runs/stills

Writes float16 `[clips, frames, tokens, channels]` and the captions in parts, so that an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from hiprobe.backbones.lite.lite_model import load_lite
from hiprobe.backbones.lite.parts import (
    EfficientNetLite0,
    Projector,
    ProjectorConfig,
    Trained,
    change_features,
    network_input,
)
from pictures import CaptionedClip, Photographs, degrade, picture_clip, read_photographs

PART = 50
HELD_OUT_EVERY = 10  # every tenth photograph is never trained on


def vision_net(model: Path) -> EfficientNetLite0:
    """The vision net of an assembled model folder; what else is there is not used."""
    return load_lite(model, trained=Trained(Projector(ProjectorConfig()))).vision


def scene_clip(seed: int) -> CaptionedClip:
    """Eight key frames of a rendered scene, 3 to 10 frames apart, sometimes more."""
    from rendered.kinds import TRAINING_KINDS, render_captioned

    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(TRAINING_KINDS)))
    stride = int(rng.choice([3, 3, 3, 5, 7, 8, 10, 20]))
    indices = tuple(range(stride // 2, 8 * stride, stride))
    scene = render_captioned(
        kind, seed=seed, frame_count=8 * stride, size=(224, 224), fps=25.0, frame_indices=indices
    )
    return CaptionedClip(degrade(list(scene.frames), rng), scene.caption, "", kind)


def still_clip(photographs: Photographs, name: str) -> CaptionedClip:
    """One photograph as it is, with all its captions, one a line."""
    return CaptionedClip(
        (photographs.picture(name),), "", "\n".join(photographs.captions[name]), "photograph"
    )


def clip_maker(what: str, photographs: Photographs | None) -> Callable[[int], CaptionedClip]:
    """Makes clip number i of the asked kind, the same for the same number."""
    if what == "scenes":
        return scene_clip
    if photographs is None:
        raise SystemExit(f"{what} are made from photographs; give --photographs FOLDER")
    names = tuple(n for i, n in enumerate(photographs.names) if i % HELD_OUT_EVERY)
    if what == "stills":
        return lambda index: still_clip(photographs, names[index % len(names)])
    return lambda index: picture_clip(photographs, names=names, seed=index)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("scenes", "clips", "stills"))
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=2400)
    parser.add_argument("--first", type=int, default=0, help="number (seed) of the first clip")
    parser.add_argument("--grid", type=int, default=2)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    photographs = read_photographs(given.photographs) if given.photographs else None
    net, make = vision_net(given.model), clip_maker(given.what, photographs)
    started = time.monotonic()
    for part in range(given.first, given.first + given.clips, PART):
        place = given.out / f"part-{part:06d}.npy"
        if place.exists():
            continue
        clips = [make(i) for i in range(part, part + PART)]
        features = np.stack([clip_features(net, c, given.grid) for c in clips])
        texts = [{"change": c.change, "scene": c.scene, "kind": c.kind} for c in clips]
        place.with_suffix(".json").write_text(json.dumps(texts), encoding="utf-8")
        np.save(place.with_suffix(".tmp.npy"), features)
        place.with_suffix(".tmp.npy").rename(place)
        done = part + PART - given.first
        print(f"{done}/{given.clips} clips, {time.monotonic() - started:.0f} s", flush=True)


def clip_features(net: EfficientNetLite0, clip: CaptionedClip, grid: int) -> np.ndarray:
    """Float16 `[frames, tokens, channels]`."""
    maps, fine = net(network_input(clip.frames, pixels=224))
    return change_features(maps[None], fine[None], grid=grid)[0].half().numpy()


if __name__ == "__main__":
    sys.exit(main())
