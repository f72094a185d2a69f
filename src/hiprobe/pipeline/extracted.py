"""States from a file in place of a video."""

from __future__ import annotations

from pathlib import Path

from hiprobe.errors import FingerprintError
from hiprobe.pipeline.batches import Request
from hiprobe.states import VideoStates
from hiprobe.store.states_file import read_states


def load_extracted(path: Path | str, request: Request) -> VideoStates:
    """States of a file restricted to what is asked for.

    Raises:
        StatesError: damaged, or a layer or reading is absent.
        FingerprintError: another backbone made them.
    """
    states = read_states(path)
    every = [*states.states.values(), *states.clip.values()]
    other = {s.fingerprint.digest for s in every} - {request.backbone.fingerprint.digest}
    if other:
        raise FingerprintError(
            f"{path} was extracted with backbone {every[0].fingerprint.model} ({other.pop()}), "
            f"this one is {request.backbone.fingerprint.model} "
            f"({request.backbone.fingerprint.digest}); extract it again"
        )
    return VideoStates(
        states={r: s.select_layers(request.layers) for r, s in states.states.items()},
        clip={r: s.select_layers(request.layers) for r, s in states.clip.items()},
        outcome=states.outcome,
    )
