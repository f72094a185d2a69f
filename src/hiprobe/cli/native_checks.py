"""Libraries with native code, each tried in a process of its own.

One that crashes on this machine is then a line of the report and not the end of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from hiprobe.cli.check_line import Check

CODECS = ("h264", "hevc", "av1", "mpeg4", "mjpeg", "vp9")
"""Decoders that cameras and phones need."""

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
_TRY_SECONDS = 300
"""A busy or cold machine takes minutes to load torch."""


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
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        last = f"not done after {_TRY_SECONDS} s; is the machine busy?"
    except (OSError, ValueError) as error:
        last = str(error)
    return {"error": f"cannot be loaded: {last}"}
