"""What the hardware computes natively, and holding weights in one byte each."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError, StorageError
from hiprobe.machine import processor_flags, processor_name
from hiprobe.settings import cache_folder
from hiprobe.spec import DTYPES, QUANTISED
from hiprobe.store.text_files import json_text, write_text


def take_gpu(number: int) -> None:
    """Let `cuda` mean one of several GPUs for this process, the same for the same number."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # A process that is told nothing takes GPU 0: without this all workers would share it.
    if count > 1:
        torch.cuda.set_device(number % count)


def choose_device(name: str | None = None) -> torch.device:
    """The named device, else CUDA, Apple's MPS, the CPU, in this order.

    Raises:
        BackboneError: torch does not know the name.
    """
    if name is not None:
        try:
            return torch.device(name)
        except RuntimeError as error:
            raise BackboneError(f"device {name!r} is unknown; choose cuda, mps or cpu") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


# First macOS whose Metal knows bfloat16; before it torch refuses the format on MPS.
MPS_BFLOAT16_MACOS = 14

# First Apple chip (M3) whose GPU computes in bfloat16; Metal emulates it in float32 on M1 and M2.
# Where an Intel Mac has an MPS device, torch refuses the format.
MPS_BFLOAT16_CHIP = 3


@dataclass(frozen=True)
class Hardware:
    """What decides the number format on a device, as one machine has it.

    Attributes:
        cuda_bfloat16: its CUDA GPU multiplies bfloat16 itself (Ampere on).
        cpu_gain: how many times as fast its CPU multiplies matrices in bfloat16 as in float32.
        macos: major version of its macOS, 0 on other systems.
        apple_chip: 3 for an Apple M3 (Pro, Max, Ultra), 0 where it is none of Apple's.
    """

    cuda_bfloat16: bool = False
    cpu_gain: float = 0.0
    macos: int = 0
    apple_chip: int = 0

    @classmethod
    def here(cls, device_type: str) -> Hardware:
        """This machine, as far as it matters for a device."""
        return cls(
            cuda_bfloat16=device_type == "cuda"
            and torch.cuda.is_bf16_supported(including_emulation=False),
            cpu_gain=bfloat16_gain() if device_type == "cpu" else 0.0,
            macos=macos_version(platform.mac_ver()[0]),
            apple_chip=apple_chip(_chip_name()),
        )

    def has_bfloat16(self, device_type: str) -> bool:
        """Whether a device of this machine is faster in bfloat16."""
        native = {
            "cuda": self.cuda_bfloat16,
            "cpu": self.cpu_gain >= WORTH,
            "mps": self.macos >= MPS_BFLOAT16_MACOS and self.apple_chip >= MPS_BFLOAT16_CHIP,
        }
        return native.get(device_type, False)


def macos_version(release: str) -> int:
    """The major version of a release such as "14.5"; 0 where there is none."""
    first = release.partition(".")[0]
    return int(first) if first.isdigit() else 0


def apple_chip(name: str) -> int:
    """The number of a chip such as "Apple M3 Pro"; 0 for other makers' and names not known."""
    found = re.match(r"Apple M(\d+)\b", name)
    return int(found[1]) if found else 0


def _chip_name() -> str:
    if platform.system() != "Darwin":
        return ""
    asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def choose_dtype(
    device: torch.device, name: str | None = None, *, hardware: Hardware | None = None
) -> torch.dtype:
    """The named format, else bfloat16 where the hardware is faster in it, and float32 elsewhere.

    float16 is never chosen: the deep layers of several models overflow in it.

    Args:
        device: where the model runs.
        name: of the format, None for a choice.
        hardware: what the machine has, this one where None.

    Raises:
        BackboneError: the name is unknown.
    """
    if name is not None:
        if name not in DTYPES:
            raise BackboneError(f"dtype {name!r} is unknown; choose one of {', '.join(DTYPES)}")
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    native = (hardware or Hardware.here(device.type)).has_bfloat16(device.type)
    return torch.bfloat16 if native else torch.float32


# How many times as fast bfloat16 has to be on a CPU. It moves states by 1e-2 of their length, which
# a few percent are not worth. Processors lie far off: an EPYC with AVX512_BF16 has 2.2 to 2.4, and
# its segments of SmolVLM2 take 0.64 of the time; without that instruction it has 0.4.
WORTH = 1.3

# Positions, and edges of a matrix of a feed-forward part: some milliseconds in float32.
_PRODUCT = (128, 896, 2048)
_TURNS = 10

# What is measured in one format at most, after the first turn. Without the instructions a product
# may take fifty times as long.
_MOST_SECONDS = 0.1


def bfloat16_gain() -> float:
    """How many times as fast this CPU multiplies matrices in bfloat16 as in float32.

    Measured, since the name of an instruction does not tell, and kept in the cache folder: two
    workers that came to different ends would make states of different formats.
    """
    told = [processor_name(), processor_flags(), torch.__version__]
    told.append(torch.backends.cpu.get_cpu_capability())  # less where the environment limits it
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return _kept_gain(cache_folder() / "rates" / f"bfloat16-{digest}.json")


@cache
def _kept_gain(path: Path) -> float:
    # None yet, or a damaged one: it is measured again.
    with suppress(OSError, ValueError, TypeError, KeyError):
        return float(read_json(path)["gain"])
    found = _measured_gain()
    with suppress(StorageError):  # a folder that cannot be written costs this much each time
        write_text(path, json_text({"gain": found}) + "\n")
    return found


def _measured_gain() -> float:
    # With one thread: several wait for each other where other work goes on, which counts as theirs.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _product_seconds(torch.float32) / _product_seconds(torch.bfloat16)
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _product_seconds(dtype: torch.dtype) -> float:
    """By the processor's time, in which other work on the machine hardly counts."""
    positions, width, wide = _PRODUCT
    rows, matrix = torch.ones(positions, width).to(dtype), torch.ones(wide, width).to(dtype)
    torch.nn.functional.linear(rows, matrix)  # kernels are chosen at the first
    found: list[float] = []
    while len(found) < _TURNS and sum(found) < _MOST_SECONDS:
        began = time.process_time()
        torch.nn.functional.linear(rows, matrix)
        found.append(time.process_time() - began)
    # Some clocks of processors tick only every few milliseconds.
    return max(min(found), 1e-6)


def check_quantised(name: str | None) -> None:
    """Refuse an unknown format, or one that cannot be made here.

    Raises:
        BackboneError: the name is unknown, or torchao is not installed.
    """
    if name is None:
        return
    if name not in QUANTISED:
        raise BackboneError(
            f"quantised weights {name!r} are unknown; choose one of {', '.join(QUANTISED)}"
        )
    if importlib.util.find_spec("torchao") is None:
        raise BackboneError(
            f"weights in {name} need torchao, which is not installed; run: "
            "pip install 'hiprobe[quantised]'"
        )


def quantised(decoder: Any, name: str) -> None:
    """Hold the linear layers of a decoder in one byte per weight, in place.

    Vision tower, embeddings, norms and head stay as they are.

    Raises:
        BackboneError: torchao cannot do it with this torch.
    """
    check_quantised(name)
    try:
        with _quiet():
            from torchao.quantization import (
                Float8WeightOnlyConfig,
                Int8WeightOnlyConfig,
                quantize_,
            )

            made = {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}[name]()
            quantize_(decoder, made)
    except (ImportError, NotImplementedError, RuntimeError) as error:
        raise BackboneError(
            f"torchao cannot hold the weights in {name} here: {error}; open without quantising"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torchao's remarks about GPU parts that this machine has no use for."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
