"""What results are written of: one scored video, and what all videos of a run have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.report.layers import LayerCurves
from hiprobe.report.words import Span
from hiprobe.timeline import Timeline

if TYPE_CHECKING:
    from hiprobe.evaluation.cuts import CutMeasures


@dataclass(frozen=True)
class Subject:
    """What is reported on.

    Attributes:
        video: the file that was scored; states have no pictures, so no MP4 and thumbnails.
        name: what results are named after.
        has_pictures: False for extracted states.
        truth_spans, cuts_seconds: what is known of a demonstration's video.
    """

    video: Path
    name: str
    timeline: Timeline
    has_pictures: bool
    truth_spans: Sequence[Span] | None = None
    cuts_seconds: Sequence[float] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def cuts(self) -> CutMeasures | None:
        """What segments that straddle a cut do; None where the truth or its cuts are not known."""
        if self.truth_spans is None or not self.cuts_seconds:
            return None
        from hiprobe.evaluation.cuts import measure_cuts

        truth = self.truth_spans
        return measure_cuts(self.timeline, truth_spans=truth, cuts_seconds=self.cuts_seconds)


@dataclass(frozen=True)
class Context:
    """What all videos of a run have in common.

    Attributes:
        notes: sentences that every report shows first.
        kind: the same in two words, for tables and pictures ("rendered scenes").
    """

    out: Path
    formats: Sequence[str]
    probe: Mapping[str, Any]
    layers: LayerCurves | None = None
    notes: Sequence[str] = ()
    kind: str = ""
