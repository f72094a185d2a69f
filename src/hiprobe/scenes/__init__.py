"""Rendered surveillance-like scenes, for training the lite backbone and for the demonstration.

Kinds and seeds of training and of the demonstration are kept apart (`kinds`). The renderer
itself (`render`, `demo`) needs OpenCV and is imported where it is used.
"""

from hiprobe.scenes.kinds import (
    DEMO_ANOMALOUS,
    DEMO_KINDS,
    DEMO_NORMAL,
    DEMO_SEEDS,
    TRAINING_ANOMALOUS,
    TRAINING_KINDS,
    TRAINING_NORMAL,
    TRAINING_SEEDS,
    label_of,
)

__all__ = [
    "DEMO_ANOMALOUS",
    "DEMO_KINDS",
    "DEMO_NORMAL",
    "DEMO_SEEDS",
    "TRAINING_ANOMALOUS",
    "TRAINING_KINDS",
    "TRAINING_NORMAL",
    "TRAINING_SEEDS",
    "label_of",
]
