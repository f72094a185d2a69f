"""`hiprobe correct`: label an event and refit the probe with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli.console import echo, format_number, progress_bar
from hiprobe.cli.events import (
    SHORT_ID,
    event_by_prefix,
    opened_review,
    probe_option,
    results_option,
    reviewer_name,
)
from hiprobe.names import shown

if TYPE_CHECKING:
    from hiprobe.review.values import KeptEvent, Refit

# Events and doubts of each kind that are listed: more are read on the review page.
MOST_LISTED = 8


@click.command()
@click.argument("event")
@click.argument("kind", metavar="normal|abnormal", type=click.Choice(["normal", "abnormal"]))
@click.option("--note", default="", help="A remark that is kept with the label.")
@click.option("--reviewer", help="Name that the label carries [default: the user's].")
@results_option()
@probe_option()
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def correct(
    event: str,
    kind: str,
    note: str,
    reviewer: str | None,
    results: Path,
    probe: Path | None,
    quiet: bool,
) -> None:
    """Label an event and refit the probe on it.

    EVENT is an id from `hiprobe events`, or its beginning. No model runs: the states of the videos
    are kept from when they were scored. The label is kept in any case. The probe before is kept in
    its folder, under versions/.

    \b
    Examples:
      hiprobe correct 3f9a2c41 normal --probe my-probe
      hiprobe correct 3f9a2c41 abnormal --note "man falls"
    """
    from hiprobe.review.teach import Teacher

    name = reviewer_name(reviewer)
    said: Any = "anomaly" if kind == "abnormal" else "normal"
    with opened_review(results, probe) as library:
        found = event_by_prefix(library, event)
        library.probe_in_use()  # without a probe nothing can be refitted: say so before labelling
        library.label(event_id=found.id, kind=said, note=note, reviewer=name)
        echo(f"{found.id[:SHORT_ID]} is labelled {kind}")
        teacher = Teacher(library)
        with progress_bar("refit", quiet=quiet) as progress:
            refit = teacher.refit(progress)
        names = {video.id: shown(video.name) for video in library.videos()}
        _print(refit, names)
        version = teacher.accept(refit.id, name)
        echo(f"the probe has version {version.number} now; version {version.number - 1} is kept")


def _print(refit: Refit, names: dict[str, str]) -> None:
    echo("                 before   after")
    before, after = refit.before, refit.after
    echo(f"held-out AUC   {format_number(before.cv_auc):>8}{format_number(after.cv_auc):>8}")
    echo(f"threshold      {before.threshold:>8.3f}{after.threshold:>8.3f}")
    echo(f"labels         {before.label_count:>8}{after.label_count:>8}")
    if refit.alarms_before is not None and refit.alarms_after is not None:
        hourly = (refit.alarms_before.per_hour, refit.alarms_after.per_hour)
        echo(f"alarms an hour {hourly[0]:>8.1f}{hourly[1]:>8.1f}")
        echo(f"  on {refit.alarms_after.footage}")
    for name in refit.stale_cameras:
        echo(f"to be calibrated again: camera {shown(name)}")
    _print_events("appear", refit.appearing, names)
    _print_events("vanish", refit.vanishing, names)
    for doubt in refit.doubtful[:MOST_LISTED]:
        echo(f"doubtful: {shown(doubt.name)}")
        echo(f"  {doubt.label}, but scores {doubt.score:.2f}")
    for left_out in refit.left_out:
        echo(f"not learnt from, since its states are gone: {shown(left_out)}")


def _print_events(what: str, events: tuple[KeptEvent, ...], names: dict[str, str]) -> None:
    echo(f"events that {what}: {len(events)}")
    for event in events[:MOST_LISTED]:
        echo(f"  {event.start_seconds:.1f}-{event.end_seconds:.1f} s {names[event.video_id]}")
    if len(events) > MOST_LISTED:
        echo(f"  and {len(events) - MOST_LISTED} more")
