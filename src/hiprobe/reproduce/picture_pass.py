"""States of pictures for the same stretches of frames that descriptions were sampled from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.manifest import ManifestRow, read_manifest
from hiprobe.errors import EvaluationError, LabelError
from hiprobe.pipeline import extract_video
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.descriptions import DescribedSet
from hiprobe.reproduce.request import DataSource
from hiprobe.segment import KEY_FRAMES
from hiprobe.states import Reading

VIEWS = {"pictures, 8 key frames": KEY_FRAMES, "picture, the one described": 1}
"""What the backbone is shown of each stretch, and how many key frames of it."""

READINGS: tuple[Reading, ...] = ("last", "visual_mean")


@dataclass(frozen=True)
class PictureStates:
    """States of one view, float32 `[samples, layers, width]` by reading."""

    view: str
    values: dict[Reading, NDArray[np.float32]]


def videos_of(data: Sequence[DataSource], described: DescribedSet) -> dict[str, ManifestRow] | None:
    """The rows of a data set whose test videos are those described, by name; None without one.

    A row belongs to a described video when its name ends in the same number and its frame count
    and spans are the same.
    """
    for source in data:
        try:
            rows = read_manifest(path=source.path).rows
        except LabelError:
            continue
        found = _matched(rows, described)
        if found is not None:
            return found
    return None


def picture_states(
    bench: Bench,
    described: DescribedSet,
    rows: dict[str, ManifestRow],
    layers: Sequence[int],
    *,
    every_frames: int,
) -> list[PictureStates]:
    """Read every video once for each view.

    Raises:
        VideoError: one cannot be read.
        EvaluationError: a video has another count of stretches than descriptions.
    """
    found = []
    for view, key_frames in VIEWS.items():
        values: dict[Reading, list[NDArray[np.float32]]] = {r: [] for r in READINGS}
        for video in described.videos:
            bench.say(f"{described.name}: {view}, video {video.name}")
            settings = replace(
                bench.extraction.settings(key_frames, READINGS),
                segment_frames=every_frames,
                segment_seconds=None,
                layers=tuple(layers),
            )
            states = extract_video(
                rows[video.name].video,
                backbone=bench.extraction.backbone,
                settings=settings,
                cache=bench.extraction.cache,
            ).states
            for reading in READINGS:
                own = states[reading].values
                if len(own) != len(video.texts) or states[reading].failed.any():
                    raise EvaluationError(
                        f"{video.name}: {len(own)} stretches of pictures, {len(video.texts)} "
                        "descriptions; they must be of the same frames"
                    )
                values[reading].append(own)
        found.append(PictureStates(view, {r: np.concatenate(v) for r, v in values.items()}))
    return found


def _matched(rows: Sequence[ManifestRow], described: DescribedSet) -> dict[str, ManifestRow] | None:
    spanned = {int(m[0]): r for r in rows if r.spans and (m := re.findall(r"\d+$", r.name))}
    found = {}
    for video in described.videos:
        number = re.findall(r"\d+$", video.name)
        row = spanned.get(int(number[0])) if number else None
        if row is None or row.frame_count != video.truth.frames:
            return None
        if tuple(row.spans) != tuple(video.truth.spans):
            return None
        found[video.name] = row
    return found
