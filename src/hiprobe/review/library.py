"""The results that `hiprobe detect` wrote, joined with what the store of the review knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from hiprobe.errors import UsageError
from hiprobe.localize import check_threshold, find_events
from hiprobe.names import text_path
from hiprobe.review.event_queue import EventOrder, QueueWish, page_of
from hiprobe.review.result_videos import ResultVideo, clock_in, result_videos
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.values import (
    Curve,
    EventPage,
    KeptEvent,
    Label,
    LabelKind,
    UnknownIdError,
    Video,
)
from hiprobe.settings import states_folder
from hiprobe.timeline import Event, Timeline

MOST_EVENTS = 1_000_000


class Library:
    """Scored videos by the id that the store gives them; threads may share it."""

    def __init__(self, store: ReviewStore, found: dict[str, ResultVideo]) -> None:
        self.store = store
        self._found = found

    @classmethod
    def open(
        cls,
        results: Sequence[Path],
        *,
        store: ReviewStore | None = None,
    ) -> Self:
        """Read all timelines in result folders, and enter their events into the store.

        A video has the threshold that was set for it in the review.

        Args:
            results: folders that `detect` wrote with the format json.
            store: where labels are kept; by default the file in the first folder.

        Raises:
            UsageError: a folder holds no timelines, or one of them is damaged.
            StorageError: the store cannot be opened or written.
        """
        hashes = states_folder() / "hashes"
        read = [result for folder in results for result in result_videos(folder, hashes=hashes)]
        if not read:
            raise UsageError("no folder with results was given; name one that `detect` wrote")
        kept = store or ReviewStore.open(results[0] / STORE_NAME)
        try:
            ids = kept.add_videos([(result.path, result.content) for result in read])
            library = cls(kept, dict(zip(ids, read, strict=True)))
            library._show(library._scored_now())
        except BaseException:
            if store is None:
                kept.close()
            raise
        return library

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def videos(self) -> tuple[Video, ...]:
        """All videos, in the order of their results."""
        return tuple(self.video(video_id) for video_id in self._found)

    def video(self, video_id: str) -> Video:
        """A video.

        Raises:
            UnknownIdError: there is no such video.
        """
        timeline, found = self.timeline(video_id), self._found[video_id]
        path = text_path(found.path)
        return Video(
            id=video_id,
            name=path.name,
            path=found.path,
            camera=path.parent.name or None,
            duration_seconds=float(timeline.end_seconds[-1]) if len(timeline) else 0.0,
            threshold=timeline.threshold,
            start_clock=clock_in(path.name),
            truth=found.truth,
        )

    def events(
        self,
        *,
        sort: EventOrder = "certain",
        reviewed: bool | None = None,
        video: str | None = None,
        camera: str | None = None,
        day: str | None = None,
        label: str | None = None,
        min_score: float | None = None,
        max_score: float | None = None,
        explained: bool | None = None,
        limit: int = MOST_EVENTS,
        cursor: str | None = None,
    ) -> EventPage:
        """One page of the events that are wished for, see `QueueWish`.

        Args:
            limit: most events of the page.
            cursor: `next_cursor` of the page before.

        Raises:
            UsageError: a wish cannot be understood, or the cursor is of another queue.
            UnknownIdError: there is no such video.
        """
        wish = QueueWish(
            sort=sort,
            reviewed=reviewed,
            video=video,
            camera=camera,
            day=day,
            label=label,
            min_score=min_score,
            max_score=max_score,
            explained=explained,
        )
        if video is not None:
            self.timeline(video)
        videos = {found.id: found for found in self.videos()}
        events = [event for event in self.store.events(video) if event.video_id in videos]
        seen = self.store.seen_events()
        return page_of(events, wish, videos=videos, seen=seen, limit=limit, cursor=cursor)

    def event(self, event_id: str) -> KeptEvent:
        """An event, also where it is no longer found.

        Raises:
            UnknownIdError: there is no such event.
        """
        return self.store.event(event_id)

    def timeline(self, video_id: str) -> Timeline:
        """The scores of a video.

        Raises:
            UnknownIdError: there is no such video.
        """
        if video_id not in self._found:
            raise UnknownIdError(
                f"video {video_id!r} is not among the results; list the videos again"
            )
        return self._found[video_id].timeline

    def curve(self, video_id: str) -> Curve:
        """The scores of a video, to be drawn.

        Raises:
            UnknownIdError: there is no such video.
        """
        found = self.timeline(video_id)
        return Curve(
            video_id=video_id,
            start_seconds=found.start_seconds,
            end_seconds=found.end_seconds,
            raw=found.scores,
            smoothed=found.smoothed,
            threshold=found.threshold,
        )

    def video_path(self, video_id: str) -> Path:
        """Where the video lay when it was scored.

        Raises:
            UnknownIdError: there is no such video.
        """
        self.timeline(video_id)
        return text_path(self._found[video_id].path)

    def resegment(self, video_id: str, threshold: float) -> tuple[KeptEvent, ...]:
        """The events that another threshold would give; nothing is saved.

        Raises:
            UnknownIdError: there is no such video.
            UsageError: the threshold parts no scores.
        """
        check_threshold(threshold)
        return self.store.matched(video_id, events_at(self.timeline(video_id), threshold))

    def alarms_per_hour(self, threshold: float | None = None) -> float | None:
        """Events that meet no known one, per hour of the videos whose events are known.

        Args:
            threshold: for all of them; None takes the one of each.

        Returns:
            None where no video's events are known.
        """
        return alarms_per_hour(
            [(r.timeline, r.truth) for r in self._found.values() if r.truth is not None], threshold
        )

    def set_threshold(self, video_id: str, threshold: float, reviewer: str) -> None:
        """Keep a threshold for one video; it holds when the results are opened again.

        Raises:
            UnknownIdError: there is no such video.
            UsageError: the threshold parts no scores.
        """
        check_threshold(threshold)
        timeline = self.timeline(video_id)
        self.store.set_threshold(video_id, threshold, reviewer)
        self._show({video_id: at_threshold(timeline, threshold)})

    def label(
        self,
        *,
        kind: LabelKind,
        reviewer: str,
        event_id: str | None = None,
        video_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        class_name: str | None = None,
        note: str | None = None,
    ) -> Label:
        """Label an event, or a stretch of a video; it is on disk when this returns.

        Raises:
            UnknownIdError: there is no such event or video.
            UsageError: neither an event nor a stretch, or a class without a name.
        """
        if event_id is not None:
            event = self.event(event_id)
            video_id = event.video_id
            start_seconds, end_seconds = event.start_seconds, event.end_seconds
        if video_id is None or start_seconds is None or end_seconds is None:
            raise UsageError("a label needs an event, or a video with a start and an end")
        self.timeline(video_id)
        return self.store.add_label(
            video_id=video_id,
            event_id=event_id,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            kind=kind,
            class_name=class_name,
            note=note or "",
            reviewer=reviewer,
        )

    def unlabel(self, label_id: str) -> None:
        """Take a label back.

        Raises:
            UnknownIdError: there is no such label.
        """
        self.store.remove_label(label_id)

    def undo(self, reviewer: str) -> Label | None:
        """Take back the last label of a reviewer that stands; None where there is none."""
        own = [label for label in self.labels() if label.reviewer == reviewer]
        if not own:
            return None
        self.store.remove_label(own[-1].id)
        return own[-1]

    def labels(self) -> tuple[Label, ...]:
        """All labels that stand, in the order in which they were given."""
        return self.store.labels()

    def set_seen(self, event_id: str, reviewer: str, *, seen: bool = True) -> None:
        """Keep whether a reviewer has seen an event.

        Raises:
            UnknownIdError: there is no such event.
        """
        self.store.set_seen(event_id, reviewer, seen=seen)

    def set_explanation(self, event_id: str, words: str) -> None:
        """Keep the model's words on an event.

        Raises:
            UnknownIdError: there is no such event.
        """
        self.store.explain(event_id, words)

    def _scored_now(self) -> dict[str, Timeline]:
        """All timelines at the thresholds that were set for single videos."""
        own = self.store.thresholds()
        return {
            video_id: at_threshold(found.timeline, own.get(video_id, found.timeline.threshold))
            for video_id, found in self._found.items()
        }

    def _show(self, timelines: dict[str, Timeline]) -> None:
        self.store.put_events({video_id: found.events for video_id, found in timelines.items()})
        for video_id, timeline in timelines.items():
            self._found[video_id] = replace(self._found[video_id], timeline=timeline)


def events_at(timeline: Timeline, threshold: float) -> tuple[Event, ...]:
    """The events of a timeline at a threshold."""
    return find_events(timeline.start_seconds, timeline.end_seconds, timeline.smoothed, threshold)


def at_threshold(timeline: Timeline, threshold: float) -> Timeline:
    """The same scores with another threshold; as they are where it is theirs."""
    if threshold == timeline.threshold:
        return timeline
    return replace(timeline, threshold=threshold, events=events_at(timeline, threshold))


def alarms_per_hour(
    found: Sequence[tuple[Timeline, tuple[tuple[float, float], ...] | None]],
    threshold: float | None,
) -> float | None:
    """Events that meet no known one, per hour; None where there is no video."""
    seconds, alarms = 0.0, 0
    for timeline, truth in found:
        seconds += float((timeline.end_seconds - timeline.start_seconds).sum())
        events = timeline.events if threshold is None else events_at(timeline, threshold)
        alarms += sum(
            not any(s < e.end_seconds and e.start_seconds < t for s, t in truth or ())
            for e in events
        )
    return alarms * 3600 / seconds if seconds else None
