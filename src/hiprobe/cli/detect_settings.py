"""What one run of `hiprobe detect` was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.report.layers import LayerCurves
from hiprobe.report.words import Span


@dataclass(frozen=True)
class Wanted:
    """What to leave behind."""

    out: Path
    formats: Sequence[str]
    explain: bool = False
    clips: bool = False


@dataclass(frozen=True)
class Truth:
    """What is known of one video beforehand, for demonstrations.

    Attributes:
        spans: its events.
        cuts_seconds: where it passes from one clip to the next.
        notes: sentences that every report shows first.
        kind: the same in two words, for tables and pictures.
        layers: measures of the layers on the clips of the fit.
    """

    spans: Sequence[Span]
    cuts_seconds: Sequence[float]
    notes: Sequence[str]
    kind: str
    layers: LayerCurves | None = None


@dataclass(frozen=True)
class Scoring:
    """How scores become events; None keeps what the probe was fitted with."""

    threshold: float | None = None
    kappa: float | None = None
    sigma: float | None = None
