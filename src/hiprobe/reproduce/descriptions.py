"""Published descriptions of frames, with the truth of the same frames."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.store.documents import DocumentError, parse_json
from hiprobe.store.plain_files import MIB, open_plain
from hiprobe.store.schemas import DescribedLine

LIMIT_BYTES = 2048 * MIB
"""Of the file, and of what it unfolds to: a line for each video, a sentence for each frame."""

SUFFIX = "_frame_descriptions.jsonl.gz"

EVERY_FRAMES = 12
"""One description of so many frames is read, the middle one; its score is held for all of them."""


@dataclass(frozen=True)
class DescribedVideo:
    """Sampled descriptions of one video.

    Attributes:
        texts: one for each stretch of `EVERY_FRAMES` frames; the last stretch may be shorter.
        labels: int64 `[stretches]`, of the frame that the text describes.
    """

    name: str
    truth: VideoTruth
    texts: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class DescribedSet:
    """All described videos of one test set."""

    name: str
    truth: Truth
    videos: tuple[DescribedVideo, ...]


def description_files(folder: Path) -> tuple[Path, ...]:
    """Files of descriptions in a folder, in order; none where it is no such folder."""
    return tuple(sorted(folder.glob(f"*{SUFFIX}"))) if folder.is_dir() else ()


def read_descriptions(path: Path, *, every_frames: int = EVERY_FRAMES) -> DescribedSet:
    """Descriptions of every frame, sampled, joined to the packaged truth.

    Raises:
        DatasetError: unreadable, or not one text for each frame of each video of the truth.
        EvaluationError: no ground truth of that name is packaged.
    """
    name = path.name.removesuffix(SUFFIX).replace("_", "-")
    truth = load_truth(name)
    texts = _read(path)
    known = {v.name: v for v in truth.videos}
    if set(texts) != set(known):
        other = sorted(set(texts) ^ set(known))
        raise DatasetError(f"{path}: {len(other)} videos are not those of {name}: {other[:3]}")
    videos = tuple(_video(v, texts[v.name], path, every_frames) for v in truth.videos)
    return DescribedSet(name, truth, videos)


def middles(frames: int, every_frames: int = EVERY_FRAMES) -> NDArray[np.int64]:
    """The middle frame of each stretch, int64 `[stretches]`."""
    starts = np.arange(0, frames, every_frames)
    return np.minimum(starts + every_frames // 2, (starts + frames) // 2).astype(np.int64)


def frame_labels(video: VideoTruth) -> NDArray[np.int64]:
    """1 where a frame is abnormal, int64 `[frames]`; the packaged spans are half-open."""
    labels = np.zeros(video.frames, np.int64)
    for start, end in video.half_open("half-open"):
        labels[start:end] = 1
    return labels


def _video(
    truth: VideoTruth, texts: Sequence[str], path: Path, every_frames: int
) -> DescribedVideo:
    if len(texts) != truth.frames:
        raise DatasetError(
            f"{path}: {truth.name} has {len(texts)} descriptions for {truth.frames} frames; one "
            "for each frame is needed"
        )
    chosen = middles(truth.frames, every_frames)
    return DescribedVideo(
        truth.name, truth, tuple(texts[i] for i in chosen), frame_labels(truth)[chosen]
    )


def _read(path: Path) -> dict[str, list[str]]:
    try:
        with open_plain(path, limit_bytes=LIMIT_BYTES) as plain:
            lines = [parse_json(line, DescribedLine) for line in _lines(plain) if line.strip()]
        return {str(line["video"]): [str(t) for t in line["descriptions"]] for line in lines}
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as descriptions: {error}") from error


def _lines(plain: BinaryIO) -> Iterator[bytes]:
    """Lines of a compressed text; one that goes on without end is not kept in memory."""
    left = LIMIT_BYTES
    with gzip.open(plain) as unfolded:
        while line := unfolded.readline(left + 1):
            left -= len(line)
            if left < 0:
                raise DocumentError(f"it unfolds to more than {LIMIT_BYTES / MIB:,.0f} MiB")
            yield line
