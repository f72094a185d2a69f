"""What this machine is, and how fast it multiplies matrices."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What decides how fast matrix products are, and in which number format.
KNOWN_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")

# Large enough for the full rate: 6 ms on two cores.
_PRODUCT_SIDE = 1024


def processor_name() -> str:
    """The processor's model, as far as the system gives it."""
    return cpu_info("model name") or platform.processor() or platform.machine()


def processor_flags() -> tuple[str, ...]:
    """Those of `KNOWN_FLAGS` that this processor has."""
    own = cpu_info("flags").split()
    return tuple(flag for flag in KNOWN_FLAGS if flag in own)


def cpu_info(key: str) -> str:
    """A line of Linux's list of processors; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def seconds_of(call: Callable[[], Any]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Took:
    """What a call took.

    Attributes:
        seconds: by the clock.
        processor_seconds: of all threads of this process. While other programs run it is the
            better measure: their time is not in it.
    """

    seconds: float
    processor_seconds: float

    def __add__(self, other: Took) -> Took:
        return Took(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)

    def __sub__(self, other: Took) -> Took:
        """What is left without another call, at least nothing."""
        return Took(
            max(0.0, self.seconds - other.seconds),
            max(0.0, self.processor_seconds - other.processor_seconds),
        )

    def __truediv__(self, count: float) -> Took:
        return Took(self.seconds / count, self.processor_seconds / count)


NOTHING = Took(0.0, 0.0)


def took(call: Callable[[], Any]) -> Took:
    """Run a call once."""
    began, used = time.perf_counter(), time.process_time()
    call()
    return Took(time.perf_counter() - began, time.process_time() - used)


def product_flops(*, repeats: int = 5) -> float:
    """Operations a second of a matrix product in float32, the best of some, without torch."""
    import numpy as np

    rng = np.random.default_rng(0)
    left, right = (rng.random((_PRODUCT_SIDE, _PRODUCT_SIDE), np.float32) for _ in range(2))
    left @ right
    best = min(seconds_of(lambda: left @ right) for _ in range(repeats))
    return float(2 * _PRODUCT_SIDE**3 / best)
