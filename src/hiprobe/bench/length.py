"""Memory against the length of a video: everything around the model, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.bench.ways import Say
from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.video.join import write_looped

if TYPE_CHECKING:
    from hiprobe.probe import Probe

# Width of the states, the same as lite's.
WIDTH = 576

# How often the memory of the process is looked at. What it holds grows with segments, which take
# longer than this.
_LOOK_SECONDS = 0.02


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
    """What a video of one length took.

    Attributes:
        minutes: length of the video.
        held_bytes: most memory that the process held for itself. Pages of files are not in it: the
            system takes them back when others need them.
        peak_bytes: most resident memory of the process, pages of files included.
        state_bytes: size of the states, which are kept until the video is done.
        seconds: from the file to its events.
    """

    minutes: float
    held_bytes: int
    peak_bytes: int
    state_bytes: int
    seconds: float


def measure_length(video: Path, *, minutes: Sequence[float], say: Say) -> list[LengthFound]:
    """Find the events of looped copies of a video, each in a process of its own.

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
            # Not MP4, whose index of each frame FFmpeg holds: to open a day of 30 frames a second
            # takes 228 MB at the peak, and 84 MB stay until the file is closed.
            looped = write_looped(Path(folder) / "looped.mkv", video, seconds=60 * length)
            held, peak, rows, seconds = _detect_elsewhere(looped)
            states = int(rows) * WIDTH * 4
            found.append(LengthFound(length, int(held), int(peak), states, seconds))
    return found


def _detect_elsewhere(video: Path) -> tuple[float, ...]:
    # In a process of its own: a peak never goes down again, and this one has loaded torch. Warnings
    # are off, since the last line on stderr is taken for the reason of a failure.
    code = f"from hiprobe.bench.length import tell_memory; tell_memory({str(video)!r})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if done.returncode or len(words) != 4:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise StatesError(f"the process that read {video.name} ended: {said[-1]}")
    return tuple(map(float, words))


def tell_memory(video: str) -> None:
    """Find the events of a video; print held and peak bytes, segments and seconds.

    `measure_length` calls it in a process of its own.
    """
    from hiprobe.pipeline import detect_video

    backbone, probe = MeanBackbone(), _probe()
    began = time.perf_counter()
    with _MemoryWatch() as watched:
        found = detect_video(Path(video), probe=probe, backbone=backbone)
    seconds = time.perf_counter() - began
    print(watched.most_held_bytes, peak_bytes(), len(found.states), seconds)


def _probe() -> Probe:
    """A probe on dark and bright clips of noise."""
    from hiprobe.probe import Probe

    rng = np.random.default_rng(0)
    clips = [
        LabelledStates(
            name=str(n),
            label=n % 2,
            source=str(n),
            clip=None,
            segments=States(
                values=rng.normal(100 + n % 2, 1, (4, 1, WIDTH)).astype(np.float32),
                layers=(1,),
                start_seconds=np.arange(4.0),
                end_seconds=np.arange(4.0) + 1,
                reading="last",
                fingerprint=MeanBackbone.fingerprint,
                layer_count=1,
                failed=np.zeros(4, bool),
            ),
        )
        for n in range(8)
    ]
    return Probe(layer=1).fit(clips)


class _MemoryWatch:
    """Looks again and again at what this process holds, since no system keeps the highest value."""

    def __init__(self) -> None:
        self.most_held_bytes = held_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.most_held_bytes = max(self.most_held_bytes, held_bytes())


def held_bytes() -> int:
    """Memory of this process without pages of files; all of it where the system does not say."""
    if (own := _status_bytes("RssAnon")) is not None:
        return own
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Most resident memory of this process so far."""
    # Linux counts what the parent held at the fork into the child's `ru_maxrss`.
    if (own := _status_bytes("VmHWM")) is not None:
        return own
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status_bytes(name: str) -> int | None:
    """A value of this process that Linux keeps in kB; None on other systems."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return None
