"""`hiprobe cache`: what is kept of earlier runs, and how to get rid of it."""

from __future__ import annotations

import click

from hiprobe.cli.console import echo, format_bytes, print_table
from hiprobe.cli.option_types import Number


@click.group()
def cache() -> None:
    """Show or remove cached states.

    What the backbone computed from a video is kept, so that fitting again or resuming an
    interrupted run does not read the video twice. The folder is HIPROBE_CACHE, which may be
    s3://bucket/name, or else the user's cache folder.
    """


@cache.command()
@click.option("--all", "everything", is_flag=True, help="List every entry, not only the total.")
def show(everything: bool) -> None:
    """Show the folder, its size and, with --all, every entry.

    \b
    Examples:
      hiprobe cache show
      hiprobe cache show --all
    """
    import time

    from hiprobe.prompts import prompt_name
    from hiprobe.settings import states_folder
    from hiprobe.store.states_cache import StatesCache

    kept = StatesCache(states_folder())
    entries = kept.entries()
    if everything and entries:
        rows = [
            (
                e.video,
                e.model,
                prompt_name(e.prompt, width=24) if e.prompt else "",
                str(len(e.layers)),
                "unfinished" if e.partial else "complete",
                format_bytes(e.size_bytes),
                f"{(time.time() - e.modified_seconds) / 86400:.1f}",
            )
            for e in entries
        ]
        print_table(("video", "backbone", "prompt", "layers", "state", "size", "age in days"), rows)
    total = sum(e.size_bytes for e in entries)
    echo(f"{kept.folder}: {len(entries)} entries, {format_bytes(total)}")


@cache.command()
@click.option(
    "--max-gb",
    type=Number(0, 1e6),
    help="Remove the oldest entries until no more than this is left.",
)
@click.option("--older-than-days", type=Number(0, 1e6), help="Remove entries older than this.")
@click.option("--all", "everything", is_flag=True, help="Remove everything.")
def prune(max_gb: float | None, older_than_days: float | None, everything: bool) -> None:
    """Remove cached states by age or size.

    \b
    Examples:
      hiprobe cache prune --older-than-days 30
      hiprobe cache prune --max-gb 5
      hiprobe cache prune --all
    """
    from hiprobe.settings import states_folder
    from hiprobe.store.states_cache import StatesCache

    if max_gb is None and older_than_days is None and not everything:
        raise click.UsageError("say what to remove: --max-gb, --older-than-days or --all")
    removed = StatesCache(states_folder()).prune(
        max_bytes=0 if everything else None if max_gb is None else int(max_gb * 1e9),
        older_than_seconds=None if older_than_days is None else older_than_days * 86400,
    )
    freed = sum(e.size_bytes for e in removed)
    echo(f"removed {len(removed)} entries, {format_bytes(freed)}")
