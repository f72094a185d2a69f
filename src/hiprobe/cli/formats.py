"""Which files a command writes for each video: the option, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

FORMATS = ("json", "csv", "png", "mp4", "html")


def chosen_formats(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """The formats of all comma-separated lists, each once."""
    parts = (part.strip().lower() for part in ",".join(value).split(","))
    chosen = tuple(dict.fromkeys(part for part in parts if part))
    unknown = sorted(set(chosen) - set(FORMATS))
    if unknown or not chosen:
        raise click.BadParameter(
            f"{', '.join(unknown) or 'nothing'}: choose of {','.join(FORMATS)}"
        )
    return chosen


formats: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--format",
    "formats",
    metavar="LIST",
    multiple=True,
    default=("json,csv,png",),
    show_default=True,
    callback=chosen_formats,
    help="What to write: json, csv, png, mp4, html; may be given several times.",
)
