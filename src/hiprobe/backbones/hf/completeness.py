"""Whether a checkpoint held what the model takes: nothing missing, nothing left over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hiprobe.backbones.hf.weights import weight_files
from hiprobe.errors import BackboneError

_DECODER_LAYER = re.compile(r"(?:^|\.)(?:language_model|text_model|model)\.layers\.(\d+)\.")
_BUFFERS = (".rotary_emb.inv_freq", ".embeddings.position_ids")
"""Tables that older versions of transformers saved and today's compute: nothing is lost."""
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|output)\.")


def check_complete(folder: Path, report: Mapping[str, Any], *, depth: int | None) -> None:
    """Refuse a checkpoint that lacks tensors, or has some that find no place.

    Args:
        report: `missing_keys` and `unexpected_keys`, as transformers tells them.
        depth: decoder layers that were loaded, None for all; what lies above, and the head, may
            be left over then.

    Raises:
        BackboneError: a tensor is missing or left over, the first one named.
    """
    left_over = {name for name in report["unexpected_keys"] if not name.endswith(_BUFFERS)}
    if depth is not None:
        left_over -= set(above(left_over, depth=depth))
    for names, what in ((report["missing_keys"], "are missing"), (left_over, "have no place")):
        if names:
            files = ", ".join(path.name for path in weight_files(folder))
            raise BackboneError(
                f"{len(names)} tensors {what} in {files}, {min(names)} the first; the checkpoint "
                "is damaged or of another model: fetch it again"
            )


def above(names: Iterable[str], *, depth: int) -> Iterable[str]:
    """Names of the tensors that a decoder cut at `depth` layers leaves out."""
    for name in names:
        layer = _DECODER_LAYER.search(name)
        if _HEAD.search(name) or (layer and int(layer[1]) >= depth):
            yield name
