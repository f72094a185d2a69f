"""What results were made on, in words, without anything that tells whose machine it is."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

LIBRARIES = ("numpy", "scikit-learn", "torch", "transformers")


def machine_words() -> str:
    """Processor, cores that may be used, Python and the libraries that results depend on."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = "1 core" if usable == 1 else f"{usable} cores"
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return f"{_processor()}, {cores}, Python {platform.python_version()}, {versions}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
