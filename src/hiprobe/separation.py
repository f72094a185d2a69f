"""How the two classes lie on each layer: silhouettes and t-SNE maps (paper, Figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError

_Floats = NDArray[np.float64]


def silhouette_by_layer(vectors: NDArray[Any], labels: NDArray[Any]) -> _Floats:
    """Silhouette of the two classes on every layer, Euclidean (paper, Figure 3).

    Args:
        vectors: `[clips, layers, dimensions]`.
        labels: `[clips]`, 0 or 1.

    Returns:
        float64 `[layers]`, NaN where undefined (one class, or fewer than three clips).
    """
    from sklearn.metrics import silhouette_score

    if len(np.unique(labels)) < 2 or len(labels) < 3:
        return np.full(vectors.shape[1], np.nan)
    layers = (vectors[:, i].astype(np.float64) for i in range(vectors.shape[1]))
    return np.array([silhouette_score(x, labels) for x in layers], dtype=np.float64)


def tsne_embedding(
    vectors: NDArray[Any],
    *,
    chosen: int,
    layers: Sequence[int] | None = None,
    perplexity: float | None = None,
    seed: int = 0,
) -> dict[int, _Floats]:
    """t-SNE maps of the first, the chosen and the last layer (paper, Figure 4).

    Layer 0 is left out: at the last prompt position it is the same vector for every input.

    Args:
        vectors: `[clips, layers, dimensions]`.
        chosen: number of the chosen layer.
        layers: numbers of the layers, 1, 2, ... unless given.
        perplexity: 30, or a third of the clips where there are few, unless given.

    Returns:
        layer number -> float64 `[clips, 2]`.

    Raises:
        UsageError: fewer than four clips, or the chosen layer is not there.
    """
    from sklearn.manifold import TSNE

    numbers = list(range(1, vectors.shape[1] + 1)) if layers is None else list(layers)
    if len(vectors) < 4 or chosen not in numbers:
        raise UsageError(
            f"t-SNE of layer {chosen} needs four clips or more and that layer; there are "
            f"{len(vectors)} clips with layers {numbers}"
        )
    # scikit-learn refuses a perplexity that is not below the number of clips
    wide = min(30.0, len(vectors) / 3) if perplexity is None else perplexity
    shown = sorted({min(n for n in numbers if n > 0), chosen, numbers[-1]})
    return {
        n: np.asarray(
            # from the principal components, so that a map depends on the clips and hardly on the
            # seed
            TSNE(perplexity=wide, init="pca", random_state=seed).fit_transform(
                vectors[:, numbers.index(n)].astype(np.float64)
            ),
            dtype=np.float64,
        )
        for n in shown
    }
