"""What the server needs of the library of results and of the teacher.

Their values are typed as `Any`: they are read by name into the server's own answers, which check
them. Unknown ids are a `LookupError`; what cannot be done is a `HiProbeError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hiprobe.progress import Progress
from hiprobe.review.event_queue import EventOrder
from hiprobe.review.values import LabelKind


class ReviewLibrary(Protocol):
    """Videos, events and labels; safe to use from several threads."""

    def videos(self) -> Sequence[Any]:
        """All videos."""

    def events(
        self,
        *,
        sort: EventOrder,
        reviewed: bool | None,
        video: str | None,
        camera: str | None,
        day: str | None,
        label: str | None,
        min_score: float | None,
        max_score: float | None,
        explained: bool | None,
        limit: int,
        cursor: str | None,
    ) -> Any:
        """One page of events: `events`, `next_cursor`, `total`."""

    def event(self, event_id: str, /) -> Any:
        """An event."""

    def curve(self, video_id: str, /) -> Any:
        """The scores of a video."""

    def resegment(self, video_id: str, threshold: float, /) -> Sequence[Any]:
        """Events at another threshold; nothing is kept."""

    def alarm_rate(self, threshold: float, /, *, video_id: str | None = None) -> Any:
        """`per_hour` and `footage`: calibrated, else with known events; None without either."""

    def set_threshold(self, video_id: str | None, threshold: float, reviewer: str, /) -> Any:
        """A new version of the probe."""

    def label(
        self,
        *,
        event_id: str | None,
        video_id: str | None,
        start_seconds: float | None,
        end_seconds: float | None,
        kind: LabelKind,
        class_name: str | None,
        note: str | None,
        reviewer: str,
    ) -> Any:
        """Keep a label; it is on disk when this returns."""

    def label_events(
        self,
        event_ids: Sequence[str],
        *,
        kind: LabelKind,
        class_name: str | None,
        note: str | None,
        reviewer: str,
    ) -> Sequence[Any]:
        """Keep a label for each of several events, all or none."""

    def unlabel(self, label_id: str, /) -> None:
        """Take a label back."""

    def undo(self, reviewer: str, /) -> Sequence[Any]:
        """Take back what this reviewer labelled last, many at once together; all of these."""

    def labels(self) -> Sequence[Any]:
        """All labels."""

    def import_labels(self, document: Mapping[str, Any], reviewer: str, /) -> int:
        """Take in exported labels; returns how many were new."""

    def video_path(self, video_id: str, /) -> Path:
        """Where a video lies."""

    def set_seen(self, event_id: str, reviewer: str, /, *, seen: bool) -> None:
        """Keep whether a reviewer has seen an event."""

    def set_explanation(self, event_id: str, words: str, /) -> None:
        """Keep the model's words on an event."""

    def probe(self) -> Any:
        """Name, recipe, layers and figures of the probe in use."""


class ReviewTeacher(Protocol):
    """Refits, versions, proposals and reasons."""

    def refit(self, progress: Progress, /) -> Any:
        """Fit on all labels; nothing is kept until it is accepted."""

    def find(self, refit_id: str, /) -> Any:
        """A refit that waits for acceptance."""

    def accept(self, refit_id: str, reviewer: str, /) -> Any:
        """Take a refit as the new version."""

    def discard(self, refit_id: str, /) -> None:
        """Throw a refit away."""

    def versions(self) -> Sequence[Any]:
        """All versions of the probe."""

    def restore(self, number: int, reviewer: str, /) -> Any:
        """Bring a version back, as a new one."""

    def proposals(self, count: int, /) -> Sequence[Any]:
        """What is most worth labelling next."""

    def gain(self) -> Sequence[tuple[int, float | None]]:
        """Number of labels and held-out AUC of each version."""

    def neighbours(self, event_id: str, /, count: int = 3) -> Sequence[Any]:
        """Labelled clips nearest to an event."""

    def members(self, event_id: str, /) -> Sequence[Any]:
        """How the members of a committee voted; empty for a single probe."""


class ReviewExports(Protocol):
    """Formats in which labels and events are exported."""

    def formats(self) -> Sequence[Any]:
        """`name`, `extension` and `about` of each."""

    def write(self, name: str, out: Path, /) -> Sequence[Any]:
        """Write everything in a format; `video` and `reason` of each that cannot be read."""


class ReviewModel(Protocol):
    """The model that tells in words what it sees."""

    def describe(self, video: Path, start_seconds: float, end_seconds: float, /) -> str:
        """Words on a stretch of a video; the first call opens the model.

        Raises:
            BackboneError: no model is at hand.
        """
