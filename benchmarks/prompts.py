"""Measures several prompts over the same pictures: what they share read once, or by each anew.

    python benchmarks/prompts.py VIDEO [--backbone lite] [--prompts 5] [--batch 4] [--turns 7]

One thread, the processor's time, both ways in turn within one run. A backbone of the catalogue that
is not on this disk gets random weights. Prints one line of JSON; times are milliseconds a segment,
all prompts together:

- `segments`: pictures that were not seen before, to the layer l*;
- `decoder`: the same pictures again, whose features are kept: what is left is the language model;
- `answers`: the first token of the answer to each prompt, over the same pictures again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hiprobe.backbones.cost import LAYER_SHARE
from hiprobe.bench.ways import Fresh, first_segments
from hiprobe.machine import took
from hiprobe.prompts import PRESETS
from hiprobe.states import DECODER_READINGS

# Random weights come with a tokenizer that knows the marks of a conversation only.
WORDS = (("<|im_start|>",), ("<|im_end|>",))


@contextmanager
def nothing_shared(backbone: Any) -> Iterator[None]:
    """Within the block each prompt is read from its first position on."""
    backbone.keeping = lambda: None
    try:
        yield
    finally:
        del backbone.keeping


def in_pairs(
    backbone: Any, call: Callable[[Any], object], give: Callable[[], Any], turns: int
) -> dict[str, Any]:
    """The processor's milliseconds of a call of both ways, and the median of their ratios."""
    before, now = [], []
    for _ in range(turns + 1):  # the first one warms up
        with nothing_shared(backbone):
            before.append(1e3 * took(partial(call, give())).processor_seconds)
        now.append(1e3 * took(partial(call, give())).processor_seconds)
    ratios = [after / first for first, after in zip(before[1:], now[1:], strict=True)]
    return {
        "before": round(median(before[1:]), 1),
        "now": round(median(now[1:]), 1),
        "ratio": round(median(ratios), 3),
        "ratios": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def largest_distance(backbone: Any, segments: Sequence[Any], asked: dict[str, Any]) -> float:
    """How far both ways' states lie apart, as a share of their length."""
    asked |= {"readings": DECODER_READINGS}
    found = backbone.states_by_prompt(segments, **asked)
    with nothing_shared(backbone):
        expected = backbone.states_by_prompt(segments, **asked)
    return max(
        float(np.max(np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)))
        for prompt in expected
        for a, b in ((found[prompt][r], expected[prompt][r]) for r in DECODER_READINGS)
    )


def measure(name: str, video: Path, *, prompts: int, batch: int, turns: int) -> dict[str, Any]:
    """All that is printed about one backbone."""
    import torch

    from hiprobe.backbones.hf.random_model import open_or_build

    torch.set_num_threads(1)
    opened = open_or_build(name)
    backbone: Any = opened.backbone
    layer = max(1, round(LAYER_SHARE * backbone.layer_count))
    texts = tuple(PRESETS.values())[:prompts]
    segments = first_segments(video, 2 * batch)
    fresh, again = Fresh(segments), segments[:batch]
    asked = {"prompts": texts, "layers": [layer]}

    def states(given: Sequence[Any]) -> None:
        backbone.states_by_prompt(given, **asked)

    def answers(given: Sequence[Any]) -> None:
        backbone.first_token(given, prompts=texts, words=WORDS)

    new = in_pairs(backbone, states, lambda: [fresh() for _ in range(batch)], turns)
    with backbone.looked_at_once():
        decoder = in_pairs(backbone, states, lambda: again, turns)
        said = in_pairs(backbone, answers, lambda: again, turns)
        distance = largest_distance(backbone, again, asked)
    for found in (new, decoder, said):
        found.update({key: round(found[key] / batch, 1) for key in ("before", "now")})
    return {
        "backbone": name,
        "random": opened.is_random,
        "layer": layer,
        "prompts": len(texts),
        "batch": batch,
        "turns": turns,
        "segments": new,
        "decoder": decoder,
        "answers": said,
        "largest_distance": float(f"{distance:.1e}"),
    }


def main() -> None:
    """Measure one backbone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--backbone", default="lite")
    parser.add_argument("--prompts", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--turns", type=int, default=7)
    given = parser.parse_args()
    found = measure(
        given.backbone, given.video, prompts=given.prompts, batch=given.batch, turns=given.turns
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
