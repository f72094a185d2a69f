"""Options that several commands share, worded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

quiet: Decorator = click.option(
    "-q", "--quiet", is_flag=True, help="No progress and no remarks; results and errors only."
)
seed: Decorator = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="For random choices.",
)
backbone: Decorator = click.option(
    "--backbone",
    metavar="NAME|FOLDER",
    help="A name of `hiprobe backbones list`, or a model folder.",
)
prompt: Decorator = click.option(
    "--prompt", metavar="TEXT", help="What the backbone is asked; part of its fingerprint."
)
reading: Decorator = click.option(
    "--reading",
    type=click.Choice(["last", "visual_mean", "prompt_mean"]),
    default="last",
    show_default=True,
    help="Where a layer is read: the last prompt position, or a mean over tokens.",
)
segment_seconds: Decorator = click.option(
    "--segment-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Length of a segment in seconds, for cameras of few frames a second [default: 24 frames, "
    "or what the probe was fitted with].",
)
no_cache: Decorator = click.option(
    "--no-cache", is_flag=True, help="Neither use nor keep cached states."
)
normal: Decorator = click.option(
    "--normal", metavar="NAME", help="Name of the normal class [default: recognised]."
)


def out(default: str) -> Decorator:
    """`--out` with the command's own default folder."""
    return click.option(
        "-o",
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help="Folder for the results.",
    )
