"""The state at the last prompt position must tell the kinds of events apart, at every depth.

Words alone teach that slowly: a clip's few dozen tokens of answer are mostly grammar. Beside the
loss of words, a linear head at every other layer names the clip's kind from the state at the last
position. The layers are spread evenly, so that none is favoured. The heads are thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LAYERS = tuple(range(4, 31, 2))
DROPOUT = 0.2


class KindHeads(nn.Module):
    """For each watched layer a linear head from the standardised state to the kind."""

    def __init__(self, *, width: int, kinds: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width, affine=False), nn.Dropout(DROPOUT), nn.Linear(width, kinds)
            )
            for _ in LAYERS
        )

    def forward(self, hidden: Sequence[Tensor], kinds: Tensor) -> Tensor:
        """Mean cross-entropy over the layers.

        `hidden` are layers 0..L at the last prompt position, `[clips, width]` each; `kinds` are
        numbers `[clips]`.
        """
        read = zip(self.heads, LAYERS, strict=True)
        return torch.stack(
            [nn.functional.cross_entropy(h(hidden[n]), kinds) for h, n in read]
        ).mean()
