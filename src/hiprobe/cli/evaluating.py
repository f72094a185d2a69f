"""What `hiprobe evaluate` prints."""

from __future__ import annotations

from collections.abc import Mapping

from hiprobe.cli.terminal import echo
from hiprobe.cli.text import format_number, print_table
from hiprobe.evaluation.document import TABLE_METRICS
from hiprobe.evaluation.metrics import Interval, PairedDifference
from hiprobe.evaluation.result import Evaluation

FEW_VIDEOS = 30
"""Below this a bootstrap is too sure of itself, and the output says so."""

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def print_protocol(result: Evaluation) -> None:
    """Which videos, which spans, how they were read."""
    included = "end frame included" if result.end == "inclusive" else "end frame not included"
    split = f"{SPLITS.get(result.split, result.split)} split" if result.split else "no split"
    echo(
        f"{result.dataset}, {split}: {result.videos} videos, {result.frames:,} frames, "
        f"{result.positive_frames:,} abnormal; {result.spans} spans, {result.end} ({included})"
    )
    if result.split not in ("test", ""):
        echo(f"note: this is the {split}; no figure on the test split compares with it")
    if result.whole_videos and result.whole_videos == result.anomalous_videos:
        echo("note: every event lasts its whole video, so that nothing here measures localisation")
    echo(f"intervals: 95 %, {result.draws} draws of videos, seed {result.seed}\n")


def print_headlines(result: Evaluation, floors: Mapping[str, Mapping[str, float]]) -> None:
    """The headline metrics beside the floors."""
    columns = [result.metrics, *floors.values()]
    rows = []
    for key, heading in TABLE_METRICS.items():
        own, *others = (format_number(c[key], 4) for c in columns)
        rows.append((heading, own, _interval(result.intervals.get(key), "{:.4f}"), *others))
    print_table(("metric", "scores", "95 % interval", *floors), rows)
    fewest = min((i.draws for i in result.intervals.values() if i.draws), default=result.draws)
    if fewest < result.draws:
        echo(
            f"some draws have one kind of video only and no such metric; the fewest left for an "
            f"interval are {fewest} of {result.draws}"
        )


def print_classes(result: Evaluation) -> None:
    """One line for each anomaly class."""
    rows = [
        (
            row.name,
            str(row.videos),
            str(row.positive_frames),
            *(format_number(v, 4) for v in (row.auc, row.average_precision, row.within_video)),
        )
        for row in result.classes
    ]
    echo("\nEach class with all normal videos:")
    print_table(("class", "videos", "abnormal frames", "ROC-AUC", "AP", "within a video"), rows)


def print_details(result: Evaluation, *, highest: float) -> None:
    """False alarms, calibration, and what depends on the threshold; `highest` is of all scores."""
    echo(f"\n{result.within_videos} videos have an AUC within the video")
    for rate in result.alarms:
        echo(
            f"false alarms an hour at {rate.recall:.0%} of events found: {rate.per_hour:.2f} "
            f"(threshold {rate.threshold:.4g}; {format_number(100 * rate.normal_share, 1)} % of "
            "the normal time is under an alarm)"
        )
    if result.calibration is None:
        echo("calibration: not defined, scores leave [0, 1]")
    else:
        error, brier = result.calibration.expected_error, result.calibration.brier
        echo(f"calibration: expected error {error:.4f}, Brier score {brier:.4f}")
    _print_after(result)
    if result.after is not None and not highest > result.after.threshold:
        echo(
            f"note: no score lies above the threshold {result.after.threshold:.4g}, the highest is "
            f"{highest:.4g}; nothing was detected"
        )


def print_comparison(compared: Mapping[str, PairedDifference], *, other: str, videos: int) -> None:
    """Differences of two score files with their intervals and p-values."""
    rows = [
        (
            TABLE_METRICS[name],
            "-" if d.difference != d.difference else f"{d.difference:+.4f}",
            _interval(d.interval, "{:+.4f}"),
            format_number(d.p_value, 4),
        )
        for name, d in compared.items()
    ]
    echo(f"\nSCORES minus {other}, on the same draws of videos:")
    print_table(("metric", "difference", "95 % interval", "p"), rows)
    if videos < FEW_VIDEOS:
        echo(
            f"note: with {videos} videos the test is too sure of itself; at p < 0.05 it calls "
            "about 1 in 10 pairs of equal methods different, not 1 in 20"
        )


def _print_after(result: Evaluation) -> None:
    if result.after is None:
        echo("events and variants after the threshold: give --threshold")
        return
    echo(f"\nAfter the threshold {result.after.threshold:.4g} (not the headline):")
    for name, (auc, precision) in result.after.variants.items():
        echo(f"{name}: ROC-AUC {format_number(auc, 4)}, AP {format_number(precision, 4)}")
    for e in result.after.events:
        echo(
            f"events at IoU {e.iou:g}: precision {e.precision:.4f}, recall {e.recall:.4f}, "
            f"F1 {e.f1:.4f} ({e.found} of {e.detected} detected, {e.true} true)"
        )


def _interval(found: Interval | None, form: str) -> str:
    if found is None or not found.draws:
        return "-"
    return f"{form.format(found.low)} to {form.format(found.high)}"
