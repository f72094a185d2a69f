"""Calibrated footage scored by another probe, from the states that are kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from hiprobe.calibration import footage_blocks
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import HiProbeError
from hiprobe.joined import layers_read, readings_read, states_read
from hiprobe.names import text_path
from hiprobe.probe import Probe
from hiprobe.probe.camera_file import CalibratedCamera
from hiprobe.settings import states_folder
from hiprobe.states import States
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.timeline import Timeline


def footage_again(
    cameras: Mapping[str, CalibratedCamera],
    probe: Probe,
    tell: Callable[[str], None] | None = None,
) -> dict[str, CalibratedCamera]:
    """The calibrations with the block maxima that a probe gives, of cameras whose states are kept.

    What they promise is that of the probe before; only the maxima are this one's.

    Args:
        tell: hears the name of each camera when its footage was scored.

    Returns:
        Without cameras of which the states of a file are gone, or lack the probe's layer.
    """
    found = {}
    for name, camera in cameras.items():
        timelines = _timelines(camera, probe)
        if timelines:
            block_seconds = camera.promise.block_seconds
            maxima = footage_blocks(timelines, block_seconds=block_seconds).maxima
            kept = tuple(maxima[np.isfinite(maxima)].tolist())
            found[name] = replace(camera, maxima=kept)
        if tell is not None:
            tell(name)
    return found


def _timelines(camera: CalibratedCamera, probe: Probe) -> list[Timeline]:
    """All files of the footage scored causally, in order of time; none where one cannot be."""
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
