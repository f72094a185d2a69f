"""Where a model runs and in which number format, by what the machine does natively."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from hiprobe.backbones.loading import DTYPES
from hiprobe.errors import BackboneError, BackboneMemoryError

# what allocators of the CPU and of Apple's GPU say, in a plain RuntimeError
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


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


def choose_dtype(device: torch.device, name: str | None = None) -> torch.dtype:
    """The named format, else bfloat16 where the hardware has it and float32 where it is emulated.

    float16 is never chosen: the deep layers of several models overflow in it.

    Raises:
        BackboneError: the name is unknown.
    """
    if name is not None:
        if name not in DTYPES:
            raise BackboneError(f"dtype {name!r} is unknown; choose one of {', '.join(DTYPES)}")
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and cpu_has_bfloat16_tiles()
    return torch.bfloat16 if native else torch.float32


def cpu_has_bfloat16_tiles(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies bfloat16 matrices itself (AMX).

    AVX-512's bfloat16 alone does not count: matrices are slower in it than in float32.
    """
    try:
        return "amx_bf16" in cpu_info.read_text(encoding="utf-8").split()
    except OSError:
        return False


@contextmanager
def memory_errors() -> Iterator[None]:
    """Torch's ways to say that memory ran out, as one typed error.

    Raises:
        BackboneMemoryError: memory ran out inside.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise _memory_error(error) from error
    except MemoryError as error:
        raise _memory_error(error) from error
    except RuntimeError as error:
        if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise _memory_error(error) from error
        raise


def _memory_error(error: BaseException) -> BackboneMemoryError:
    first = str(error).splitlines()[0] if str(error) else "out of memory"
    return BackboneMemoryError(
        f"the backbone ran out of memory ({first}); take a smaller batch or a smaller model"
    )
