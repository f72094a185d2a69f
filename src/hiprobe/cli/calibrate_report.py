"""What `hiprobe calibrate` prints: the threshold by day and night, on clips, and signs of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hiprobe.cli.console import echo
from hiprobe.errors import ProbeFolderError, UsageError
from hiprobe.names import named_in_a_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.calibration import AlarmPromise, DayPart, FootageBlocks
    from hiprobe.probe import Probe
    from hiprobe.probe.camera_file import CalibratedCamera

# Drift is reported from this evidence on. While the promise holds, one camera in twenty gets this
# far, however long its footage is (Ville's inequality).
EVIDENCE = 20.0

# Missed clips that are named in a line.
MOST_NAMED = 10


def day_words(blocks: FootageBlocks, promise: AlarmPromise, day: DayPart) -> list[str]:
    """What the threshold does by day and by night; nothing where no clock is known."""
    parts = {"day": blocks.during(day), "night": blocks.during(day.rest)}
    if not any(map(len, parts.values())):
        return []
    lines = [_part_words(name, maxima, promise) for name, maxima in parts.items() if len(maxima)]
    lines += [
        f"by {name}: no footage, so nothing is promised for the {name}"
        for name, maxima in parts.items()
        if not len(maxima)
    ]
    if blocks.unknown:
        hours = blocks.unknown * promise.block_seconds / 3600
        lines.append(f"of {hours:.2g} hours the time of day is not known")
    return lines


def _part_words(name: str, maxima: NDArray[np.float64], promise: AlarmPromise) -> str:
    from hiprobe.calibration import conformal_threshold

    alone = conformal_threshold(
        maxima,
        per_hour=promise.asked_per_hour,
        block_seconds=promise.block_seconds,
        confidence=promise.confidence,
    )
    alarms = int((maxima > promise.threshold).sum())
    own = (
        f"a threshold of its own would be {alone.threshold:.4f}"
        if alone.is_kept
        else "too little for a threshold of its own"
    )
    return (
        f"by {name}: {alone.hours:.2g} hours, {alarms} alarms, {alarms / alone.hours:.2g} an hour; "
        f"{own}"
    )


def clip_words(probe: Probe, camera: CalibratedCamera) -> list[str]:
    """What the threshold does to the labelled clips of the fit, each held out from it."""
    import numpy as np

    from hiprobe.probe import Probe
    from hiprobe.probe.fitting import training_set_for
    from hiprobe.probe.selection import cross_validate

    unknown = "what it does to the labelled clips is not known:"
    if "heads" in probe.facts():
        return [f"{unknown} a probe on attention heads cannot leave out a clip afterwards"]
    try:
        examples = probe.examples()
    except ProbeFolderError:
        return [f"{unknown} the probe was saved without them"]
    # The choices of the fit are kept, so each fold only repeats the fit itself; one draw of the
    # folds is enough to count clips.
    own = {"smoothing": "ema", "ema_weight": camera.ema_weight, "mode": probe.mode_, "draws": 1}
    causal = Probe(**{**probe.get_params(deep=False), **own})
    data = training_set_for(examples, causal)
    scores = cross_validate(data, causal.settled()).by_mode[probe.mode_]
    if np.isnan(scores).all():
        return [f"{unknown} they come from too few sources to hold one out"]
    above = scores > camera.promise.threshold
    found = [f"{above[data.labels == v].sum()} of {(data.labels == v).sum()}" for v in (1, 0)]
    lines = [
        f"labelled clips above it, each scored by a fit without it: {found[0]} abnormal, "
        f"{found[1]} normal"
    ]
    missed = [n for n, y, hit in zip(data.names, data.labels, above, strict=True) if y and not hit]
    if missed:
        lines.append(f"abnormal clips missed: {named_in_a_line(missed, most=MOST_NAMED)}")
    return lines


def say_drift(camera: CalibratedCamera, maxima: NDArray[np.float64]) -> None:
    """Alarms in newer footage, and whether they contradict the promise."""
    import numpy as np

    from hiprobe.calibration import drift

    promise, new = camera.promise, maxima[np.isfinite(maxima)]
    if not len(new):
        raise UsageError("no block of the newer footage has a score; give longer footage")
    # A block is as long as the cool-down, so each holds at most one alarm.
    hours = len(new) * promise.block_seconds / 3600
    alarms = int((new > promise.threshold).sum())
    echo(
        f"newer footage: {hours:.2g} hours, {alarms} alarms, {alarms / hours:.2g} an hour "
        f"({promise.promised_per_hour:.2g} promised)"
    )
    evidence = drift(camera.maxima, new)
    over = np.flatnonzero(evidence >= EVIDENCE)
    if not len(over):
        echo(f"no sign of drift: evidence {evidence.max():.2g}, and {EVIDENCE:g} would be one")
        return
    after = (int(over[0]) + 1) * promise.block_seconds / 3600
    echo(
        f"drift: after {after:.2g} hours of it the evidence reached {EVIDENCE:g}, which happens "
        "once in twenty times while the promise holds. Scores are higher than they were: calibrate "
        "again on footage of today, unless much that is abnormal happened in it"
    )
