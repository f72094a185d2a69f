"""How many alarms an hour a threshold or another probe gives, and on which footage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hiprobe.calibration import footage_blocks
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import HiProbeError
from hiprobe.joined import layers_read, readings_read, states_read
from hiprobe.localize import find_events
from hiprobe.names import shown, text_path
from hiprobe.probe import Probe
from hiprobe.probe.camera_file import CalibratedCamera
from hiprobe.review.values import CountedAlarms
from hiprobe.settings import states_folder
from hiprobe.states import States
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.timeline import Event, Timeline

# Known events, half-open in seconds.
Truth = tuple[tuple[float, float], ...]


def on_cameras(cameras: Mapping[str, CalibratedCamera], threshold: float) -> CountedAlarms | None:
    """Count on the normal footage that cameras were calibrated on.

    Scores there are smoothed causally, as those of a live camera are.

    Args:
        cameras: by name; all of them are counted together.

    Returns:
        None where there is no camera.
    """
    alarms, seconds = 0, 0.0
    for camera in cameras.values():
        # A block is as long as the cool-down of an alarm, so it alarms once at most.
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
    """Count events that overlap no known event, on videos whose events are known.

    Args:
        found: scores and known events; videos without known events are ignored.
        threshold: for all of them; None takes each video's own.

    Returns:
        None where there is no such video.
    """
    seconds, alarms, videos = 0.0, 0, 0
    for timeline, truth in found:
        if truth is not None:
            videos += 1
            # Segment by segment: in a gap of the pictures nothing could have raised an alarm.
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


def footage_again(
    cameras: Mapping[str, CalibratedCamera],
    probe: Probe,
    tell: Callable[[str], None] | None = None,
) -> dict[str, CalibratedCamera]:
    """Score calibrated footage again by another probe, from the states that are kept of it.

    Args:
        tell: is called with the name of each camera when its footage is scored.

    Returns:
        The calibrations with this probe's block maxima; what they promise still belongs to the
        probe before. Cameras are left out where the states of a file are gone or lack the
        probe's layer.
    """
    found = {}
    for name, camera in cameras.items():
        timelines = _timelines(camera, probe)
        # With a file missing, before and after of a refit would be counted on different footage.
        if timelines:
            block_seconds = camera.promise.block_seconds
            maxima = footage_blocks(timelines, block_seconds=block_seconds).maxima
            kept = tuple(maxima[np.isfinite(maxima)].tolist())
            found[name] = replace(camera, maxima=kept)
        if tell is not None:
            tell(name)
    return found


def _timelines(camera: CalibratedCamera, probe: Probe) -> list[Timeline]:
    """All files of the footage scored causally, in order of time; empty where one cannot be."""
    cache, found = StatesCache(states_folder()), []
    try:
        for file in camera.footage:  # one after the other: states of hours take much memory
            states = _states(file, probe, cache)
            if states is None:
                return []
            probe.check_fingerprint(states.fingerprint)
            found.append(probe.detect(states, smoothing="ema", ema_weight=camera.ema_weight))
    except HiProbeError:  # gone, damaged, without the layer, or of another backbone
        return []
    return found


def _states(file: str, probe: Probe, cache: StatesCache) -> States | None:
    readings = readings_read(probe)
    if is_states_name(file):
        every = read_states(text_path(file)).states
    else:
        kept = cache.get(file, layers=layers_read(probe), readings=readings)
        every = {} if kept is None else kept.states
    return states_read(every, probe) if set(readings) <= set(every) else None
