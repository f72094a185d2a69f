"""Models without their language-model head, so that it is neither built nor read from disk."""

from __future__ import annotations

from typing import Any

from torch import nn


def without_head(kind: Any) -> Any:
    """A class of transformers as it is, but for its head, which is the identity."""

    def build(self: Any, config: Any) -> None:
        kind.__init__(self, config)
        self.lm_head = nn.Identity()

    return type(
        kind.__name__,
        (kind,),
        {
            "__init__": build,
            "_tied_weights_keys": {},  # the head that would share the embeddings is not there
            "get_output_embeddings": lambda self: None,
            "__module__": kind.__module__,
        },
    )
