"""Which words of the LLM's table a caption holds."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from captioned import Captioned

COMMON = 0.3  # a word in more captions than this says nothing about one of them


def word_sets(data: Captioned, tokenizer: Tokenizer) -> list[list[int]]:
    """Token numbers of each clip's words, each once."""
    found = []
    for text in data.texts:
        words = f" {text['change']} {text['scene']}".replace("\n", " ").lower()
        ids = tokenizer.encode(words.replace(".", " ").replace(",", " "), add_special_tokens=False)
        found.append(sorted(set(ids.ids)))
    return found


def targets(words: list[list[int]], vocabulary: Tensor) -> Tensor:
    """Rows that sum to one over the kept words, `[clips, words]`."""
    place = {int(w): i for i, w in enumerate(vocabulary)}
    rows = torch.zeros(len(words), len(vocabulary))
    for row, ids in enumerate(words):
        for i in ids:
            if i in place:
                rows[row, place[i]] = 1
    return rows / rows.sum(1, keepdim=True).clamp_min(1)


def kept_words(words: list[list[int]]) -> Tensor:
    """Words in at least three captions and in no more than a share of them."""
    ids, counts = np.unique(np.concatenate(words), return_counts=True)
    kept = (counts >= 3) & (counts < COMMON * len(words))
    return torch.from_numpy(ids[kept])
