"""Small data sets in the layouts of the published ones: real names, made-up pictures.

Abnormal frames show a field of hard noise, normal ones a slowly moving grey edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.video.write import write_video

UCF_TEST = (
    "RoadAccidents021_x264.mp4",
    "RoadAccidents017_x264.mp4",
    "Normal_Videos_345_x264.mp4",
    "Normal_Videos_881_x264.mp4",
)
UCF_TRAIN = (
    "Abuse001_x264.mp4",
    "Arson001_x264.mp4",
    "Fighting002_x264.mp4",
    "Robbery001_x264.mp4",
    "Normal_Videos001_x264.mp4",
    "Normal_Videos002_x264.mp4",
    "Normal_Videos004_x264.mp4",
    "Normal_Videos005_x264.mp4",
)
XD_TEST = (
    "v=bhZs3ALdL7Y__#1_label_G-0-0",
    "Kingsman.The.Golden.Circle.2017__#00-41-22_00-41-32_label_B2-0-0",
    "v=hgoGZZSMhMQ__#1_label_A",
    "v=mfFYGFJhBI4__#1_label_A",
)
XD_TRAIN = (
    "Made.Up.2001__#00-01-00_00-01-10_label_B1-0-0",
    "Made.Up.2002__#00-01-00_00-01-10_label_G-0-0",
    "Made.Up.2003__#00-01-00_00-01-10_label_B2-0-0",
    "Made.Up.2001__#00-02-00_00-02-10_label_A",
    "Made.Up.2004__#00-01-00_00-01-10_label_A",
    "Made.Up.2005__#00-01-00_00-01-10_label_A",
)


def span_frames(
    count: int, spans: Sequence[tuple[int, int]], *, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """`count` frames of 48 x 64, hard noise within the half-open spans."""
    rng = np.random.default_rng(seed)
    ground = 120
    for i in range(count):
        picture = np.full((48, 64, 3), ground, np.uint8)
        picture[:, : 8 + (i + 7 * seed) % 48] = ground + 30
        if any(a <= i < b for a, b in spans):
            picture = rng.integers(0, 2, (12, 16, 3), dtype=np.uint8) * 255
            picture = picture.repeat(4, axis=0).repeat(4, axis=1)
        yield picture


def write_ucf_crime(root: Path) -> Path:
    """Class folders, as the archives of UCF-Crime unpack."""
    truth = {v.name: v for v in load_truth("ucf-crime").videos}
    for seed, name in enumerate((*UCF_TEST, *UCF_TRAIN)):
        kind = "" if name.startswith("Normal") else re.split(r"\d", name)[0]
        folder = {
            True: f"Anomaly-Videos-Part-1/{kind}",
            False: "Testing_Normal_Videos_Anomaly" if name in UCF_TEST
            else "Training-Normal-Videos-Part-1",
        }[bool(kind)]  # fmt: skip
        _write(root / folder / name, truth.get(name), abnormal=bool(kind), fps=30, seed=seed)
    return root


def write_xd_violence(root: Path) -> Path:
    """A folder of training parts and one of test videos, as the archives of XD-Violence unpack."""
    truth = {v.name: v for v in load_truth("xd-violence").videos}
    for seed, name in enumerate((*XD_TEST, *XD_TRAIN)):
        folder = "videos" if name in XD_TEST else "1-1004"
        abnormal = not name.endswith("_A")
        place = root / folder / f"{name}.mp4"
        _write(place, truth.get(name), abnormal=abnormal, fps=24, seed=seed)
    return root


def _write(path: Path, truth, *, abnormal: bool, fps: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = truth.frames if truth is not None else 72
    spans = truth.spans if truth is not None else (((12, 66),) if abnormal else ())
    write_video(path, span_frames(frames, spans, seed=seed), fps=fps, crf=28)
