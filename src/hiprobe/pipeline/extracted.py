"""States from a file in place of a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hiprobe.errors import FingerprintError
from hiprobe.states import Fingerprint, States, VideoStates
from hiprobe.store.states_file import read_states


def load_extracted(
    path: Path | str, *, layers: Sequence[int] | None, fingerprint: Fingerprint | None
) -> VideoStates:
    """States of a file restricted to what is asked for.

    Args:
        path: file that `write_states` made.
        layers: layer numbers; None for all in the file but the embedding output.
        fingerprint: the backbone that must have made them; None accepts any.

    Raises:
        StatesError: damaged, or a layer is absent.
        FingerprintError: another backbone made them.
    """
    states = read_states(path)
    if fingerprint is not None:
        _refuse_others(states, fingerprint, path)
    return VideoStates(
        states={r: _restrict(s, layers) for r, s in states.states.items()},
        clip={r: _restrict(s, layers) for r, s in states.clip.items()},
        outcome=states.outcome,
    )


def _restrict(states: States, layers: Sequence[int] | None) -> States:
    return states.select_layers([n for n in states.layers if n > 0] if layers is None else layers)


def _refuse_others(states: VideoStates, fingerprint: Fingerprint, path: Path | str) -> None:
    for made in (s.fingerprint for s in [*states.states.values(), *states.clip.values()]):
        if made.digest != fingerprint.digest:
            raise FingerprintError(
                f"{path} was extracted with backbone {made.model} ({made.digest}), this one is "
                f"{fingerprint.model} ({fingerprint.digest}); extract it again"
            )
