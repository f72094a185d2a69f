"""Memory against the length of a video: everything around the model, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.bench.ways import Say
from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import Reading
from hiprobe.video.join import write_looped

# Width of the states, the same as lite's.
WIDTH = 576


class MeanBackbone:
    """Gives the mean colour of a key frame, at once: what is measured is everything around it."""

    layer_count, width = 1, WIDTH
    fingerprint = Fingerprint("mean", "", "float32", "none")

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """The same number in every dimension."""
        means = np.array([np.mean(s.frames[0]) for s in segments], np.float32)
        rows = np.broadcast_to(means[:, None, None], (len(segments), len(layers), WIDTH))
        return {reading: rows.copy() for reading in readings}

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """It has no words."""
        return ""


@dataclass(frozen=True)
class LengthFound:
    """What reading a video of one length took.

    Attributes:
        minutes: length of the video.
        peak_bytes: most resident memory of the process that read it.
        state_bytes: size of the states, which are held until the video is done.
        seconds: how long reading took.
    """

    minutes: float
    peak_bytes: int
    state_bytes: int
    seconds: float


def measure_length(video: Path, *, minutes: Sequence[float], say: Say) -> list[LengthFound]:
    """Read looped copies of a video, each in a process of its own.

    Args:
        minutes: lengths of the copies.
        say: is called with what is being measured now.

    Raises:
        VideoError: the video cannot be looped.
        StatesError: the process that reads it failed; the message says how.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for length in minutes:
            say(f"memory of a video of {length:g} minutes")
            looped = write_looped(Path(folder) / "looped.mp4", video, seconds=60 * length)
            peak, rows, seconds = _read_elsewhere(looped)
            found.append(LengthFound(length, int(peak), int(rows) * WIDTH * 4, seconds))
    return found


def _read_elsewhere(video: Path) -> tuple[float, float, float]:
    # In a process of its own: a peak never goes down again, and this one has loaded torch. Warnings
    # are off, since the last line on stderr is taken for the reason of a failure.
    code = f"from hiprobe.bench.length import tell_peak; tell_peak({str(video)!r})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if done.returncode or len(words) != 3:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise StatesError(f"the process that read {video.name} ended: {said[-1]}")
    peak, rows, seconds = map(float, words)
    return peak, rows, seconds


def tell_peak(video: str) -> None:
    """Read a video; print this process's peak memory in bytes, its segments and its seconds.

    `measure_length` calls it in a process of its own.
    """
    import time

    from hiprobe.pipeline import extract_video
    from hiprobe.pipeline.reading import ExtractionSettings

    began = time.perf_counter()
    settings = ExtractionSettings(layers=(1,))
    found = extract_video(Path(video), backbone=MeanBackbone(), settings=settings)
    seconds = time.perf_counter() - began
    print(peak_bytes(), len(found.states["last"]), seconds)


def peak_bytes() -> int:
    """Most resident memory of this process so far."""
    # Linux counts what the parent held at the fork into the child's `ru_maxrss`.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
