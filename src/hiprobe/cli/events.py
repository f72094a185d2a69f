"""`hiprobe events`: the events of a review, with their ids and labels."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli.console import echo, format_number
from hiprobe.cli.option_types import LocalPath
from hiprobe.errors import UsageError
from hiprobe.names import shown

if TYPE_CHECKING:
    from hiprobe.review.library import Library
    from hiprobe.review.values import KeptEvent, Label

# Digits of an id on screen: a line then fits into 40 columns. Any longer part of an id is taken
# too.
SHORT_ID = 8

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def probe_option() -> Decorator:
    """`--probe`, which the review remembers."""
    return click.option(
        "--probe",
        type=LocalPath(file=False),
        help="Folder of the probe that scored the videos; needed once, then remembered.",
    )


def results_option() -> Decorator:
    """`--results`, for commands that are given something else first."""
    return click.option(
        "--results",
        type=LocalPath(file=False),
        default="hiprobe-results",
        show_default=True,
        help="Folder that `hiprobe detect --format json` wrote; labels are kept in it.",
    )


@contextmanager
def opened_review(results: Path, probe: Path | None = None) -> Iterator[Library]:
    """The library of a folder of results, closed at the end."""
    from hiprobe.review.library import Library

    with Library.open([results], probe=probe) as library:
        yield library


def event_by_prefix(library: Library, text: str) -> KeptEvent:
    """The event whose id begins with a text.

    Raises:
        UsageError: there is none, or more than one.
    """
    found = [event for event in library.store.events() if text and event.id.startswith(text)]
    if not found:
        raise UsageError(f"there is no event {text!r}; `hiprobe events` lists them")
    if len(found) > 1:
        raise UsageError(f"{len(found)} events begin with {text!r}; give more of the id")
    return found[0]


def reviewer_name(given: str | None) -> str:
    """The name that labels carry: the given one, else the user's login name."""
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):  # a container without a user of that number
        return "reviewer"


def label_words(label: Label | None) -> str:
    """A label in a word or two."""
    if label is None:
        return "-"
    return label.class_name or label.kind


@click.command()
@click.argument("results", type=LocalPath(file=False))
@click.option(
    "--sort",
    type=click.Choice(["time", "certain", "uncertain"]),
    default="time",
    show_default=True,
    help="By time, or the farthest from the threshold or the nearest to it first.",
)
@click.option("--open", "only_open", is_flag=True, help="Only events that nobody has labelled.")
@probe_option()
def events(results: Path, sort: Any, only_open: bool, probe: Path | None) -> None:
    """List the events of a folder of results, with ids and labels.

    An event keeps its id when the threshold or the probe changes.

    \b
    Examples:
      hiprobe events hiprobe-results
      hiprobe events hiprobe-results --open --sort uncertain
    """
    with opened_review(results, probe) as library:
        page = library.events(sort=sort, label="none" if only_open else None)
        names = {video.id: shown(video.name) for video in library.videos()}
    for video_id, found in groupby(page.events, key=lambda event: event.video_id):
        echo(names[video_id], bold=True)
        for event in found:
            echo(_line(event))
    echo(f"{page.total} events" if page.total != 1 else "1 event")


def _line(event: KeptEvent) -> str:
    times = f"{event.start_seconds:.1f}-{event.end_seconds:.1f} s"
    score = format_number(event.score, 2)
    return f"{event.id[:SHORT_ID]} {times:>13} {score} {shown(label_words(event.label))}"
