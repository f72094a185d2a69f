"""A published model's descriptions of frames, read by the LLM, and the pictures themselves."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import TEXT_READINGS, TextReading, TextsBackbone
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.manifest import ManifestRow, read_manifest
from hiprobe.documents.arrays import read_npy
from hiprobe.documents.checked import MIB, DocumentError, open_plain, parse_json
from hiprobe.documents.schemas import DescribedLine
from hiprobe.errors import DatasetError, EvaluationError, LabelError, UsageError
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.paper import KEY_FRAMES
from hiprobe.pipeline import extract_video
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.request import DataSource
from hiprobe.states import Reading
from hiprobe.store.atomic import atomic_path

# Largest file, and largest text inside it: a line for each video, a sentence for each frame.
LIMIT_BYTES = 2048 * MIB

SUFFIX = "_frame_descriptions.jsonl.gz"

# Of this many consecutive descriptions the middle one is read, and its score stands for all.
EVERY_FRAMES = 12


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
    # One video more or less would shift what every metric is over.
    if set(texts) != set(known):
        other = sorted(set(texts) ^ set(known))
        raise DatasetError(f"{path}: {len(other)} videos are not those of {name}: {other[:3]}")
    videos = tuple(_video(v, texts[v.name], path, every_frames) for v in truth.videos)
    return DescribedSet(name, truth, videos)


def middles(frames: int, every_frames: int = EVERY_FRAMES) -> NDArray[np.int64]:
    """The middle frame of each stretch, int64 `[stretches]`."""
    starts = np.arange(0, frames, every_frames)
    return np.minimum(starts + every_frames // 2, (starts + frames) // 2).astype(np.int64)


def _video(
    truth: VideoTruth, texts: Sequence[str], path: Path, every_frames: int
) -> DescribedVideo:
    if len(texts) != truth.frames:
        raise DatasetError(
            f"{path}: {truth.name} has {len(texts)} descriptions for {truth.frames} frames; one "
            "for each frame is needed"
        )
    chosen = middles(truth.frames, every_frames)
    labels = truth.labels()[chosen].astype(np.int64)
    return DescribedVideo(truth.name, truth, tuple(texts[i] for i in chosen), labels)


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


# Texts that are read at once; after each batch a line says how far the run is.
CHUNK = 32

# Every third layer is read, with the first and the last: neighbours differ little.
LAYER_STEP = 3


def read_layers(layer_count: int) -> tuple[int, ...]:
    """Layers that are compared, ascending."""
    return tuple(sorted({1, *range(LAYER_STEP, layer_count + 1, LAYER_STEP), layer_count}))


def text_states(
    bench: Bench, described: DescribedSet, layers: Sequence[int]
) -> dict[TextReading, NDArray[np.float32]]:
    """States of all sampled texts of a set, float32 `[samples, layers, width]` by reading.

    Args:
        layers: to read, ascending.

    Raises:
        UsageError: the backbone does not read texts.
    """
    backbone = bench.extraction.backbone
    if not isinstance(backbone, TextsBackbone):
        raise UsageError(
            f"{bench.request.backbone.known_as} does not read texts in place of pictures; use lite"
        )
    # Descriptions of neighbouring frames are often equal to the letter: each text is read once.
    seen: dict[str, NDArray[np.float32]] = {}
    rows = []
    made = _reader_digest(backbone, layers)
    for number, video in enumerate(described.videos, start=1):
        digest = hashlib.sha256("\0".join([made, *video.texts]).encode()).hexdigest()[:24]
        # Arrays and not JSON pieces: a set has gigabytes of states.
        place = bench.finished.folder / f"texts-{described.name}-{digest}.npy"
        found = _load(place, (len(TEXT_READINGS), len(video.texts), len(layers), backbone.width))
        if found is None:
            course = f"{described.name}: texts of video {number} of {len(described.videos)}"
            new = [t for t in dict.fromkeys(video.texts) if t not in seen]
            for start in range(0, len(new), CHUNK):
                bench.say(f"{course}, {start} of {len(new)} new")
                chunk = new[start : start + CHUNK]
                read = backbone.text_states(chunk, layers=layers)
                by_text = zip(*(read[r] for r in TEXT_READINGS), strict=True)
                seen |= {t: np.stack(own) for t, own in zip(chunk, by_text, strict=True)}
            found = np.stack([seen[t] for t in video.texts], axis=1)
            with atomic_path(place) as temporary, temporary.open("wb") as file:
                np.save(file, found, allow_pickle=False)
        rows.append(found)
    joined = np.concatenate(rows, axis=1)
    return {reading: joined[i] for i, reading in enumerate(TEXT_READINGS)}


def _reader_digest(backbone: TextsBackbone, layers: Sequence[int]) -> str:
    """Digest of what decides the states of a text: the decoder and the prompt alone."""
    # The fingerprint covers the vision tower too, on which texts do not depend: the states of a
    # sample text change only when those of others do.
    found = backbone.text_states(("A street with people.",), layers=layers)
    values = b"".join(found[r].tobytes() for r in TEXT_READINGS)
    return hashlib.sha256(f"{tuple(layers)}".encode() + values).hexdigest()[:24]


def _load(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    try:
        found: NDArray[np.float32] = read_npy(path)
    except (OSError, ValueError):
        return None
    return found if found.shape == shape else None


# What the backbone is shown of each stretch, and how many key frames of it.
VIEWS = {"pictures, 8 key frames": KEY_FRAMES, "picture, the one described": 1}

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

    Args:
        rows: the row of each described video, by its name; see `videos_of`.
        layers: layers to read, ascending.
        every_frames: length of a segment, so that there is one for each description.

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
    # Names differ between the publication and the set's folders; the number at the end is the same.
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
