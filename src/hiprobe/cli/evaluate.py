"""`hiprobe evaluate`: evaluate anyone's scores against frame-level truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, format_number, print_table
from hiprobe.cli.option_types import MAX_DRAWS, MAX_FRAMES, MAX_SCORE, LocalPath, Number, Whole

if TYPE_CHECKING:
    from hiprobe.evaluation.evaluate_scores import Evaluation
    from hiprobe.evaluation.metrics import Interval, PairedDifference
    from hiprobe.timeline import SmoothingKind


# With fewer videos bootstrap intervals come out too narrow, and the output says so.
FEW_VIDEOS = 30

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
        echo(f"note: this is the {split}; do not compare with figures on the test split")
    # So it is with a manifest of trimmed clips.
    if result.whole_videos and result.whole_videos == result.anomalous_videos:
        echo("note: every event lasts its whole video, so nothing here measures localisation")
    echo(f"smoothing: {result.smoothing or 'scores taken as the file has them'}")
    echo(f"intervals: 95 %, {result.draws} draws of videos, seed {result.seed}\n")


def print_headlines(result: Evaluation, floors: Mapping[str, Mapping[str, float]]) -> None:
    """The headline metrics, with those of trivial scores to compare."""
    from hiprobe.evaluation.evaluate_scores import TABLE_METRICS

    columns = [result.metrics, *floors.values()]
    rows = []
    for key, heading in TABLE_METRICS.items():
        own, *others = (format_number(c[key], 4) for c in columns)
        rows.append((heading, own, _interval(result.intervals.get(key), "{:.4f}"), *others))
    print_table(("metric", "scores", "95 % interval", *floors), rows)
    # A metric that needs both kinds of frames is not defined in a draw with one.
    fewest = min((i.draws for i in result.intervals.values() if i.draws), default=result.draws)
    if fewest < result.draws:
        echo(
            f"some draws contain only normal or only abnormal videos and are left out; the "
            f"interval with the fewest draws rests on {fewest} of {result.draws}"
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
        echo("calibration: not defined, since some scores lie outside [0, 1]")
    else:
        error, brier = result.calibration.expected_error, result.calibration.brier
        echo(f"calibration: expected error {error:.4f}, Brier score {brier:.4f}")
    _print_after(result)
    if result.after is not None and not highest > result.after.threshold:
        echo(
            f"note: no score lies above the threshold {result.after.threshold:.4g}, the highest is "
            f"{highest:.4g}; nothing was detected"
        )


def print_alarms(result: Evaluation) -> None:
    """What is found at given rates of false alarms, how soon, and the hardest normal videos."""
    from hiprobe.evaluation.metrics import DELAYS_SECONDS

    rows = [
        (
            at.rate,
            f"{at.per_hour:.2f}",
            f"{at.threshold:.4g}",
            format_number(at.event_recall),
            format_number(at.video_recall),
            "-" if at.delay_seconds != at.delay_seconds else f"{at.delay_seconds:.1f} s",
            *(format_number(share) for share in at.found_within),
        )
        for at in result.at_rates
    ]
    if rows:
        echo(
            f"\nFalse alarms in the {result.at_rates[0].normal_hours:.1f} hours of normal "
            f"{'videos' if result.hard_normals else 'frames'}, at most one in "
            f"{result.cooldown_seconds:g} s (threshold chosen on them):"
        )
        within = (f"within {limit:g} s" for limit in DELAYS_SECONDS)
        heads = ("allowed", "an hour", "threshold", "events", "videos", "delay, median")
        print_table((*heads, *within), rows)
    hard = result.hard_normals
    if hard is not None:
        echo(
            f"\nHard normals: ROC-AUC {format_number(hard.auc, 4)} against the hardest fifth of "
            f"the normal videos ({hard.videos}); the highest scores in normal videos:"
        )
        listed = [(v.video, f"{v.highest:.4g}", f"{v.at_seconds:.1f} s") for v in hard.listed]
        print_table(("video", "highest", "at"), listed)


def print_comparison(compared: Mapping[str, PairedDifference], *, other: str, videos: int) -> None:
    """Differences of two score files with their intervals and p-values."""
    from hiprobe.evaluation.evaluate_scores import TABLE_METRICS

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
            f"note: with {videos} videos the test is overconfident; at p < 0.05 it calls "
            "about 1 in 10 pairs of equal methods different, not 1 in 20"
        )


def _print_after(result: Evaluation) -> None:
    if result.after is None:
        echo("give --threshold for events and for metrics after the threshold")
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


@click.command("evaluate")
@click.argument("scores", type=LocalPath(exists=True))
@click.option(
    "--dataset",
    required=True,
    metavar="NAME|MANIFEST",
    help="ucf-crime, xd-violence, ucsd-ped2, ..., or a manifest of `hiprobe data check`.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Split of a manifest [default: test; all where it has no splits].",
)
@click.option("--spans", metavar="NAME", help="official (default) or alternative (UCF-Crime).")
@click.option(
    "--end",
    type=click.Choice(["inclusive", "half-open"]),
    help="Whether a span's end frame is abnormal [default: the data set's own].",
)
@click.option(
    "--repeat",
    type=Whole(1, MAX_FRAMES),
    default=1,
    show_default=True,
    help="Frames that one score of a plain list stands for.",
)
@click.option(
    "--tail-frames",
    type=Whole(0, MAX_FRAMES),
    default=0,
    show_default=True,
    help="Frames that may lack a score at a video's end; they get its last score.",
)
@click.option(
    "--fps",
    type=Number(0, 1e6, low_open=True),
    help="Frames a second for times in seconds [default: the data set's].",
)
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="Threshold for events, and for the metrics that depend on one.",
)
@click.option(
    "--iou", "ious", type=Number(0, 1, low_open=True), multiple=True,
    help="Overlap from which an event counts as found; may be given several times "
    "[default: 0.1, 0.3, 0.5].",
)  # fmt: skip
@click.option(
    "--recall", "recalls", type=Number(0, 1, low_open=True), multiple=True,
    help="Share of events found at which false alarms are counted [default: 0.5, 0.8].",
)  # fmt: skip
@click.option(
    "--cooldown-seconds",
    type=Number(0, 86_400),
    default=60,
    show_default=True,
    help="Time after a false alarm in which no other is counted.",
)
@click.option(
    "--smoothing",
    type=click.Choice(["gaussian", "ema", "none"]),
    help="Smooth the scores first; ema looks back only, as a live camera must [default: as given].",
)
@click.option(
    "--ema-weight",
    type=Number(0, 1, low_open=True),
    help="Weight of the newest score in --smoothing ema [default: 0.25].",
)
@click.option(
    "--compare",
    "others",
    multiple=True,
    type=LocalPath(exists=True),
    metavar="OTHER",
    help="Other scores to compare with, by a paired test over videos; may be given several times.",
)
@click.option("--draws", type=Whole(0, MAX_DRAWS), default=1000, show_default=True,
              help="Bootstrap draws of videos for the intervals.")  # fmt: skip
@options.seed
@click.option("--json", "document", type=LocalPath(), help="Write it all here as JSON.")
def command(
    scores: Path,
    dataset: str,
    split: str | None,
    spans: str | None,
    end: str | None,
    repeat: int,
    tail_frames: int,
    fps: float | None,
    threshold: float | None,
    ious: tuple[float, ...],
    recalls: tuple[float, ...],
    cooldown_seconds: float,
    smoothing: SmoothingKind | None,
    ema_weight: float | None,
    others: tuple[Path, ...],
    draws: int,
    seed: int,
    document: Path | None,
) -> None:
    """Evaluate anyone's SCORES on a public test set, with four trivial baselines.

    SCORES is a folder of NAME.npy, one .npy or .npz, a .json or .csv with segments
    (start, end, score) or plain scores, or a folder of hiprobe's own detections. Ground truth
    is part of the package, or comes with a manifest of your own videos. A file whose frames do
    not match the test set is refused.

    \b
    Examples:
      hiprobe evaluate scores/ --dataset ucf-crime
      hiprobe evaluate scores.json --dataset ucf-crime --tail-frames 1
      hiprobe evaluate scores.csv --dataset xd-violence --repeat 16 --threshold 0.5
      hiprobe evaluate mine.npy --dataset ucf-crime --compare theirs.npy --compare others.npy
      hiprobe evaluate scores/ --dataset mine.csv --split test
      hiprobe evaluate scores.json --dataset ucf-crime --smoothing ema --cooldown-seconds 60
    """
    from hiprobe.datasets.ground_truth import find_truth
    from hiprobe.datasets.score_files import read_frames
    from hiprobe.errors import UsageError
    from hiprobe.evaluation.evaluate_scores import (
        DEFAULT_IOUS,
        DEFAULT_RECALLS,
        evaluate_frames,
        evaluation_document,
        floor_metrics,
    )
    from hiprobe.evaluation.metrics import paired_test
    from hiprobe.localize import Smoothing
    from hiprobe.store.text_files import json_text, write_text
    from hiprobe.timeline import EMA_WEIGHT

    if others and not draws:
        raise UsageError("--compare needs draws of videos, and --draws is 0; leave out --draws")
    if ema_weight is not None and smoothing != "ema":
        raise UsageError("--ema-weight belongs to --smoothing ema; give both, or leave it out")
    asked = smoothing and Smoothing(kind=smoothing, ema_weight=ema_weight or EMA_WEIGHT)
    truth = find_truth(dataset, split=split, spans=spans, end=end)  # type: ignore[arg-type]
    frames, *compared_with = (
        read_frames(
            path,
            truth=truth,
            repeat=repeat,
            tail_frames=tail_frames,
            fps=fps,
            smoothing=asked or None,
        )
        for path in (scores, *others)
    )
    result = evaluate_frames(
        frames=frames,
        truth=truth,
        threshold=threshold,
        ious=ious or DEFAULT_IOUS,
        recalls=recalls or DEFAULT_RECALLS,
        draws=draws,
        seed=seed,
        cooldown_seconds=cooldown_seconds,
        smoothing=asked.words if asked else None,
    )
    # Trivial scores say what a figure is worth on this set.
    floors = floor_metrics(truth)
    print_protocol(result)
    print_headlines(result, floors)
    print_classes(result)
    print_details(result, highest=float(frames.scores.max()))
    print_alarms(result)
    compared = [
        (str(path), paired_test(frames, other, draws=draws, seed=seed))
        for path, other in zip(others, compared_with, strict=True)
    ]
    for path, differences in compared:
        print_comparison(differences, other=path, videos=result.videos)
    if document is not None:
        found = evaluation_document(result, floors=floors, compared=compared)
        write_text(document, json_text(found, indent=2) + "\n")
