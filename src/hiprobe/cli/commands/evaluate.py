"""`hiprobe evaluate`: anyone's scores against a public test set, beside four floors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.numbers import MAX_DRAWS, MAX_FRAMES, MAX_SCORE, Number, Whole

if TYPE_CHECKING:
    from hiprobe.evaluation.metrics import PairedDifference
    from hiprobe.evaluation.result import Evaluation


@click.command("evaluate")
@click.argument("scores", type=click.Path(exists=True, path_type=Path))
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
    help="Frames that may be missing at a video's end; they take its last score.",
)
@click.option(
    "--fps",
    type=Number(0, 1e6, low_open=True),
    help="Frames a second for times in seconds [default: the data set's].",
)
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="T for events and the variants after threshold.",
)
@click.option(
    "--iou", "ious", type=Number(0, 1, low_open=True), multiple=True,
    help="Least overlap of a matched event; may be given several times [default: 0.1, 0.3, 0.5].",
)  # fmt: skip
@click.option(
    "--recall", "recalls", type=Number(0, 1, low_open=True), multiple=True,
    help="Share of events found at which false alarms are counted [default: 0.5, 0.8].",
)  # fmt: skip
@click.option(
    "--compare",
    "others",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="OTHER",
    help="Other scores of the same kind: a paired test over videos; may be given several times.",
)
@click.option("--draws", type=Whole(0, MAX_DRAWS), default=1000, show_default=True,
              help="Bootstrap draws of videos for the intervals.")  # fmt: skip
@options.seed
@click.option("--json", "document", type=click.Path(path_type=Path), help="Write all of it here.")
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
    others: tuple[Path, ...],
    draws: int,
    seed: int,
    document: Path | None,
) -> None:
    """Evaluate anyone's SCORES on a public test set, beside four floors.

    SCORES is a folder of NAME.npy, one .npy or .npz, a .json or .csv with segments
    (start, end, score) or plain scores, or a folder of hiprobe's own detections. Ground truth
    is part of the package, or comes with a manifest of your own videos. A file with other frames
    than the test set is refused.

    \b
    Examples:
      hiprobe evaluate scores/ --dataset ucf-crime
      hiprobe evaluate scores.json --dataset ucf-crime --tail-frames 1
      hiprobe evaluate scores.csv --dataset xd-violence --repeat 16 --threshold 0.5
      hiprobe evaluate mine.npy --dataset ucf-crime --compare theirs.npy --compare others.npy
      hiprobe evaluate scores/ --dataset mine.csv --split test
    """
    from hiprobe.cli.evaluating import (
        print_classes,
        print_comparison,
        print_details,
        print_headlines,
        print_protocol,
    )
    from hiprobe.datasets.floors import floor_metrics
    from hiprobe.datasets.score_files import read_frames
    from hiprobe.datasets.truths import find_truth
    from hiprobe.errors import UsageError
    from hiprobe.evaluation.evaluate import DEFAULT_IOUS, DEFAULT_RECALLS, evaluate_frames
    from hiprobe.evaluation.metrics import paired_test

    if others and not draws:
        raise UsageError("--compare needs draws of videos, and --draws is 0; leave --draws away")
    truth = find_truth(dataset, split=split, spans=spans, end=end)  # type: ignore[arg-type]
    frames, *compared_with = (
        read_frames(path, truth=truth, repeat=repeat, tail_frames=tail_frames, fps=fps)
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
    )
    floors = floor_metrics(truth)
    print_protocol(result)
    print_headlines(result, floors)
    print_classes(result)
    print_details(result, highest=float(frames.scores.max()))
    compared = [
        (str(path), paired_test(frames, other, draws=draws, seed=seed))
        for path, other in zip(others, compared_with, strict=True)
    ]
    for path, differences in compared:
        print_comparison(differences, other=path, videos=result.videos)
    if document is not None:
        _write(result, floors, compared, document)


def _write(
    result: Evaluation,
    floors: dict[str, dict[str, float]],
    compared: list[tuple[str, dict[str, PairedDifference]]],
    path: Path,
) -> None:
    from hiprobe.evaluation.document import evaluation_document
    from hiprobe.store.text_files import json_text, write_text

    found = evaluation_document(result, floors=floors, compared=compared)
    write_text(path, json_text(found, indent=2) + "\n")
