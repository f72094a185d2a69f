"""The results that `hiprobe detect` wrote, joined with what the store of the review knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from hiprobe.errors import UsageError
from hiprobe.localize import check_threshold
from hiprobe.names import clock_in_name, text_path
from hiprobe.review.alarm_rates import at_threshold, events_at, on_cameras, on_known_events
from hiprobe.review.event_queue import EventOrder, QueueWish, page_of
from hiprobe.review.probe_in_use import ProbeInUse
from hiprobe.review.result_videos import ResultVideo, result_videos
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.values import (
    CountedAlarms,
    EventPage,
    KeptEvent,
    Label,
    LabelKind,
    ProbeCard,
    ProbeVersion,
    ReviewedVideo,
    UnknownIdError,
    new_id,
)
from hiprobe.settings import states_folder
from hiprobe.timeline import Timeline

MOST_EVENTS = 1_000_000


class Library:
    """Scored videos with their events and labels; threads may share it.

    A method that takes an id raises `UnknownIdError` where there is no such video, event or label.
    """

    def __init__(
        self, store: ReviewStore, found: dict[str, ResultVideo], in_use: ProbeInUse | None
    ) -> None:
        self.store = store
        self.in_use = in_use
        self._found = found

    @classmethod
    def open(
        cls,
        results: Sequence[Path],
        *,
        probe: Path | None = None,
        store: ReviewStore | None = None,
    ) -> Self:
        """Read all timelines in result folders, and enter their events into the store.

        A video keeps the threshold that was set for it in the review, or that `detect` was given.
        Where the probe has changed since a video was scored, the video is scored again from its
        states in the cache.

        Args:
            results: folders that `detect` wrote with the format json.
            probe: folder of the probe that wrote them; by default the one that the store
                remembers, and there may be none.
            store: where labels are kept; by default the file in the first folder.

        Raises:
            UsageError: a folder holds no timelines, or one of them is damaged.
            StorageError: the store cannot be opened or written.
            ProbeFolderError: the probe cannot be opened.
        """
        hashes = states_folder() / "hashes"
        read = [result for folder in results for result in result_videos(folder, hashes=hashes)]
        if not read:
            raise UsageError("no folder with results was given; name one that `detect` wrote")
        kept = store or ReviewStore.open(results[0] / STORE_NAME)
        try:
            ids = kept.add_videos([(result.path, result.content) for result in read])
            found = dict(zip(ids, read, strict=True))
            given = {video_id: result.given_threshold for video_id, result in found.items()}
            kept.take_given_thresholds({v: t for v, t in given.items() if t is not None})
            library = cls(kept, found, ProbeInUse.of_store(kept, probe))
            library.show(library._now())
        except BaseException:
            if store is None:  # a store that was handed in belongs to the caller
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

    def videos(self) -> tuple[ReviewedVideo, ...]:
        """All videos, in the order of their results."""
        return tuple(self.video(video_id) for video_id in self._found)

    def video_ids(self) -> tuple[str, ...]:
        """The ids of all videos, in the order of their results."""
        return tuple(self._found)

    def video(self, video_id: str) -> ReviewedVideo:
        """A video."""
        found = self.result(video_id)
        timeline, path = found.timeline, text_path(found.path)
        clock = clock_in_name(path.name)
        return ReviewedVideo(
            id=video_id,
            name=path.name,
            path=found.path,
            camera=path.parent.name or None,
            duration_seconds=float(timeline.end_seconds[-1]) if len(timeline) else 0.0,
            threshold=timeline.threshold,
            kappa=None if self.in_use is None else self.in_use.kappa_of(timeline.threshold),
            start_clock=clock.isoformat() if clock else None,
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
        """One page of events, filtered and sorted; see `QueueWish` for the filters.

        Args:
            limit: how many events the page holds at most.
            cursor: `next_cursor` of the page before.

        Raises:
            UsageError: a wish cannot be understood, or the cursor is of another queue.
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
            self.result(video)  # an unknown id is an error, not an empty page
        videos = {found.id: found for found in self.videos()}
        # The store may know more videos than are open: folders that another run reviewed with it,
        # and those that came with imported labels.
        events = [event for event in self.store.events(video) if event.video_id in videos]
        seen = self.store.seen_events()
        return page_of(events, wish, videos=videos, seen=seen, limit=limit, cursor=cursor)

    def event(self, event_id: str) -> KeptEvent:
        """An event, also one that the scores of today no longer give."""
        return self.store.event(event_id)

    def timeline(self, video_id: str) -> Timeline:
        """The scores of a video."""
        return self.result(video_id).timeline

    def video_path(self, video_id: str) -> Path:
        """Where the video lay when it was scored."""
        return text_path(self.result(video_id).path)

    def resegment(self, video_id: str, threshold: float) -> tuple[KeptEvent, ...]:
        """The events that another threshold would give; nothing is saved.

        Raises:
            UsageError: the threshold is not within 0 to 1.
        """
        check_threshold(threshold)
        return self.store.matched(video_id, events_at(self.timeline(video_id), threshold))

    def alarm_rate(
        self, threshold: float | None = None, *, video_id: str | None = None
    ) -> CountedAlarms | None:
        """Alarms an hour on calibrated footage; where there is none, on videos with known events.

        Args:
            threshold: for all footage; None takes that of the probe, or of each video.
            video_id: count on the footage of this video's camera alone, if it was calibrated.

        Returns:
            None where there is neither calibrated footage nor a video with known events.
        """
        if self.in_use is not None:
            cameras = self.in_use.cameras()
            own = None if video_id is None else self.video(video_id).camera
            if own in cameras:
                cameras = {own: cameras[own]}
            at = self.in_use.probe.threshold_ if threshold is None else threshold
            if (rate := on_cameras(cameras, at)) is not None:
                return rate
        return on_known_events([(r.timeline, r.truth) for r in self._found.values()], threshold)

    def set_threshold(self, video_id: str | None, threshold: float, reviewer: str) -> ProbeVersion:
        """Keep a threshold for one video, or for all; it still holds when the results are reopened.

        One for all videos makes a new version of the probe and replaces the thresholds of single
        videos. One for a single video leaves the probe as it is.

        Args:
            video_id: None for all videos.

        Returns:
            The version of the probe that is in use then.

        Raises:
            UsageError: the threshold is not within 0 to 1, or there is no probe to set it for.
        """
        check_threshold(threshold)
        if video_id is not None:
            timeline = self.timeline(video_id)
            self.store.set_threshold(video_id, threshold, reviewer)
            self.show({video_id: at_threshold(timeline, threshold)})
            return self.version
        in_use = self.probe_in_use()
        before = in_use.versions.current
        made = in_use.take(
            in_use.at_threshold(threshold),
            f"threshold {threshold:g}",
            reviewer=reviewer,
            label_count=before.label_count,
            after=before.number,
            scores_alike=True,
        )
        self.store.drop_thresholds(reviewer)
        self.show({v: at_threshold(r.timeline, threshold) for v, r in self._found.items()})
        return made

    @property
    def version(self) -> ProbeVersion:
        """The version of the probe in use; one of number 0 where there is no probe folder."""
        if self.in_use is not None:
            return self.in_use.versions.current
        first = next(iter(self._found.values()))
        return ProbeVersion(
            number=0,
            made_at_utc=datetime.now(UTC).isoformat(),
            reason="no probe folder was given",
            cv_auc=first.probe.get("cv_auc"),
            threshold=first.timeline.threshold,
            label_count=0,
            current=True,
        )

    def probe_in_use(self) -> ProbeInUse:
        """The probe that the results are of.

        Raises:
            UsageError: none was given.
        """
        if self.in_use is None:
            raise UsageError("this needs the probe that scored the videos; give it with --probe")
        return self.in_use

    def probe(self) -> ProbeCard:
        """What is shown of the probe.

        Raises:
            UsageError: none was given.
        """
        return self.probe_in_use().card()

    def result(self, video_id: str) -> ResultVideo:
        """A video as it was scored."""
        if video_id not in self._found:
            raise UnknownIdError(
                f"video {video_id!r} is not among the results; list the videos again"
            )
        return self._found[video_id]

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
            UsageError: neither an event nor a stretch, or a class without a name.
        """
        if event_id is not None:
            # The label keeps the stretch that was judged: a later threshold moves the event's ends.
            event = self.event(event_id)
            video_id = event.video_id
            start_seconds, end_seconds = event.start_seconds, event.end_seconds
        if video_id is None or start_seconds is None or end_seconds is None:
            raise UsageError("a label needs an event, or a video with a start and an end")
        self.result(video_id)
        made = Label(
            video_id=video_id,
            event_id=event_id,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            kind=kind,
            class_name=class_name,
            note=note or "",
            reviewer=reviewer,
        )
        self.store.put_labels([made], action=new_id())
        return made

    def label_events(
        self,
        event_ids: Sequence[str],
        *,
        kind: LabelKind,
        reviewer: str,
        class_name: str | None = None,
        note: str | None = None,
    ) -> tuple[Label, ...]:
        """Give several events the same label, all or none; it is on disk when this returns.

        Raises:
            UsageError: a class without a name.
        """
        events = [self.event(event_id) for event_id in dict.fromkeys(event_ids)]
        for event in events:
            self.result(event.video_id)
        made = tuple(
            Label(
                video_id=event.video_id,
                event_id=event.id,
                start_seconds=event.start_seconds,
                end_seconds=event.end_seconds,
                kind=kind,
                class_name=class_name,
                note=note or "",
                reviewer=reviewer,
            )
            for event in events
        )
        self.store.put_labels(made, action=new_id())
        return made

    def unlabel(self, label_id: str) -> None:
        """Take a label back."""
        self.store.remove_label(label_id)

    def undo(self, reviewer: str) -> tuple[Label, ...]:
        """Take back what a reviewer labelled last; several events labelled at once count as one.

        Returns:
            The labels that were taken back; empty where there is nothing to undo.
        """
        return self.store.undo(reviewer)

    def labels(self) -> tuple[Label, ...]:
        """All labels that stand, in the order in which they were given."""
        return self.store.labels()

    def import_labels(self, document: Mapping[str, Any], reviewer: str) -> int:
        """Take in the labels of another review, see `label_documents.import_labels`.

        Raises:
            UsageError: it is no such document, or a label in it is not sound.
        """
        # label_documents reads libraries, so it cannot be imported before this class is there.
        from hiprobe.review.label_documents import import_labels

        return import_labels(self, document, reviewer)

    def set_seen(self, event_id: str, reviewer: str, *, seen: bool = True) -> None:
        """Keep whether a reviewer has seen an event."""
        self.store.set_seen(event_id, reviewer, seen=seen)

    def set_explanation(self, event_id: str, words: str) -> None:
        """Keep the model's words on an event."""
        self.store.explain(event_id, words)

    def show(self, timelines: Mapping[str, Timeline]) -> None:
        """Replace the scores of videos; an event that overlaps an old one keeps its id."""
        self.store.put_events({video_id: found.events for video_id, found in timelines.items()})
        for video_id, timeline in timelines.items():
            self._found[video_id] = replace(self._found[video_id], timeline=timeline)

    def _now(self) -> dict[str, Timeline]:
        """All timelines by the probe as it is now, at the thresholds set for single videos.

        A video that another version scored, and whose states are gone, keeps its old scores.
        """
        own, found = self.store.thresholds(), {}
        for video_id, result in self._found.items():
            timeline: Timeline | None = result.timeline
            if self.in_use is not None and not self.in_use.has_scored(result.probe):
                timeline = self.in_use.scored(result)
            kept = timeline or result.timeline
            found[video_id] = at_threshold(kept, own.get(video_id, kept.threshold))
        return found
