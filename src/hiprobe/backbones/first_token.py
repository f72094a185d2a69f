"""From the logits of the first answer token to the probability of chosen words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.errors import BackboneError

Ids = tuple[tuple[int, ...], ...]


def first_ids(words: Sequence[Sequence[str]], *, encode: Callable[[str], Sequence[int]]) -> Ids:
    """The first tokens of each word's spellings, each token once.

    Raises:
        BackboneError: two words begin with the same token, or a word gives no token.
    """
    found = tuple(tuple(dict.fromkeys(_first(s, encode) for s in group)) for group in words)
    together = [token for group in found for token in group]
    if len(set(together)) < len(together) or not all(found):
        raise BackboneError(
            f"the words {[list(group) for group in words]} cannot be told apart by their first "
            "tokens in this model's vocabulary; choose other words"
        )
    return found


def log_probabilities(logits: Tensor, ids: Ids) -> NDArray[np.float64]:
    """Log-probability of each group of tokens, float64 `[n, groups]`, from logits `[n, tokens]`."""
    logs = torch.log_softmax(logits.double(), dim=-1)
    columns = [torch.logsumexp(logs[:, list(group)], dim=-1) for group in ids]
    return np.asarray(torch.stack(columns, dim=1).cpu().numpy(), dtype=np.float64)


def _first(spelling: str, encode: Callable[[str], Sequence[int]]) -> int:
    ids = encode(spelling)
    if not len(ids):
        raise BackboneError(f"the spelling {spelling!r} gives no token; choose another")
    return int(ids[0])
