"""What `hiprobe backbones compare` found, on the screen and as one JSON document."""

from __future__ import annotations

import json
from typing import Any

from hiprobe.backbones.timed_states import TimedStates
from hiprobe.cli.comparing import Comparison
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import format_bytes, format_number, print_table

FORMAT = "hiprobe-backbones-compare"
VERSION = 1
DIGITS = 6


def print_comparison(found: Comparison) -> None:
    """The table of layers, then scores, time and memory."""
    said = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in found.changes.items())
    echo(f"{found.name} with {said}, against its usual way; {_counted(found)}")
    if found.usual.fingerprint == found.changed.fingerprint:
        echo("both are the same: it is opened that way anyway")
    effect = found.effect
    rows = [
        (_marked(layer, found), format_number(relative, DIGITS), format_number(cosine, DIGITS))
        for layer, relative, cosine in zip(
            effect.layers, effect.relative, effect.cosine, strict=True
        )
    ]
    print_table(("layer", "mean relative distance", "lowest cosine"), rows)
    if found.probe is not None:
        echo(_scores_line(found))
    echo(_time_line(found))
    if found.usual.gpu_bytes is not None and found.changed.gpu_bytes is not None:
        usual, changed = map(format_bytes, (found.usual.gpu_bytes, found.changed.gpu_bytes))
        echo(f"memory of the GPU, at most: {usual} the usual way, {changed} changed")


def print_comparison_json(found: Comparison) -> None:
    """Everything that was measured."""
    echo(json.dumps(document(found), indent=1))


def document(found: Comparison) -> dict[str, Any]:
    """As JSON values."""
    effect = found.effect
    return {
        "format": FORMAT,
        "version": VERSION,
        "backbone": found.name,
        "changes": found.changes,
        "segments": len(found.usual.values),
        "usual": _way(found.usual),
        "changed": _way(found.changed),
        "time_ratio": found.ratio,
        "layers": [
            {"layer": layer, "mean_relative_distance": relative, "lowest_cosine": cosine}
            for layer, relative, cosine in zip(
                effect.layers, effect.relative, effect.cosine, strict=True
            )
        ],
        "scores": _scores(found),
    }


def _way(read: TimedStates) -> dict[str, Any]:
    return {
        "fingerprint": read.fingerprint.digest,
        "dtype": read.fingerprint.dtype,
        "settings": dict(read.fingerprint.settings),
        "seconds_per_segment": read.seconds_per_segment,
        "gpu_bytes": read.gpu_bytes,
    }


def _scores(found: Comparison) -> dict[str, Any] | None:
    if found.probe is None:
        return None
    effect, threshold = found.effect, float(found.probe.threshold_)
    return {
        "layer": found.probe.layer_,
        "threshold": threshold,
        "largest_change": effect.score_change,
        "mean_change": effect.mean_score_change,
        "crossing": effect.crossing(threshold),
        "segments": [{"usual": a, "changed": b} for a, b in effect.scores or ()],
    }


def _marked(layer: int, found: Comparison) -> str:
    is_read = found.probe is not None and layer == found.probe.layer_
    return f"{layer}{' *' if is_read else ''}"


def _scores_line(found: Comparison) -> str:
    scores = _scores(found) or {}
    crossing, threshold = scores["crossing"], scores["threshold"]
    number = "no segment crosses" if not crossing else f"{crossing} of {_counted(found)} cross"
    return (
        f"scores at layer {scores['layer']} (*), before smoothing: change "
        f"{scores['largest_change']:.{DIGITS}f} at most, {scores['mean_change']:.{DIGITS}f} on "
        f"average; {number} the threshold {threshold:.4f}"
    )


def _time_line(found: Comparison) -> str:
    usual, changed = found.usual.seconds_per_segment, found.changed.seconds_per_segment
    return (
        f"seconds per segment: {usual:.4f} the usual way, {changed:.4f} changed "
        f"({found.ratio:.2f} times)"
    )


def _counted(found: Comparison) -> str:
    count = len(found.usual.values)
    return "1 segment" if count == 1 else f"{count} segments"
