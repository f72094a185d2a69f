"""Options that several commands share, worded once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from hiprobe.cli.option_types import (
    MAX_FRAMES,
    MAX_SECONDS,
    MAX_SEED,
    MAX_THREADS,
    MAX_WORKERS,
    MIN_SECONDS,
    Number,
    Whole,
)
from hiprobe.cli.process import folder_in_use
from hiprobe.cli.session_options import ENGINES, LENGTHS, Readers, SessionOptions, spec_of_options
from hiprobe.prompts import DEFAULT_PROMPT, PRESETS
from hiprobe.report.writers import FORMATS, format_names
from hiprobe.spec import DTYPES, FRAMES_AS, QUANTISED, RESIZES


def chosen_formats(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """The formats of all comma-separated lists, each once."""
    parts = (part.strip().lower() for part in ",".join(value).split(","))
    chosen = tuple(dict.fromkeys(part for part in parts if part))
    # Our own are known without a look at the installed packages, which takes a moment.
    unknown = sorted(set(chosen) - set(FORMATS)) and sorted(set(chosen) - set(format_names()))
    if unknown or not chosen:
        raise click.BadParameter(
            f"{', '.join(unknown) or 'nothing'}: choose from {','.join(format_names())}"
        )
    return chosen


class FormatOption(click.Option):
    """`--format`, whose help names the formats that are installed."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Names and help, put together when they are asked for: other packages add formats."""
        self.help = f"What to write: {', '.join(format_names())}; may be given several times."
        return super().get_help_record(ctx)


formats: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--format",
    "formats",
    cls=FormatOption,
    metavar="LIST",
    multiple=True,
    default=("json,csv,png",),
    show_default=True,
    callback=chosen_formats,
    help="What to write; may be given several times.",
)


READING_NAMES = ("last", "last_visual", "visual_mean", "prompt_mean")
# The readings of `hiprobe.states`, which is not loaded for a help text.
VISION_NAMES = ("vision_mean", "vision_change_mean", "vision_change_max")

# What a committee reads (`hiprobe.joined`).
COMMITTEE_NAMES = ("last", "visual_mean", "prompt_mean", "vision_change_mean")

# Names that stand for several readings.
SHORT_NAMES = {"vision": VISION_NAMES, "auto": READING_NAMES, "committee": COMMITTEE_NAMES}


def readings_named(*names: str) -> tuple[Any, ...]:
    """The readings that some names of `--reading` stand for, each once."""
    return tuple(dict.fromkeys(r for name in names for r in SHORT_NAMES.get(name, (name,))))


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

quiet: Decorator = click.option(
    "-q", "--quiet", is_flag=True, help="Print only results and errors, no progress and no remarks."
)
seed: Decorator = click.option(
    "--seed",
    type=Whole(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of the random choices.",
)
backbone: Decorator = click.option(
    "--backbone",
    metavar="NAME|FOLDER",
    help="A name from `hiprobe backbones`, a model of the hub (owner/name), or a model folder.",
)
prompt: Decorator = click.option(
    "--prompt",
    metavar="NAME|TEXT",
    help="What the model is asked: a text, or one of "
    f"{', '.join(PRESETS)}; a probe works with its own prompt only [default: {DEFAULT_PROMPT}].",
)
segment_frames: Decorator = click.option(
    "--segment-frames",
    type=Whole(1, MAX_FRAMES),
    help="Length of a segment in frames [default: 24, or what the probe was fitted with].",
)
segment_seconds: Decorator = click.option(
    "--segment-seconds",
    type=Number(MIN_SECONDS, MAX_SECONDS),
    help="Length of a segment in seconds, for cameras with few frames a second [default: 24 "
    "frames, or what the probe was fitted with].",
)
hop_seconds: Decorator = click.option(
    "--hop-seconds",
    type=Number(MIN_SECONDS, MAX_SECONDS),
    help="Begin a window of a segment's length so often, so that windows overlap and events are "
    "placed finer; length over hop is how many times the work it is [default: none, or what the "
    "probe was fitted with].",
)

skip_still: Decorator = click.option(
    "--skip-still",
    is_flag=True,
    help="Do not read segments in which nothing changes: they have the score of the last one that "
    "was read. For cameras that mostly show the same picture.",
)
no_cache: Decorator = click.option(
    "--no-cache",
    is_flag=True,
    help="Do not use or keep cached states; an interrupted run then starts over.",
)
normal: Decorator = click.option(
    "--normal",
    multiple=True,
    metavar="NAME",
    help="Name of the normal class; may be given several times [default: recognised by its name].",
)
split: Decorator = click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which rows of a table to take, by its split column [default: train if there is such a "
    "split, else all].",
)


dtype: Decorator = click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Number format of the backbone; a probe works only with the one it was fitted with "
    "[default: the probe's; else bfloat16 if the hardware computes in it, float32 if it does not].",
)
device: Decorator = click.option(
    "--device",
    metavar="NAME",
    help="Where the backbone runs: cuda, mps or cpu [default: the first that is available].",
)
quantise: Decorator = click.option(
    "--quantise",
    type=click.Choice(QUANTISED),
    help="Store the decoder's weights in one byte each, to save memory; a probe works only with "
    "what it was fitted with (needs torchao).",
)
resize: Decorator = click.option(
    "--resize",
    type=click.Choice(RESIZES),
    help="How frames are resized for the model: as in its training, or with OpenCV's INTER_AREA, "
    "which is faster; a probe works only with the way it was fitted with.",
)
frames_as: Decorator = click.option(
    "--frames-as",
    type=click.Choice(FRAMES_AS),
    help="How the model sees a segment's frames: as one video with times, or as separate pictures; "
    "a probe works only with the way it was fitted with [default: the probe's; else a video if the "
    "model can take one].",
)

# How a backbone's numbers are held and its pictures made.
numbers: tuple[Decorator, ...] = (dtype, device, quantise, resize, frames_as)


workers: Decorator = click.option(
    "--workers",
    type=Whole(1, MAX_WORKERS),
    help="Processes that read videos, each with a backbone of its own; on few cores one thread in "
    "each of two is faster than two threads in one [default: 1; of a Ray cluster, its GPUs or "
    "else its processors].",
)
engine: Decorator = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="Where the workers are: on this machine, or actors of a Ray cluster (needs hiprobe[ray]).",
)
address: Decorator = click.option(
    "--address",
    metavar="ADDRESS",
    help="Of the Ray cluster, host:port or auto [default: what RAY_ADDRESS says, else Ray is "
    "started on this machine].",
)


def _use_threads(ctx: click.Context, param: click.Parameter, count: int | None) -> int | None:
    """Said here and not in the command: what counts threads is loaded there."""
    if count is not None:
        from hiprobe.settings import use_threads

        use_threads(count)
    return count


threads: Decorator = click.option(
    "--threads",
    type=Whole(1, MAX_THREADS),
    callback=_use_threads,
    help="Threads that the backbone uses on the CPU, and as many at most for decoding; with "
    "--workers, in each of them [default: the processors that this process may use].",
)


def smoothing(*, of: str) -> Decorator:
    """`--smoothing` and `--ema-weight`; `of` says whose they are where they are not given."""
    chosen = click.option(
        "--smoothing",
        type=click.Choice(["gaussian", "ema", "none"]),
        help="Smoothing of the scores over time: gaussian looks ahead (--sigma), ema is an "
        f"exponential mean that looks back only, as a live camera must [default: {of}].",
    )
    weight = click.option(
        "--ema-weight",
        type=Number(0, 1, low_open=True),
        help="Weight of the newest segment in --smoothing ema [default: 0.25, or the probe's].",
    )
    return lambda function: chosen(weight(function))


def out(default: str, *, unless: str = "") -> Decorator:
    """`--out` with the command's own default folder, kept from runs of other settings meanwhile.

    `unless` names a flag with which the command writes nothing.
    """
    option: Decorator = click.option(
        "-o",
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help="Folder for the results.",
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(*, out: Path, **own: Any) -> Any:
            if own.get(unless):
                return command(out=out, **own)
            with folder_in_use(out):
                return command(out=out, **own)

        return option(called)

    return decorate


def reading(*, several: bool = False, auto: bool = False) -> Decorator:
    """`--reading`: one, or several as `readings`; with `auto` for a choice by the data.

    One that may stand for several (`several`, `auto`) also takes `vision`; `several` takes
    `committee` too.
    """
    names = [*READING_NAMES, *VISION_NAMES]
    names += ["vision", "committee"] if several else ["vision", "auto"] if auto else []
    what = (
        "What to read: the state of the last prompt position or of the last visual token, a mean "
        "over tokens, or what the vision tower alone gives"
    )
    compared = "; vision compares its three readings by cross-validation, auto the others"
    taken = (
        "; vision stands for its three readings, committee for all that `fit` reads unless told "
        "otherwise; may be given several times"
    )
    return click.option(
        "--reading",
        "readings" if several else "reading",
        type=click.Choice(names),
        multiple=several,
        default=("last",) if several else "last",
        show_default=True,
        callback=(lambda _, __, given: readings_named(*given)) if several else None,
        help=what + (taken if several else compared if auto else "") + ".",
    )


def how_opened(*chosen: Decorator) -> Decorator:
    """Options of a backbone, handed to the command as one `spec: BackboneSpec`.

    Args:
        chosen: those that the command has; the others stay open.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(**given: Any) -> Any:
            del given["threads"]  # its callback has set them already
            return command(spec=spec_of_options(given), **given)

        decorated: Callable[..., Any] = called
        for option in reversed((*chosen, threads)):
            decorated = option(decorated)
        return decorated

    return decorate


def how_to_read(
    *,
    with_prompt: bool = True,
    with_workers: bool = True,
    with_windows: bool = True,
    with_still: bool = False,
) -> Decorator:
    """The options that say how videos are read, handed to the command as one `how`.

    The command takes `how: SessionOptions` in place of --backbone, --prompt (unless a probe
    says it), --segment-seconds, --segment-frames and --hop-seconds (unless `with_windows` is
    false), --skip-still (where `with_still` is true), --dtype, --device, --quantise, --resize,
    --frames-as, --workers, --engine, --address (unless `with_workers` is false), --threads,
    --no-cache and --quiet.
    """
    asked = [prompt] if with_prompt else []
    others = [workers, engine, address, threads] if with_workers else [threads]
    windows = [segment_frames, hop_seconds] if with_windows else []
    skipping = [skip_still] if with_still else []
    cuts = [segment_seconds, *windows, *skipping]
    stack = [backbone, *asked, *cuts, *numbers, *others, no_cache, quiet]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(*, no_cache: bool, quiet: bool, **given: Any) -> Any:
            readers = Readers(
                given.pop("workers", None),
                given.pop("engine", ENGINES[0]),
                given.pop("address", None),
                given.pop("threads"),
            )
            lengths = {name: given.pop(name, None) for name in LENGTHS}
            spec = spec_of_options(given)
            still = given.pop("skip_still", False)
            how = SessionOptions(
                spec,
                **lengths,
                cached=not no_cache,
                quiet=quiet,
                readers=readers,
                skip_still=still,
            )
            try:
                return command(how=how, **given)
            except KeyboardInterrupt as stop:
                stop.args = (how.after_interrupt,)
                raise

        decorated: Callable[..., Any] = called
        for option in reversed(stack):
            decorated = option(decorated)
        return decorated

    return decorate
