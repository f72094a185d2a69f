"""Backbones that read several prompts in one look at the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone
from hiprobe.segment import Segment
from hiprobe.states import Reading


@runtime_checkable
class PromptsBackbone(Backbone, Protocol):
    """A backbone that reads several prompts over the same pictures, and looks at them once."""

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """Prompt -> what `states` of a backbone opened with that prompt gives."""
        ...
