"""What `hiprobe plan` prints: the plan as lines, and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hiprobe.cli.console import echo, format_bytes, format_left, print_table
from hiprobe.names import path_text

if TYPE_CHECKING:
    from hiprobe.cli.plan import Wish
    from hiprobe.pipeline.planning import RunPlan, Saving

FORMAT, VERSION = "hiprobe-plan", 1


def print_plan(
    found: RunPlan, wish: Wish, saved: Sequence[Saving], price_per_hour: float | None
) -> None:
    """Print the plan as lines and a table.

    Args:
        saved: what would about halve it.
        price_per_hour: of one GPU or of this machine; None prints no price.
    """
    from hiprobe.datasets.video_files import count_words

    footage, rate, seconds = found.footage, found.rate, found.rate.seconds(found.depth)
    height, width = footage.frame_pixels
    echo(
        f"{footage.segment_count:,} segments of {wish.settings.segment_words} in "
        f"{count_words(footage.video_count, 'video')}, {hours_words(footage.seconds)} of footage, "
        f"{width}x{height}"
    )
    if footage.counted:
        echo(
            f"{count_words(len(footage.counted), 'file')} without a length in the header: their "
            "packets were counted, for which a whole file is read"
        )
    if footage.opened_count < footage.video_count:
        echo(
            f"{footage.opened_count} of the videos were copied from the object store and looked "
            "into; the others are assumed to be like them"
        )
    layers = "1 layer" if found.layers_read == 1 else f"{found.layers_read} layers"
    echo(f"{wish.spec.known_as} to layer {found.depth}, {layers} kept: {rate.words}")
    rows = [
        ("a segment", f"{seconds:.3g} s" if seconds >= 0.01 else f"{1e3 * seconds:.2g} ms"),
        ("time", _time_words(found)),
        ("memory", _memory_words(found)),
        (
            "disk",
            f"{format_bytes(found.cache_bytes)} of states in the cache, "
            f"{format_bytes(found.result_bytes)} of results",
        ),
    ]
    if price_per_hour is not None:
        best = "" if rate.source == "measured" else " at best"
        rows.append(
            ("price", f"{found.cost(price_per_hour):,.2f}{best}, {price_per_hour:g} an hour")
        )
    print_table(("what", "expected"), rows)
    if saved:
        echo("\nWhat would about halve it:")
        print_table(
            ("change", "option", "time left"),
            [(s.what, s.option, f"{100 * s.share:.0f}%") for s in saved],
        )


def _time_words(found: RunPlan) -> str:
    best = "" if found.rate.source == "measured" else "at best "
    speed = found.footage.seconds / max(found.seconds, 1e-9)
    told = f"{best}{format_left(found.seconds)}, {speed:,.1f}x playback speed"
    if found.workers.gpu_count:
        return f"{told}; decoding keeps {found.decoding_cores:.1f} cores busy meanwhile"
    part = 1 - found.model_seconds / max(found.seconds, 1e-9)
    return f"{told}; {100 * part:.0f}% of it decoding"


def _memory_words(found: RunPlan) -> str:
    told = format_bytes(found.memory_bytes)
    if not found.workers.gpu_count or found.model_bytes is None:
        return told
    told += f", and {format_bytes(found.model_bytes)} of each GPU"
    has = found.workers.memory_bytes
    if has is not None and found.model_bytes > has:
        return f"{told}, which has {format_bytes(has)}: it does not fit"
    return told


def hours_words(seconds: float) -> str:
    """A length of footage: hours from one hour on, else minutes or seconds."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else format_left(seconds)


def plan_document(
    found: RunPlan, wish: Wish, saved: Sequence[Saving], price_per_hour: float | None
) -> dict[str, Any]:
    """The plan as JSON values; `price` is None without a price for an hour."""
    footage, workers = found.footage, found.workers
    return {
        "format": FORMAT,
        "version": VERSION,
        "backbone": wish.spec.known_as,
        "layer": found.depth,
        "layers_kept": found.layers_read,
        "readings": list(wish.settings.readings),
        "videos": footage.video_count,
        "videos_looked_into": footage.opened_count,
        "footage_seconds": footage.seconds,
        "frames": footage.frame_count,
        "segments": footage.segment_count,
        "passes": found.row_count,
        "frame": {"height": footage.frame_pixels[0], "width": footage.frame_pixels[1]},
        "packets_counted": [path_text(path) for path in footage.counted],
        "rate": {
            "source": found.rate.source,
            "words": found.rate.words,
            "segment_seconds": found.rate.seconds(found.depth),
        },
        "gpus": workers.gpu_count,
        "cores": workers.cores,
        "seconds": found.seconds,
        "model_seconds": found.model_seconds,
        "decoding_core_seconds": found.decoding_core_seconds,
        "memory_bytes": found.memory_bytes,
        "model_bytes": found.model_bytes,
        "cache_bytes": found.cache_bytes,
        "result_bytes": found.result_bytes,
        "price": None if price_per_hour is None else found.cost(price_per_hour),
        "savings": [{"what": s.what, "option": s.option, "share_of_time": s.share} for s in saved],
    }
