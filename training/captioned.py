"""Features with their captions, as `features.py` wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Captioned:
    """Features float16 `[clips, frames, tokens, channels]`; change, scene and kind of each."""

    features: np.ndarray
    texts: tuple[dict[str, str], ...]

    def batch(self, rows: np.ndarray) -> Tensor:
        """Some clips' features, float32."""
        return torch.from_numpy(self.features[rows].astype(np.float32))


def read_captioned(folders: list[Path]) -> Captioned:
    """All parts of some folders."""
    parts = sorted(p for f in folders for p in f.glob("part-*[0-9].npy"))
    texts = [t for p in parts for t in json.loads(p.with_suffix(".json").read_text())]
    return Captioned(np.concatenate([np.load(p) for p in parts]), tuple(texts))
