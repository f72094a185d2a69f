"""`hiprobe evaluate`: anyone's scores against a public test set, beside four floors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options

if TYPE_CHECKING:
    from hiprobe.evaluation.evaluate import Evaluation
    from hiprobe.evaluation.frames import ScoredFrames
    from hiprobe.evaluation.truth import Truth


@click.command("evaluate")
@click.argument("scores", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--dataset", required=True, metavar="NAME", help="ucf-crime, xd-violence, ucsd-ped2, ..."
)
@click.option("--spans", metavar="NAME", help="official (default) or alternative (UCF-Crime).")
@click.option(
    "--end",
    type=click.Choice(["inclusive", "half-open"]),
    help="Whether a span's end frame is abnormal [default: the data set's own].",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Frames that one score of a plain list stands for.",
)
@click.option(
    "--tail-frames",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Frames that may be missing at a video's end; they take its last score.",
)
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True),
    help="Frames a second for times in seconds [default: the data set's].",
)
@click.option("--threshold", type=float, help="T for events and the variants after threshold.")
@click.option(
    "--compare",
    type=click.Path(exists=True, path_type=Path),
    metavar="OTHER",
    help="Other scores of the same kind: a paired test over videos.",
)
@click.option("--draws", type=click.IntRange(min=0), default=1000, show_default=True,
              help="Bootstrap draws of videos for the intervals.")  # fmt: skip
@options.seed
@click.option("--json", "document", type=click.Path(path_type=Path), help="Write all of it here.")
def command(
    scores: Path,
    dataset: str,
    spans: str | None,
    end: str | None,
    repeat: int,
    tail_frames: int,
    fps: float | None,
    threshold: float | None,
    compare: Path | None,
    draws: int,
    seed: int,
    document: Path | None,
) -> None:
    """Evaluate anyone's SCORES on a public test set, beside four floors.

    SCORES is a folder of NAME.npy, one .npy or .npz, a .json or .csv with segments
    (start, end, score) or plain scores, or a folder of hiprobe's own detections. Ground truth
    is part of the package. A file with other frames than the test set is refused.

    \b
    Examples:
      hiprobe evaluate scores/ --dataset ucf-crime
      hiprobe evaluate scores.json --dataset ucf-crime --tail-frames 1
      hiprobe evaluate scores.csv --dataset xd-violence --repeat 16 --threshold 0.5
      hiprobe evaluate mine.npy --dataset ucf-crime --compare theirs.npy
    """
    from hiprobe.datasets.ground_truth import load_truth
    from hiprobe.datasets.score_files import read_scores
    from hiprobe.evaluation.evaluate import evaluate_frames
    from hiprobe.evaluation.frames import join_frames

    truth = load_truth(dataset, spans=spans, end=end)  # type: ignore[arg-type]

    def joined(path: Path) -> ScoredFrames:
        found = read_scores(path, truth=truth, repeat=repeat, tail_frames=tail_frames, fps=fps)
        return join_frames(scores=found, truth=truth)

    frames = joined(scores)
    result = evaluate_frames(
        frames=frames, truth=truth, threshold=threshold, draws=draws, seed=seed
    )
    _print_protocol(result, draws, seed)
    _print_headlines(result, truth)
    _print_classes(result)
    _print_details(result)
    if compare is not None:
        _print_comparison(frames, joined(compare), max(draws, 1), seed)
    if document is not None:
        _write(result, document)


def _print_protocol(result: Evaluation, draws: int, seed: int) -> None:
    included = "end frame included" if result.end == "inclusive" else "end frame not included"
    click.echo(
        f"{result.dataset}: {result.videos} videos, {result.frames:,} frames, "
        f"{result.positive_frames:,} abnormal; {result.spans} spans, {result.end} ({included})"
    )
    click.echo(f"intervals: 95 %, {draws} draws of videos, seed {seed}\n")


def _print_headlines(result: Evaluation, truth: Truth) -> None:
    from hiprobe.cli.text import format_number, print_table
    from hiprobe.datasets.floors import floors
    from hiprobe.evaluation.document import TABLE_METRICS
    from hiprobe.evaluation.evaluate import headline_metrics
    from hiprobe.evaluation.metrics import mean_and_median, within_video_auc

    columns = [result.metrics]
    names = ["scores", "95 % interval"]
    for name, frames in floors(truth).items():
        median = mean_and_median(within_video_auc(frames))[1]
        columns.append({**headline_metrics(frames, draws=0)[0], "within_video_median": median})
        names.append(name)
    rows = []
    for key, heading in TABLE_METRICS.items():
        own, *others = (format_number(c[key], 4) for c in columns)
        rows.append((heading, own, _interval(result, key), *others))
    print_table(("metric", *names), rows)


def _interval(result: Evaluation, key: str) -> str:
    from hiprobe.cli.text import format_number

    found = result.intervals.get(key)
    if found is None or not found.draws:
        return "-"
    return f"{format_number(found.low, 4)} to {format_number(found.high, 4)}"


def _print_classes(result: Evaluation) -> None:
    from hiprobe.cli.text import format_number, print_table

    rows = [
        (
            row.name,
            str(row.videos),
            str(row.positive_frames),
            *(format_number(v, 4) for v in (row.auc, row.average_precision, row.within_video)),
        )
        for row in result.classes
    ]
    click.echo("\nEach class with all normal videos:")
    print_table(("class", "videos", "abnormal frames", "ROC-AUC", "AP", "within a video"), rows)


def _print_details(result: Evaluation) -> None:
    click.echo(f"\n{result.within_videos} videos have an AUC within the video")
    for rate in result.alarms:
        click.echo(
            f"false alarms an hour at {rate.recall:.0%} of events found: {rate.per_hour:.2f} "
            f"(threshold {rate.threshold:.4g})"
        )
    if result.calibration is None:
        click.echo("calibration: not defined, scores leave [0, 1]")
    else:
        error, brier = result.calibration.expected_error, result.calibration.brier
        click.echo(f"calibration: expected error {error:.4f}, Brier score {brier:.4f}")
    if result.after is None:
        return
    click.echo(f"\nAfter the threshold {result.after.threshold:.4g} (not the headline):")
    for name, (auc, precision) in result.after.variants.items():
        click.echo(f"{name}: ROC-AUC {auc:.4f}, AP {precision:.4f}")
    for e in result.after.events:
        click.echo(
            f"events at IoU {e.iou:g}: precision {e.precision:.4f}, recall {e.recall:.4f}, "
            f"F1 {e.f1:.4f} ({e.found} of {e.detected} detected, {e.true} true)"
        )


def _print_comparison(first: ScoredFrames, second: ScoredFrames, draws: int, seed: int) -> None:
    from hiprobe.cli.text import format_number, print_table
    from hiprobe.evaluation.document import TABLE_METRICS
    from hiprobe.evaluation.metrics import paired_test

    rows = [
        (
            TABLE_METRICS[name],
            f"{d.difference:+.4f}",
            f"{d.interval.low:+.4f} to {d.interval.high:+.4f}",
            format_number(d.p_value, 4),
        )
        for name, d in paired_test(first, second, draws=draws, seed=seed).items()
    ]
    click.echo("\nSCORES minus OTHER, on the same draws of videos:")
    print_table(("metric", "difference", "95 % interval", "p"), rows)


def _write(result: Evaluation, path: Path) -> None:
    import json

    from hiprobe.evaluation.document import evaluation_document
    from hiprobe.store.atomic import atomic_path

    with atomic_path(path) as temporary:
        text = json.dumps(evaluation_document(result), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
