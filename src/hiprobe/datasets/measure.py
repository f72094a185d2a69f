"""Count the frames of a video and take its fingerprint, once, and find videos that are alike."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.files_found import FoundVideo
from hiprobe.documents.checked import MIB, parse_json, read_plain
from hiprobe.documents.schemas import MeasuredLine
from hiprobe.errors import VideoError
from hiprobe.failures import failure_of, storage_error
from hiprobe.progress import Clock, Progress
from hiprobe.segment import Cut, Frame, key_frame_positions

if TYPE_CHECKING:
    from hiprobe.video.decode import Outcome


PICTURES, SIDE = 8, 16
SHAPE = (PICTURES, SIDE, SIDE)

# Cosine from which on the change within two videos is taken as the same. On the real clips at hand,
# other recordings stay below 0.65, of one camera too; copies that are encoded again, half as large,
# darker or two frames shorter stay above 0.94.
ALIKE = 0.85

# Below this root mean square, in grey levels of 255, the change is the codec's own.
STILL_LEVELS = 1.0

# Cosine of two still scenes. It is high, since grey pictures of any two rooms are somewhat alike.
STILL_ALIKE = 0.999

# Videos that are compared with all others at once.
_BLOCK = 1024


# Larger side of the key frames: more than enough for a fingerprint.
_SIDE_PIXELS = 64

# Version 1 called recordings broken that begin late, and counted holes into the frame rate.
VERSION = 2

# A line has 3 kB: the set would have 300,000 videos.
LIMIT_BYTES = 1024 * MIB


@dataclass(frozen=True, eq=False)
class Measured:
    """One file, as read.

    Attributes:
        frame_count: frames counted, None where it cannot be read at all.
        fps: frames a second by their own times; None for pictures.
        problem: what is wrong with it, empty where nothing is.
        picture: its fingerprint, None where there is none.
    """

    frame_count: int | None
    fps: float | None
    problem: str = ""
    picture: NDArray[np.uint8] | None = None


def measure(found: FoundVideo, *, quick: bool = False) -> Measured:
    """Read a video, or a folder of pictures, to its end.

    Whatever is wrong with it stands in the result.

    Args:
        found: the video.
        quick: count a video's packets and decode 8 frames only, and open 8 pictures of a folder:
            damage between them stays unseen, a video that was cut off does not.
    """
    try:
        if found.pictures:
            return _of_pictures(found.pictures, quick=quick)
        return _of_video(found.path, quick=quick)
    except Exception as error:
        return Measured(None, None, failure_of(found.path, error).reason)


def read_picture(path: Path) -> Frame:
    """A picture file as uint8 RGB `[height, width, 3]`.

    Raises:
        VideoError: it cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path} cannot be read as a picture ({error}); copy it again") from error


def kept_file(root: Path, *, folder: Path) -> Path:
    """Where the measurements of the files below `root` are kept in `folder`."""
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return folder / f"{key}.jsonl"


def measure_all(
    files: Sequence[FoundVideo],
    *,
    kept: Path,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[FoundVideo, Measured]:
    """Measure every file, except those measured before and not changed since.

    Each result is written to `kept` (one JSON a line) as soon as it is there. A file counts as
    unchanged by its size and its time of change; one measured in full serves a quick check too.

    Args:
        files: the videos.
        kept: file of earlier measurements; see `kept_file`.
        quick: see `measure`.
        progress: called before each file that is measured.

    Raises:
        StorageError: `kept` cannot be written.
    """
    before = _read(kept)
    done = {f: m for f in files if (m := _usable(before, f, quick=quick)) is not None}
    fresh = [f for f in files if f not in done]
    clock = Clock(progress, len(files), skipped=len(done))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("a", encoding="utf-8") as log:
            log.write("\n")  # what was interrupted may have left a line without its end
            for found in fresh:
                clock.name = found.relative.name
                clock.tell(len(done), seconds_of_video=0)
                done[found] = measure(found, quick=quick)
                log.write(json.dumps(_line(found, done[found], quick=quick)) + "\n")
                # Decoding a set takes hours: what is measured must outlast a crash.
                log.flush()
    except OSError as error:
        raise storage_error(kept, error) from error
    return done


def _of_video(path: Path, *, quick: bool) -> Measured:
    from hiprobe.video.clip import read_clip_and_outcome

    clip, outcome = read_clip_and_outcome(
        path, Cut(key_frames=PICTURES, max_side_pixels=_SIDE_PIXELS)
    )
    if quick:
        count, seconds = clip.frame_count, _seconds_by_packets(path) or _decode(path)[1]
    else:
        count, seconds, outcome = _decode(path)
    problem = f"{path} breaks off after {count} frames" if outcome == "truncated" else ""
    return Measured(count, count / seconds, problem, fingerprint(clip.frames))


def _decode(path: Path) -> tuple[int, float, Outcome]:
    """Frames, seconds with pictures, and outcome of decoding it all."""
    from hiprobe.video.decode import FrameReader
    from hiprobe.video.times import pictured_seconds

    reader = FrameReader(path)
    seconds = pictured_seconds(reader, path)
    return reader.frame_count, seconds, reader.outcome or "end"


def _seconds_by_packets(path: Path) -> float:
    """Seconds with pictures; 0 where the packets have no reliable times."""
    from hiprobe.video.times import pictured_seconds
    from hiprobe.video.video_info import read_packets

    packets = read_packets(path)
    origin = packets.times[0][0] if packets.times else 0
    marks, _ = packets.marks(origin_pts=origin, start_seconds=None, end_seconds=None)
    return pictured_seconds(marks, path)


def _of_pictures(pictures: Sequence[Path], *, quick: bool) -> Measured:
    positions = set(key_frame_positions(frame_count=len(pictures), key_frames=PICTURES))
    keys: dict[int, Frame] = {}
    for index, picture in enumerate(pictures):
        if index in positions or not quick:
            pixels = read_picture(picture)
            if index in positions:
                keys[index] = pixels
    frames = [keys[i] for i in key_frame_positions(frame_count=len(pictures), key_frames=PICTURES)]
    return Measured(len(pictures), None, _gap(pictures), fingerprint(frames))


def _gap(pictures: Sequence[Path]) -> str:
    """Numbers that are left out; names without numbers show no gap."""
    numbers = [re.findall(r"\d+", p.stem) for p in pictures]
    if not all(numbers):
        return ""
    last = [int(n[-1]) for n in numbers]
    absent = sorted(set(range(last[0], last[-1] + 1)) - set(last))
    if not absent:
        return ""
    return f"{pictures[0].parent} lacks {len(absent)} pictures, the first is number {absent[0]}"


def _key(found: FoundVideo) -> list[Any]:
    """Changes whenever the file does, or a picture is added or taken away."""
    state = found.path.stat()
    count = len(found.pictures)
    size = state.st_size if not count else sum(p.stat().st_size for p in found.pictures)
    return [str(found.relative), size, state.st_mtime_ns, count]


def _line(found: FoundVideo, measured: Measured, *, quick: bool) -> dict[str, Any]:
    picture = measured.picture
    return {
        "version": VERSION,
        "key": _key(found),
        "mode": "quick" if quick else "full",
        "frames": measured.frame_count,
        "fps": measured.fps,
        "problem": measured.problem,
        "picture": None if picture is None else base64.b64encode(picture.tobytes()).decode(),
    }


def _read(kept: Path) -> dict[str, dict[str, Any]]:
    """The last usable line of each file; a line that was cut off is no line."""
    found: dict[str, dict[str, Any]] = {}
    if not kept.is_file():
        return found
    try:
        lines = read_plain(kept, limit_bytes=LIMIT_BYTES).splitlines()
    except OSError:  # measured again
        return found
    for text in lines:
        try:
            line = parse_json(text, MeasuredLine, nan=True, names=True)
            if line["version"] == VERSION:
                found[line["key"][0]] = line
        except (ValueError, KeyError, TypeError, IndexError):
            continue
    return found


def _usable(
    before: dict[str, dict[str, Any]], found: FoundVideo, *, quick: bool
) -> Measured | None:
    line = before.get(str(found.relative))
    try:
        if line is None or line["key"] != _key(found) or not (quick or line["mode"] == "full"):
            return None
        text = line["picture"]
        pixels = np.frombuffer(base64.b64decode(text), np.uint8) if text else None
        picture = None if pixels is None else pixels.reshape(SHAPE)
        return Measured(line["frames"], line["fps"], line["problem"], picture)
    except (OSError, KeyError, ValueError, TypeError):
        return None


@dataclass(frozen=True)
class AlikePair:
    """Two videos that look like one recording, by their positions in the list.

    `still` marks videos in which nothing moves: there it is the same scene, at least.
    """

    first: int
    second: int
    likeness: float
    still: bool


def fingerprint(frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """uint8 `[8, 16, 16]` of as many RGB frames, scaled without regard to the aspect."""
    import cv2

    grey = [cv2.cvtColor(np.ascontiguousarray(f), cv2.COLOR_RGB2GRAY) for f in frames]
    # INTER_AREA averages; other ways pick single pixels, so that a new encoding would show.
    small = [cv2.resize(g, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for g in grey]
    return np.stack(small).astype(np.uint8)


def near_duplicates(
    fingerprints: NDArray[np.uint8], *, alike: float = ALIKE
) -> tuple[AlikePair, ...]:
    """Pairs of uint8 `[videos, 8, 16, 16]` that look like one recording.

    Memory grows with 1,024 times the number of videos, not with its square.
    """
    moving, still, level = _parts(fingerprints)
    is_still = level < STILL_LEVELS
    found = []
    # By blocks: the likeness of all pairs of 20,000 videos would take 1.6 GB at once.
    for first in range(0, len(moving), _BLOCK):
        rows = slice(first, first + _BLOCK)
        change = moving[rows] @ moving.T
        both_move = ~is_still[rows, None] & ~is_still[None, :]
        same_still = (is_still[rows, None] & is_still[None, :]) & (
            still[rows] @ still.T >= STILL_ALIKE
        )
        hits = (both_move & (change >= alike)) | same_still
        for i, j in zip(*np.nonzero(hits), strict=True):
            if first + i < j:
                calm = bool(same_still[i, j])
                likeness = float(still[first + i] @ still[j]) if calm else float(change[i, j])
                found.append(AlikePair(int(first + i), int(j), likeness, calm))
    return tuple(found)


def _parts(
    fingerprints: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors of the change and of the still part, and the change in grey levels."""
    # The mean over time is the still scene; what remains is the change.
    pictures = fingerprints.reshape(-1, PICTURES, SIDE * SIDE).astype(np.float32)
    mean = pictures.mean(axis=1, keepdims=True)
    change = (pictures - mean).reshape(len(pictures), -1)
    level = np.sqrt((change**2).mean(axis=1))
    # Without the brightness, which alone would make any two pictures alike.
    scene = mean[:, 0] - mean[:, 0].mean(axis=1, keepdims=True)
    return _unit(change), _unit(scene), level


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.maximum(length, 1e-6)).astype(np.float32)
    return unit
