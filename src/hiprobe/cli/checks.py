"""The checks of `hiprobe doctor`."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator

from hiprobe.cli.check_line import Check, Level
from hiprobe.cli.native_checks import check_library, check_torch, check_video
from hiprobe.cli.text import format_bytes


def run_checks() -> Iterator[Check]:
    """All checks, one after the other, as they are done."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield _cores()
    yield _memory()
    yield from check_torch()
    yield check_video()
    for name in ("transformers", "sklearn", "scipy", "cv2", "matplotlib", "safetensors", "gguf"):
        yield check_library(name)
    yield from _backbones()
    yield from _disk()


def _cores() -> Check:
    flags = _cpu_flags()
    fast = "amx_bf16" in flags or "avx512_bf16" in flags
    text = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
    named = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    bf16 = "native bfloat16" if fast else "no native bfloat16 (float32 is faster here)"
    return Check("cores", "ok", f"{text}, {' '.join(named) or 'flags unknown'}, {bf16}")


def _cpu_flags() -> set[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return next((set(line.split()) for line in file if line.startswith("flags")), set())
    except OSError:  # not Linux
        return set()


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available
    level: Level = "ok" if free > 2e9 else "note"
    remedy = "" if level == "ok" else "the lite backbone wants about 2 GB: close other programs"
    return Check("memory", level, f"{format_bytes(free)} available", remedy)


def _backbones() -> Iterator[Check]:
    from hiprobe.backbones.registry import list_backbones

    known = list_backbones()
    for backbone in known:
        if backbone.on_disk:
            where = "on this disk" if backbone.place == "hiprobe" else "in the hub client's cache"
            yield Check(f"backbone {backbone.name}", "ok", where)
        elif backbone.hub is None:
            remedy = f"hiprobe backbones get {backbone.name} (or wait: the first fit does it)"
            yield Check(f"backbone {backbone.name}", "note", "not on this disk", remedy)
    absent = sum(not b.on_disk for b in known if b.hub)
    yield Check("other backbones", "ok", f"{absent} more can be fetched (hiprobe backbones)")


def _disk() -> Iterator[Check]:
    from hiprobe.settings import cache_folder, offline, states_folder
    from hiprobe.store.cache import StatesCache

    folder = cache_folder()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free, used = shutil.disk_usage(existing).free, StatesCache(states_folder()).size_bytes()
    text = f"{folder}: {format_bytes(used)} of states, {format_bytes(free)} free"
    if free < 1e9:
        remedy = "hiprobe cache prune, or set HIPROBE_CACHE to a folder on another disk"
        yield Check("cache", "note", text, remedy)
    else:
        yield Check("cache", "ok", text)
    if offline():
        yield Check("network", "note", "HIPROBE_OFFLINE or HF_HUB_OFFLINE is set: none is used")
