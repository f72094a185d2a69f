"""Settings of the paper (HiProbe-VAD, section 4.1), as defaults everywhere."""

from __future__ import annotations

SEGMENT_FRAMES = 24
"""Frames of one segment."""

KEY_FRAMES = 8
"""Key frames K shown to the backbone for one segment."""

SIGMA_SEGMENTS = 0.4
"""Width of the Gaussian that smooths scores, in segments."""

KAPPA = 0.2
"""Factor of the spread in the threshold T = mu + kappa sigma."""
