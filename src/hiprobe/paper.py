"""Settings of the paper (HiProbe-VAD, section 4.1), as defaults everywhere."""

from __future__ import annotations

# Frames of one segment.
SEGMENT_FRAMES = 24

# Key frames K shown to the backbone for one segment.
KEY_FRAMES = 8

# Width of the Gaussian that smooths scores, in segments.
SIGMA_SEGMENTS = 0.4

# Factor of the spread in the threshold T = mu + kappa sigma.
KAPPA = 0.2
