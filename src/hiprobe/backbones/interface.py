"""What every backbone offers; one conformance suite in the tests runs over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiprobe.segment import Frame, Segment
from hiprobe.states import Fingerprint, Reading

DETECT_PROMPT = "Identify any abnormal events or safety hazards in this video."
"""Default prompt; the paper gives none, this is the wording of its author's later work."""


@runtime_checkable
class Backbone(Protocol):
    """A frozen multimodal LLM that is read, never trained.

    Attributes:
        fingerprint: decides whether two sets of states can be compared; the same for a
            backbone loaded whole and one cut at a layer.
        layer_count: L, decoder layers of the whole model.
        width: D, width of a hidden state.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""
        ...

    @property
    def layer_count(self) -> int:
        """L, decoder layers of the whole model."""
        ...

    @property
    def width(self) -> int:
        """D, width of a hidden state."""
        ...

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """One forward pass per segment: for each reading float32 `[segments, layers, width]`.

        Layer 0 is the embedding output, l the output of decoder layer l before the final norm.
        The decoder is run no deeper than the highest layer asked for.

        Raises:
            StatesError: a layer does not exist, or a state is not finite.
        """
        ...

    def describe(self, frames: Sequence[Frame], *, prompt: str, max_new_tokens: int = 64) -> str:
        """The model's own words about some frames, decoded greedily (deterministic)."""
        ...
