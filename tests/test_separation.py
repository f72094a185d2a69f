"""Silhouettes and t-SNE maps of the layers."""

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.separation import silhouette_by_layer, tsne_embedding


def draw(seed: int, clips: int, layers: int = 4, width: int = 5):
    return np.random.default_rng(seed).normal(size=(clips, layers, width))


def test_silhouette_is_high_where_the_classes_part():
    normal, anomalous = draw(9, 9), draw(10, 7)
    anomalous[:, 1] += 50
    labels = np.repeat([0, 1], [9, 7])
    found = silhouette_by_layer(np.concatenate([normal, anomalous]), labels)
    assert np.argmax(found) == 1 and found[1] > 0.8
    assert np.isnan(silhouette_by_layer(normal, labels[:9])).all()


def test_tsne_shows_first_chosen_and_last_layer_and_not_layer_0():
    vectors = draw(10, 16, layers=5)
    maps = tsne_embedding(vectors, chosen=2, layers=(0, 1, 2, 3, 4))
    assert list(maps) == [1, 2, 4]
    assert all(m.shape == (16, 2) and np.isfinite(m).all() for m in maps.values())
    with pytest.raises(UsageError):
        tsne_embedding(vectors, chosen=9)
