"""The results that `hiprobe detect` wrote, joined with what the store of the review knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hiprobe.errors import UsageError
from hiprobe.localize import check_threshold
from hiprobe.names import clock_in_name, path_text, text_path
from hiprobe.review.alarm_rates import CountedAlarms, events_at, on_cameras, on_known_events
from hiprobe.review.event_queue import EventOrder, QueueWish, page_of
from hiprobe.review.result_videos import ResultVideo, result_videos
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.values import (
    EventPage,
    KeptEvent,
    Label,
    LabelKind,
    ProbeCard,
    ProbeVersion,
    ReviewedVideo,
    ScoreCurve,
    UnknownIdError,
)
from hiprobe.settings import states_folder
from hiprobe.timeline import Timeline

if TYPE_CHECKING:
    from hiprobe.probe import Probe
    from hiprobe.review.probe_in_use import ProbeInUse

MOST_EVENTS = 1_000_000


class Library:
    """Scored videos by the id that the store gives them; threads may share it."""

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

        A video has the threshold that was set for it in the review, or that `detect` was given.
        Where the probe was changed since a video was scored, its scores are computed anew from the
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
            library = cls(kept, found, _in_use(kept, probe))
            library.show(library._now())
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

    def videos(self) -> tuple[ReviewedVideo, ...]:
        """All videos, in the order of their results."""
        return tuple(self.video(video_id) for video_id in self._found)

    def video_ids(self) -> tuple[str, ...]:
        """The ids of all videos, in the order of their results."""
        return tuple(self._found)

    def video(self, video_id: str) -> ReviewedVideo:
        """A video.

        Raises:
            UnknownIdError: there is no such video.
        """
        timeline, found = self.timeline(video_id), self._found[video_id]
        path = text_path(found.path)
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

    def curve(self, video_id: str) -> ScoreCurve:
        """The scores of a video, to be drawn.

        Raises:
            UnknownIdError: there is no such video.
        """
        found = self.timeline(video_id)
        return ScoreCurve(
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

    def alarm_rate(
        self, threshold: float | None = None, *, video_id: str | None = None
    ) -> CountedAlarms | None:
        """Alarms an hour on calibrated footage; where there is none, on videos with known events.

        Args:
            threshold: for all footage; None is that of the probe, or of each video.
            video_id: takes the footage of this video's camera alone, where that was calibrated.

        Returns:
            None where there is neither.

        Raises:
            UnknownIdError: there is no such video.
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
        """Keep a threshold for one video, or for all; it holds when the results are opened again.

        One for all makes a new version of the probe, and takes the place of those for single
        videos. One for a single video leaves the probe as it is.

        Returns:
            The version of the probe that is in use then.

        Raises:
            UnknownIdError: there is no such video.
            UsageError: the threshold parts no scores, or there is no probe to set it for.
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
        """A video as it was scored.

        Raises:
            UnknownIdError: there is no such video.
        """
        self.timeline(video_id)
        return self._found[video_id]

    def scored_by(
        self, probe: Probe | None = None, tell: Callable[[str], None] | None = None
    ) -> dict[str, Timeline]:
        """Every video whose states are kept, scored anew; those without are left out.

        Args:
            probe: the one in use where None.
            tell: hears the name of each video when it is done.
        """
        in_use, own = self.probe_in_use(), self.store.thresholds()
        scored = {}
        for video_id, found in self._found.items():
            timeline = in_use.scored(found, probe, threshold=own.get(video_id))
            if timeline is not None:
                scored[video_id] = timeline
            if tell is not None:
                tell(text_path(found.path).name)
        return scored

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

    def label_events(
        self,
        event_ids: Sequence[str],
        *,
        kind: LabelKind,
        reviewer: str,
        class_name: str | None = None,
        note: str | None = None,
    ) -> tuple[Label, ...]:
        """Label events alike, all or none; the labels are on disk when this returns.

        Raises:
            UnknownIdError: there is no such event.
            UsageError: a class without a name.
        """
        for event_id in event_ids:
            self.timeline(self.event(event_id).video_id)
        return self.store.label_events(
            event_ids, kind=kind, reviewer=reviewer, class_name=class_name, note=note or ""
        )

    def unlabel(self, label_id: str) -> None:
        """Take a label back.

        Raises:
            UnknownIdError: there is no such label.
        """
        self.store.remove_label(label_id)

    def undo(self, reviewer: str) -> tuple[Label, ...]:
        """Take back what a reviewer labelled last; events that were labelled at once together.

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
        from hiprobe.review.label_documents import import_labels

        return import_labels(self, document, reviewer)

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

    def show(self, timelines: Mapping[str, Timeline]) -> None:
        """Take new scores of videos; their events keep their ids by overlap."""
        self.store.put_events({video_id: found.events for video_id, found in timelines.items()})
        for video_id, timeline in timelines.items():
            self._found[video_id] = replace(self._found[video_id], timeline=timeline)

    def _now(self) -> dict[str, Timeline]:
        """All timelines by the probe as it is now, at the thresholds set for single videos."""
        own, found = self.store.thresholds(), {}
        for video_id, result in self._found.items():
            timeline: Timeline | None = result.timeline
            if self.in_use is not None and not self.in_use.has_scored(result.probe):
                timeline = self.in_use.scored(result)
            kept = timeline or result.timeline
            found[video_id] = at_threshold(kept, own.get(video_id, kept.threshold))
        return found


def _in_use(store: ReviewStore, folder: Path | None) -> ProbeInUse | None:
    """The probe of a folder, which the store remembers; of the one it remembers where None."""
    from hiprobe.review.probe_in_use import ProbeInUse

    if folder is not None:
        found = ProbeInUse.open(folder)
        store.keep_setting("probe", path_text(folder.absolute()))
        return found
    known = store.setting("probe")
    return None if known is None else ProbeInUse.open(text_path(known))


def at_threshold(timeline: Timeline, threshold: float) -> Timeline:
    """The same scores with another threshold; as they are where it is theirs."""
    if threshold == timeline.threshold:
        return timeline
    return replace(timeline, threshold=threshold, events=events_at(timeline, threshold))
