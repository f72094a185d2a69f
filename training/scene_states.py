"""States of held-out rendered scenes in all readings, as a data set for `hiprobe reproduce`.

    python training/scene_states.py --out runs/scene_states
    hiprobe reproduce committee --data runs/scene_states/manifest.csv --backbone lite

Each scene is one clip of eight key frames, a recording of its own; its seed is none of those that
the lite backbone was trained on. A run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from features import scene_clip
from hiprobe.backbones.interface import Backbone
from hiprobe.segment import Segment
from hiprobe.spec import BackboneSpec
from hiprobe.states import READINGS, States, VideoStates, depth_at, layers_at
from hiprobe.store.states_file import write_states
from rendered.kinds import KINDS

FIRST_SEED = 900_000
SCENES = 250


def write_scene(seed: int, folder: Path, backbone: Backbone) -> None:
    """States of one scene, named NUMBER-KIND-LABEL.safetensors."""
    if any(folder.glob(f"{seed}-*")):
        return
    scene = scene_clip(seed)
    count = len(scene.frames)
    shown = Segment(
        index=0, start_seconds=0.0, end_seconds=1.0, start_pts=0, end_pts=24,
        time_base_seconds=1 / 24, first_frame=0, frame_count=24, frames=tuple(scene.frames),
        frame_seconds=tuple(n / count for n in range(count)),
    )  # fmt: skip
    numbers = range(1, backbone.layer_count + 1)
    values = backbone.states([shown], layers=numbers, readings=READINGS)
    found = {
        r: States(
            values=values[r], layers=layers_at(r, numbers), reading=r,
            start_seconds=np.zeros(1), end_seconds=np.ones(1), failed=np.zeros(1, bool),
            fingerprint=backbone.fingerprint, layer_count=depth_at(r, backbone.layer_count),
        )
        for r in READINGS
    }  # fmt: skip
    name = f"{seed}-{scene.kind}-{KINDS[scene.kind].label}.safetensors"
    write_states(folder / name, VideoStates(found, clip=found))


def write_list(folder: Path) -> None:
    """The manifest of all scenes that are there."""
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("video", "label", "source"))
        for path in sorted(folder.glob("*-*-*.safetensors")):
            seed, _, label = path.stem.split("-")
            rows.writerow((path.name, ("normal", "abnormal")[int(label)], seed))


def main() -> None:
    """Render, read, list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the states")
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    backbone = BackboneSpec("lite").open()
    for seed in range(FIRST_SEED, FIRST_SEED + given.scenes):
        write_scene(seed, given.out, backbone)
    write_list(given.out)


if __name__ == "__main__":
    main()
