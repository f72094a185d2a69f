"""`hiprobe bench`: how fast this machine is, against its floor and against the usual ways."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, print_table, say, say_nothing
from hiprobe.cli.option_types import Number, Whole

# As in `hiprobe.bench.run_bench`, which is not loaded for a help text.
PARTS = ("extraction", "end-to-end", "memory", "workers", "neighbour")


@click.command()
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="NAME|FOLDER",
    help="What to measure; may be given several times, and the first is measured in every part. "
    "One of `hiprobe backbones` that is not on this disk gets random weights [default: lite and "
    "smolvlm2-256m].",
)
@click.option(
    "--video",
    type=click.Path(path_type=Path),
    help="Video to read, of eight segments or more [default: a moving test picture of 320x240].",
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="Measure this part only; may be given several times [default: all].",
)
@click.option("--quick", is_flag=True, help="Less than a minute, with figures that swing more.")
@click.option(
    "--memory-minutes",
    type=Number(0.01, 100_000),
    multiple=True,
    help="Length of a video that memory is measured with; may be given several times [default: 1 "
    "and 10].",
)
@click.option(
    "--turns",
    type=Whole(1, 1000),
    help="How often each way of extraction is timed [default: 5, with --quick 2].",
)
@click.option(
    "--gpu",
    is_flag=True,
    help="Measure the three large models at full size on a GPU instead, with random weights.",
)
@options.out("hiprobe-bench")
@options.quiet
def bench(
    backbones: tuple[str, ...],
    video: Path | None,
    parts: tuple[str, ...],
    quick: bool,
    memory_minutes: tuple[float, ...],
    turns: int | None,
    gpu: bool,
    out: Path,
    quiet: bool,
) -> None:
    """Measure the speed of HiProbe on this machine; writes bench.json and bench.html.

    One run measures, mostly as ratios: extraction against the floor (operations over the rate of a
    matrix product, taken in the same turns) and against the usual ways on the same weights and
    frames, with the states compared; each stage from file to events; memory against length;
    workers; and the model next to a busy process on each core. It takes some minutes on two cores,
    and should have the machine to itself. The rates are kept for `hiprobe plan`.

    \b
    Examples:
      hiprobe bench --quick
      hiprobe bench -o bench-today
      hiprobe bench --backbone /models/SmolVLM2-500M --part extraction --turns 3
      hiprobe bench --part memory --memory-minutes 1 --memory-minutes 1440
      hiprobe bench --gpu
    """
    from hiprobe.bench.bench_page import write_bench_page
    from hiprobe.bench.bench_tables import machine_line, plain_text, tables_of
    from hiprobe.bench.run_bench import BenchRequest, run_bench, run_large
    from hiprobe.settings import share_processors
    from hiprobe.store.text_files import json_text, write_text

    typed = (backbones, parts, memory_minutes)
    if gpu and (any(typed) or quick or video is not None):
        raise click.UsageError("--gpu measures its own models alone: give only --turns and --out")
    share_processors()
    tell = say_nothing if quiet else say
    if gpu:
        found = run_large(turns=turns or 10, command=_command(), say=tell)
    else:
        request = BenchRequest.quick() if quick else BenchRequest()
        chosen: dict[str, Any] = {
            "backbones": backbones,
            "parts": parts,
            "memory_minutes": memory_minutes,
            "turns": turns,
        }
        request = replace(request, video=video, **{k: v for k, v in chosen.items() if v})
        found = run_bench(request, command=_command(), say=tell)
    write_text(out / "bench.json", json_text(found, indent=1) + "\n")
    write_bench_page(out / "bench.html", found)
    for table in tables_of(found):
        echo(f"{table.title}\n")
        print_table(table.header, table.rows)
        echo(f"{plain_text(table.after)}\n" if table.after else "")
    if not quiet:
        say(plain_text(machine_line(found)))
        say(f"wrote {out / 'bench.json'}, bench.html")


def _command() -> str:
    """The options as they were typed, without the folders of this machine."""
    context = click.get_current_context()
    words = ["hiprobe", "bench"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        named = parameter.opts[0]
        # The page is for others to compare with: where the results went on this machine says
        # nothing.
        if parameter.name in ("out", "quiet") or value in (None, (), False):
            continue
        if value is True:
            words.append(named)
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [named, Path(one).name if isinstance(one, str | Path) else f"{one:g}"]
    return shlex.join(words)
