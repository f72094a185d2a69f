"""`hiprobe doctor`: what this machine can do, and what it lacks."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, format_bytes, say
from hiprobe.errors import StorageError, UsageError
from hiprobe.names import is_object
from hiprobe.spec import BackboneSpec

Level = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Check:
    """One line of the report; `remedy` says what to do if something is missing."""

    name: str
    level: Level
    text: str
    remedy: str = ""


# Decoders that cameras and phones need.
CODECS = ("h264", "hevc", "av1", "mpeg4", "mjpeg", "vp9")

# Run in a process of their own: a native library that crashes must be a line of the report.
_TRY_TORCH = (
    "import json, torch; g = torch.cuda.is_available(); print(json.dumps({"
    "'version': torch.__version__, "
    "'gpus': [torch.cuda.get_device_name(i) for i in range(g and torch.cuda.device_count())], "
    "'gpu_bf16': bool(g and torch.cuda.is_bf16_supported())}))"
)
_TRY_AV = (
    "import json, av; print(json.dumps({'version': av.__version__, "
    f"'codecs': [c for c in {CODECS!r} if c in av.codecs_available], "
    "'h264_encoder': 'libx264' in av.codecs_available}))"
)
_TRY_PLAIN = "import json, {name}; print(json.dumps({{'version': '{version}'}}))"
# A busy or cold machine takes minutes to load torch.
_TRY_SECONDS = 300


def check_torch() -> Iterator[Check]:
    """Torch, and whether it sees a GPU."""
    found = _try(_TRY_TORCH)
    if "error" in found:
        yield Check("torch", "missing", found["error"], "pip install torch")
        return
    yield Check("torch", "ok", found["version"])
    if found["gpus"]:
        bf16 = "with bfloat16" if found["gpu_bf16"] else "without bfloat16"
        yield Check("gpu", "ok", f"{', '.join(found['gpus'])} ({bf16})")
    elif shutil.which("nvidia-smi"):
        remedy = "install a torch build for your CUDA version"
        yield Check("gpu", "note", "nvidia-smi is here, but torch sees no GPU", remedy)
    else:
        yield Check("gpu", "note", "none; the lite backbone runs on the CPU")


def check_video() -> Check:
    """PyAV, and the codecs that it has."""
    found = _try(_TRY_AV)
    if "error" in found:
        return Check("video", "missing", found["error"], "pip install av")
    absent = sorted(set(CODECS) - set(found["codecs"]))
    text = f"PyAV {found['version']}, decodes {', '.join(found['codecs'])}"
    if absent or not found["h264_encoder"]:
        what = [*absent, *([] if found["h264_encoder"] else ["H.264 encoder"])]
        return Check("video", "note", f"{text}; without {', '.join(what)}", "pip install -U av")
    return Check("video", "ok", text)


def check_library(name: str) -> Check:
    """Whether a library is installed and can be imported."""
    # The name to install is not always the name to import.
    package = {"sklearn": "scikit-learn", "cv2": "opencv-python-headless"}.get(name, name)
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", f"pip install {package}")
    found = _try(_TRY_PLAIN.format(name=name, version=version))
    if "error" in found:
        remedy = f"pip install --force-reinstall {package}"
        return Check(name, "missing", found["error"], remedy)
    return Check(name, "ok", version)


def _try(code: str) -> dict[str, Any]:
    """What the code prints as JSON, or the reason why it did not, under `error`."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
        )
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        # The last line of a traceback names the error.
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        last = f"not done after {_TRY_SECONDS} s; is the machine busy?"
    except (OSError, ValueError) as error:
        last = str(error)
    return {"error": f"cannot be loaded: {last}"}


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
    from hiprobe.machine import processor_flags
    from hiprobe.settings import usable_processors

    flags = processor_flags()
    # Without these instructions bfloat16 is converted to float32 and back for every product.
    fast = "amx_bf16" in flags or "avx512_bf16" in flags
    bf16 = "native bfloat16" if fast else "no native bfloat16 (float32 is faster here)"
    named = " ".join(flags) or "flags unknown"
    return Check("cores", "ok", f"{usable_processors()}, {named}, {bf16}")


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available
    level: Level = "ok" if free > 2e9 else "note"
    remedy = "" if level == "ok" else "the lite backbone wants about 2 GB: close other programs"
    return Check("memory", level, f"{format_bytes(free)} available", remedy)


_PLACES = {
    "hiprobe": "on this disk",
    "hub cache": "in the hub client's cache",
    "package": "of an installed package",
}


def _backbones() -> Iterator[Check]:
    from hiprobe.backbones.registry import list_backbones

    known = list_backbones()
    for backbone in known:
        if backbone.place is not None:
            yield Check(f"backbone {backbone.name}", "ok", _PLACES[backbone.place])
        elif backbone.hub is None:
            remedy = f"hiprobe backbones get {backbone.name} (or wait: the first fit does it)"
            yield Check(f"backbone {backbone.name}", "note", "not on this disk", remedy)
    absent = sum(not b.on_disk for b in known if b.hub)
    yield Check("other backbones", "ok", f"{absent} more can be fetched (hiprobe backbones)")


def _disk() -> Iterator[Check]:
    from hiprobe.settings import cache_folder, offline, states_folder
    from hiprobe.store.states_cache import StatesCache

    folder = cache_folder()
    # The folder itself appears with the first states.
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free, states, used = shutil.disk_usage(existing).free, states_folder(), 0
    try:
        used = StatesCache(states).size_bytes()
    except StorageError as error:
        yield Check("cache of states", "missing", str(error), "see docs/object-stores.md")
    where = f" in {states}" if is_object(states) else ""
    text = f"{folder}: {format_bytes(used)} of states{where}, {format_bytes(free)} free"
    if free < 1e9:
        remedy = "hiprobe cache prune, or set HIPROBE_CACHE to a folder on another disk"
        yield Check("cache", "note", text, remedy)
    else:
        yield Check("cache", "ok", text)
    if offline():
        yield Check("network", "note", "HIPROBE_OFFLINE or HF_HUB_OFFLINE is set: none is used")


@click.command()
@options.how_opened(
    click.option(
        "--backbone",
        metavar="NAME|FOLDER",
        help="Check this backbone instead: weights, states, words for a test picture, time, "
        "memory.",
    ),
    *options.numbers,
)
def doctor(spec: BackboneSpec) -> None:
    """Check cores, memory, GPU, codecs, backbones and disk; or load one backbone and try it.

    With --backbone: checks that every tensor of the files fits the model and none is missing, and
    that states are finite and change with the picture; then the model describes a drawn picture.
    Read its words: a model whose weights were read wrongly talks nonsense.

    The exit code is 1 where something is missing that HiProbe cannot run without.

    \b
    Examples:
      hiprobe doctor
      hiprobe doctor --backbone internvl2.5-8b
      hiprobe doctor --backbone /models/Qwen2.5-VL-7B-Instruct
    """

    if spec.name is None and spec != BackboneSpec():
        raise UsageError(f"{spec} is not enough: these options go with --backbone")
    missing = 0
    for check in run_checks() if spec.name is None else _tried(spec):
        missing += check.level == "missing"
        echo(f"{_SIGNS[check.level]} {check.name}: {check.text}")
        if check.remedy:
            echo(f"         -> {check.remedy}")
    if missing:
        raise SystemExit(1)


def _tried(spec: BackboneSpec) -> Iterator[Check]:
    from dataclasses import astuple

    from hiprobe.backbones.checkup import check_backbone
    from hiprobe.backbones.registry import backbone_folder

    folder = backbone_folder(spec.known_as, say=say)
    if folder is not None:  # else a package brings it, and knows where its weights lie
        yield Check("folder", "ok", str(folder))
    say("loading the weights ...")
    for finding in check_backbone(spec.open(), folder=folder):
        yield Check(*astuple(finding))


_SIGNS = {"ok": "ok      ", "note": "note    ", "missing": "MISSING "}
