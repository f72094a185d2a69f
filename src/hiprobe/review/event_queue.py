"""The queue of events: which of them, in which order, and one page after the other."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from hiprobe.errors import UsageError
from hiprobe.review.values import EventPage, KeptEvent, ReviewedVideo

# "certain" begins with the events farthest above the threshold, "uncertain" with the nearest to it.
EventOrder = Literal["certain", "uncertain", "time"]

_Key = tuple[str | float, ...]


@dataclass(frozen=True, kw_only=True)
class QueueWish:
    """Which events to list, and in which order; None in a filter lets all pass.

    Attributes:
        reviewed: whether somebody has labelled or seen the event.
        video: id of a video.
        day: ISO date on which the event began; known only where a video's name says when it began.
        label: a kind of label, or the name of a class; "none" for events without a label.
        explained: whether the model was asked about the event.

    Raises:
        UsageError: there is no such order.
    """

    sort: EventOrder = "certain"
    reviewed: bool | None = None
    video: str | None = None
    camera: str | None = None
    day: str | None = None
    label: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    explained: bool | None = None

    def __post_init__(self) -> None:
        if self.sort not in get_args(EventOrder):
            raise UsageError(f"sort {self.sort!r}: choose one of {', '.join(get_args(EventOrder))}")

    def takes(self, event: KeptEvent, video: ReviewedVideo, *, reviewed: bool) -> bool:
        """Whether an event belongs to the queue."""
        low, high = self.min_score, self.max_score
        return (
            self.reviewed in (None, reviewed)
            and self.video in (None, event.video_id)
            and self.camera in (None, video.camera)
            and (self.day is None or self.day == day_of(event, video))
            and (self.label is None or self.label in _names(event))
            and (low is None or event.score >= low)
            and (high is None or event.score <= high)
            and self.explained in (None, event.explained)
        )

    def key(self, event: KeptEvent, video: ReviewedVideo) -> _Key:
        """What the queue is sorted by; the id comes last, so that no two events are equal.

        Of equal ones a page could end between two and the next page lose or repeat one.
        """
        if self.sort == "time":
            # ISO dates sort as text; videos whose clock is not known come first.
            return (video.start_clock or "", video.name, event.start_seconds, event.id)
        above = event.score - video.threshold
        return (-above if self.sort == "certain" else abs(above), event.id)

    @property
    def digest(self) -> str:
        """A short text that is the same for equal filters; it ties a cursor to its list."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def page_of(
    events: Sequence[KeptEvent],
    wish: QueueWish,
    *,
    videos: Mapping[str, ReviewedVideo],
    seen: frozenset[str],
    limit: int,
    cursor: str | None,
) -> EventPage:
    """One page of the events that a wish takes.

    A page begins after the last event of the one before, by its place and not by its number. So
    nothing is skipped when events are labelled, and drop out of the queue, in between.

    Args:
        videos: of all these events, by id.
        seen: ids of events that somebody has looked at.
        limit: how many events the page holds at most.
        cursor: `next_cursor` of the page before; None for the first page.

    Raises:
        UsageError: the limit is below 1, or the cursor is of another queue.
    """
    if limit < 1:
        raise UsageError(f"limit {limit}: give 1 or more")

    def placed(event: KeptEvent) -> _Key:
        return wish.key(event, videos[event.video_id])

    wanted = [
        e
        for e in events
        if wish.takes(e, videos[e.video_id], reviewed=e.label is not None or e.id in seen)
    ]
    left = wanted
    if cursor is not None:
        behind = _place(cursor, wish)
        left = [e for e in wanted if placed(e) > behind]
    left = sorted(left, key=placed)
    more = _cursor(placed(left[limit - 1]), wish) if len(left) > limit else None
    return EventPage(events=tuple(left[:limit]), next_cursor=more, total=len(wanted))


def day_of(event: KeptEvent, video: ReviewedVideo) -> str | None:
    """ISO date on which an event began; None where the video's clock is not known."""
    if video.start_clock is None:
        return None
    began = datetime.fromisoformat(video.start_clock) + timedelta(seconds=event.start_seconds)
    return began.date().isoformat()


def _names(event: KeptEvent) -> tuple[str | None, ...]:
    label = event.label
    return ("none",) if label is None else (label.kind, label.class_name)


def _cursor(place: _Key, wish: QueueWish) -> str:
    return base64.urlsafe_b64encode(json.dumps([wish.digest, *place]).encode()).decode()


def _place(cursor: str, wish: QueueWish) -> _Key:
    try:
        digest, *place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{cursor[:40]!r} is not a cursor; load the list again") from error
    if digest != wish.digest:
        raise UsageError("this cursor belongs to another list; load the list again")
    return tuple(place)
