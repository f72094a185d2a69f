"""Teaching: a refit on all labels, what it changes, and the versions that come of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.probe import Probe
from hiprobe.probe.fitting import KEPT_VIEW
from hiprobe.progress import Clock, Progress
from hiprobe.review.alarm_rates import footage_again, on_cameras, on_known_events
from hiprobe.review.event_reasons import member_votes, nearest
from hiprobe.review.lessons import Lessons, lessons_of
from hiprobe.review.library import Library
from hiprobe.review.proposals import propose
from hiprobe.review.values import (
    CountedAlarms,
    Doubt,
    KeptEvent,
    MemberVote,
    Neighbour,
    ProbeFigures,
    ProbeVersion,
    Proposal,
    Refit,
    UnknownIdError,
    new_id,
)
from hiprobe.timeline import Timeline

# Refits that wait for an answer; the oldest is thrown away first. Each holds a probe with its clips
# and all scores of the review, and a page that was closed never answers.
MOST_WAITING = 8


@dataclass(frozen=True)
class _Waiting:
    refit: Refit
    probe: Probe
    timelines: Mapping[str, Timeline]
    version: int


class Teacher:
    """Refits the probe of a library; threads may share it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._waiting: dict[str, _Waiting] = {}
        self._guard = threading.Lock()

    def refit(self, progress: Progress | None = None) -> Refit:
        """Fit on the probe's clips and all labels; nothing is kept until `accept`.

        No model runs: the states are those of the probe's folder and of the cache.

        Args:
            progress: is told of each video, once when its states are read and once when it is
                scored again.

        Raises:
            UsageError: nothing is labelled, no labelled video has states in the cache, or the probe
                cannot be extended.
            ProbeFolderError: the probe was saved without the states of its clips.
            LabelError: labels and clips are of one kind only.
        """
        library, began = self.library, time.monotonic()
        current = library.probe_in_use().versions.current
        # After the last label was taken back a refit must still be possible: it forgets them.
        if not library.labels() and not current.label_count:
            raise UsageError("nothing is labelled yet; label some events first")
        cameras = library.probe_in_use().cameras()
        clock = Clock(progress, 2 * len(library.video_ids()) + 1 + len(cameras))
        told = _Steps(clock)
        lessons = lessons_of(library, told.step)
        probe = _fitted(lessons, library)
        told.step("fit")
        timelines = scored_again(library, probe, told.step)
        alarms_before, alarms_after = self._alarms(probe, timelines, told.step)
        told.finish()
        appearing, vanishing = self._changes(timelines)
        refit = Refit(
            id=new_id(),
            before=_figures(library.probe_in_use().probe, current.label_count),
            after=_figures(probe, lessons.label_count),
            appearing=appearing,
            vanishing=vanishing,
            alarms_before=alarms_before,
            alarms_after=alarms_after,
            stale_cameras=tuple(cameras),
            doubtful=doubtful(probe),
            left_out=lessons.left_out,
            seconds=time.monotonic() - began,
        )
        with self._guard:
            self._waiting[refit.id] = _Waiting(refit, probe, timelines, current.number)
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        return refit

    def find(self, refit_id: str) -> Refit:
        """A refit that waits for an answer.

        Raises:
            UnknownIdError: there is none.
        """
        return self._find(refit_id).refit

    def accept(self, refit_id: str, reviewer: str) -> ProbeVersion:
        """Make a refit the new version of the probe; the version before is kept.

        Raises:
            UnknownIdError: there is no such refit.
            ProbeFolderError: the probe has changed since; refit again.
            StorageError: it cannot be written; the probe stays as it was.
        """
        found = self._find(refit_id)
        count = found.refit.after.label_count
        made = self.library.probe_in_use().take(
            found.probe,
            f"{count} labels" if count != 1 else "1 label",
            reviewer=reviewer,
            label_count=count,
            after=found.version,
        )
        self.library.show(found.timelines)
        self.library.store.audit(reviewer, "accepted a refit", f"version {made.number}")
        self.discard(refit_id)
        return made

    def discard(self, refit_id: str) -> None:
        """Throw a refit away.

        Raises:
            UnknownIdError: there is none.
        """
        self._find(refit_id)
        with self._guard:
            self._waiting.pop(refit_id, None)

    def versions(self) -> tuple[ProbeVersion, ...]:
        """All versions of the probe, the first one first."""
        return self.library.probe_in_use().versions.all()

    def restore(self, number: int, reviewer: str) -> ProbeVersion:
        """Bring a version back, as a new one.

        Raises:
            UnknownIdError: there is no such version.
        """
        made = self.library.probe_in_use().restore(number, reviewer)
        self.library.show(scored_again(self.library))
        self.library.store.audit(reviewer, "brought a version back", f"version {number}")
        return made

    def gain(self) -> list[tuple[int, float | None]]:
        """Number of labels and held-out AUC of each version that changed one of the two."""
        steps: list[tuple[int, float | None]] = []
        for version in self.versions():
            step = (version.label_count, version.cv_auc)
            if not steps or steps[-1] != step:
                steps.append(step)
        return steps

    def proposals(self, count: int) -> tuple[Proposal, ...]:
        """What is most worth labelling next, at most `count`; see `propose`."""
        return propose(self.library, count)

    def neighbours(self, event_id: str, count: int = 3) -> tuple[Neighbour, ...]:
        """The labelled clips whose states are nearest to those of an event.

        Raises:
            UnknownIdError: there is no such event.
        """
        return nearest(self.library, event_id, count)

    def members(self, event_id: str) -> tuple[MemberVote, ...]:
        """How the members of a committee spoke for an event, see `member_votes`."""
        return member_votes(self.library, event_id)

    def _find(self, refit_id: str) -> _Waiting:
        with self._guard:
            found = self._waiting.get(refit_id)
        if found is None:
            raise UnknownIdError(f"no refit {refit_id!r} waits for an answer; refit again")
        return found

    def _changes(
        self, timelines: Mapping[str, Timeline]
    ) -> tuple[tuple[KeptEvent, ...], tuple[KeptEvent, ...]]:
        """Events that new scores would add, and those that they would take away."""
        appearing: list[KeptEvent] = []
        vanishing: list[KeptEvent] = []
        for video_id, timeline in timelines.items():
            old = self.library.store.events(video_id)
            new = self.library.store.matched(video_id, timeline.events)
            # By overlap and not by id: an event that falls in two has one new id and is not new.
            appearing += without_twin(new, old)
            vanishing += without_twin(old, new)
        return tuple(appearing), tuple(vanishing)

    def _alarms(
        self, probe: Probe, timelines: Mapping[str, Timeline], tell: Callable[[str], None]
    ) -> tuple[CountedAlarms | None, CountedAlarms | None]:
        """Alarms an hour before and after, each probe at its own threshold.

        Counted on calibrated footage whose states are kept; without any, on those of the videos
        that were scored again whose events are known.
        """
        in_use = self.library.probe_in_use()
        known = in_use.cameras()
        cameras = footage_again(known, probe, tell)
        if cameras:
            before = on_cameras({name: known[name] for name in cameras}, in_use.probe.threshold_)
            return before, on_cameras(cameras, probe.threshold_)
        old = [self.library.result(video_id) for video_id in timelines]
        new = zip(timelines.values(), (result.truth for result in old), strict=True)
        return (
            on_known_events([(result.timeline, result.truth) for result in old], None),
            on_known_events(list(new), None),
        )


@dataclass
class _Steps:
    """Counts the steps of a refit and reports each one."""

    clock: Clock
    done: int = 0

    def step(self, name: str) -> None:
        self.done += 1
        self.clock.name = name
        self.clock.tell(self.done, seconds_of_video=0.0)

    def finish(self) -> None:
        # Videos without labels are not read, so fewer steps may have been done than were announced.
        self.clock.tell(max(self.done, self.clock.total or 0), seconds_of_video=0.0)


def doubtful(probe: Probe) -> tuple[Doubt, ...]:
    """Clips whose held-out score contradicts their label, the clearest first.

    A normal clip is doubtful if it scores above half of the anomalous ones, an anomalous clip if it
    scores below half of the normal ones. Held out, since a clip that was fitted on is never
    doubtful.
    """
    scores = probe.few_shot_scores_.get("cross_validated")
    if scores is None:
        return ()
    sides = [np.nanmedian(scores[probe.labels_ == label]) for label in (0, 1)]
    found = []
    for name, label, score in zip(probe.names_, probe.labels_, scores, strict=True):
        beyond = score - sides[1] if label == 0 else sides[0] - score
        if beyond > 0:
            kind = "anomaly" if label else "normal"
            found.append((float(beyond), Doubt(name=name, label=kind, score=float(score))))
    return tuple(doubt for _, doubt in sorted(found, key=lambda pair: -pair[0]))


def without_twin(events: Iterable[KeptEvent], others: Iterable[KeptEvent]) -> Iterable[KeptEvent]:
    """Events that overlap none of the others."""
    spans = [(other.start_seconds, other.end_seconds) for other in others]
    starts = np.array([s for s, _ in spans])
    ends = np.array([e for _, e in spans])
    for event in events:
        if not ((starts < event.end_seconds) & (ends > event.start_seconds)).any():
            yield event


def scored_again(
    library: Library, probe: Probe | None = None, tell: Callable[[str], None] | None = None
) -> dict[str, Timeline]:
    """Score again every video whose states are in the cache; the others are left out.

    Args:
        probe: None takes the one in use.
        tell: is called with the name of each video when it is done.

    Returns:
        The new scores by the id of the video.
    """
    in_use, own = library.probe_in_use(), library.store.thresholds()
    scored = {}
    for video_id in library.video_ids():
        timeline = in_use.scored(library.result(video_id), probe, threshold=own.get(video_id))
        if timeline is not None:
            scored[video_id] = timeline
        if tell is not None:
            tell(library.video_path(video_id).name)
    return scored


def _fitted(lessons: Lessons, library: Library) -> Probe:
    """Fit as the probe's own clips were fitted, but with the kappa that was set in the review."""
    in_use = library.probe_in_use()
    base = in_use.versions.base()
    changed = {"kappa": in_use.probe.kappa, "mode": lessons.mode}
    settings = base.get_params(deep=False) | changed
    if lessons.fixed_layer is not None:
        settings["layer"] = lessons.fixed_layer
    probe = Probe(**settings).fit(lessons.examples)
    # A probe that chose among prompts or readings keeps its choice here, and must say so: its AUC
    # then does not pay for the choice.
    if not base.view_table_ and KEPT_VIEW not in base.warnings_:
        return probe
    fitted = replace(probe.fitted(), warnings=(*probe.warnings_, KEPT_VIEW))
    return Probe.of(fitted, probe, lessons.examples)


def _figures(probe: Probe, label_count: int) -> ProbeFigures:
    return ProbeFigures(cv_auc=probe.cv_auc_, threshold=probe.threshold_, label_count=label_count)
