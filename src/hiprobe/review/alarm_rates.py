"""How many alarms an hour a threshold gives, and on which footage they were counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.localize import find_events
from hiprobe.names import shown
from hiprobe.probe.camera_file import CalibratedCamera
from hiprobe.timeline import Event, Timeline

# Known events, half-open in seconds.
Truth = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class CountedAlarms:
    """Alarms an hour on footage.

    Attributes:
        footage: which, in words.
        hours: its length.
    """

    per_hour: float
    footage: str
    hours: float


def on_cameras(cameras: Mapping[str, CalibratedCamera], threshold: float) -> CountedAlarms | None:
    """On the normal footage that cameras were calibrated on, one alarm a cool-down at most.

    Scores there are smoothed causally, as those of a live camera are.

    Returns:
        None where there is no camera.
    """
    alarms, seconds = 0, 0.0
    for camera in cameras.values():
        alarms += int((np.array(camera.maxima) > threshold).sum())
        seconds += len(camera.maxima) * camera.promise.block_seconds
    if not seconds:
        return None
    named = ", ".join(shown(name) for name in cameras)
    hours = seconds / 3600
    return CountedAlarms(
        per_hour=alarms / hours,
        footage=f"{hours:.2g} hours of calibrated footage ({named})",
        hours=hours,
    )


def on_known_events(
    found: Sequence[tuple[Timeline, Truth | None]], threshold: float | None
) -> CountedAlarms | None:
    """On videos whose events are known: events that meet none of these.

    Args:
        found: videos of which nothing is known are passed over.
        threshold: for all of them; None takes the one of each.

    Returns:
        None where there is no such video.
    """
    seconds, alarms, videos = 0.0, 0, 0
    for timeline, truth in found:
        if truth is not None:
            videos += 1
            seconds += float((timeline.end_seconds - timeline.start_seconds).sum())
            events = timeline.events if threshold is None else events_at(timeline, threshold)
            alarms += sum(
                not any(s < e.end_seconds and e.start_seconds < t for s, t in truth) for e in events
            )
    if not seconds:
        return None
    hours = seconds / 3600
    what = "1 video" if videos == 1 else f"{videos} videos"
    return CountedAlarms(
        per_hour=alarms / hours,
        footage=f"{hours:.2g} hours of {what} whose events are known",
        hours=hours,
    )


def events_at(timeline: Timeline, threshold: float) -> tuple[Event, ...]:
    """The events of a timeline at a threshold."""
    return find_events(timeline.start_seconds, timeline.end_seconds, timeline.smoothed, threshold)


def at_threshold(timeline: Timeline, threshold: float) -> Timeline:
    """The same scores with another threshold; the same timeline where nothing changes."""
    if threshold == timeline.threshold:
        return timeline
    return replace(timeline, threshold=threshold, events=events_at(timeline, threshold))
