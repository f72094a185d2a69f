"""What the hardware computes natively, and holding weights in one byte each."""

from __future__ import annotations

import importlib.util
import logging
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hiprobe.errors import BackboneError
from hiprobe.spec import DTYPES, QUANTISED


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
    """What decides the number format, as one machine has it.

    Attributes:
        cuda_bfloat16: its CUDA GPU multiplies bfloat16 itself (Ampere on).
        cpu_tiles: its CPU multiplies bfloat16 matrices itself (AMX).
        macos: major version of its macOS, 0 on other systems.
        apple_chip: 3 for an Apple M3 (Pro, Max, Ultra), 0 where it is none of Apple's.
    """

    cuda_bfloat16: bool = False
    cpu_tiles: bool = False
    macos: int = 0
    apple_chip: int = 0

    @classmethod
    def here(cls) -> Hardware:
        """This machine."""
        return cls(
            cuda_bfloat16=torch.cuda.is_available()
            and torch.cuda.is_bf16_supported(including_emulation=False),
            cpu_tiles=cpu_has_bfloat16_tiles(),
            macos=macos_version(platform.mac_ver()[0]),
            apple_chip=apple_chip(_chip_name()),
        )

    def has_bfloat16(self, device_type: str) -> bool:
        """Whether a device of this machine computes in bfloat16 itself."""
        native = {
            "cuda": self.cuda_bfloat16,
            "cpu": self.cpu_tiles,
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
    """The named format, else bfloat16 where the hardware has it and float32 where it is emulated.

    float16 is never chosen: the deep layers of several models overflow in it.

    Args:
        device: where the model runs.
        name: of the format, None for a choice.
        hardware: what the machine has, `Hardware.here()` where None.

    Raises:
        BackboneError: the name is unknown.
    """
    if name is not None:
        if name not in DTYPES:
            raise BackboneError(f"dtype {name!r} is unknown; choose one of {', '.join(DTYPES)}")
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    native = (hardware or Hardware.here()).has_bfloat16(device.type)
    return torch.bfloat16 if native else torch.float32


def cpu_has_bfloat16_tiles(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 matrices itself (AMX).

    AVX-512's bfloat16 alone does not count: matrices are slower in it than in float32.
    """
    try:
        return "amx_bf16" in cpu_info.read_text(encoding="utf-8").split()
    except OSError:
        return False


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
