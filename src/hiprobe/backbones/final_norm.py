"""Backbones that bring states of the last layer behind the model's final norm."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class FinalNorm(Protocol):
    """States are read before the final norm; this is for comparing both readings of layer L."""

    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """States `[n, width]` of layer L as the language-model head would see them, float32.

        Raises:
            BackboneError: the decoder was loaded cut, without its norm.
        """
        ...
