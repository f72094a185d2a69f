"""`hiprobe data`: which data sets there are, get one, check it, draw a part of it."""

from __future__ import annotations

import click

from hiprobe.cli.commands.data.check import check
from hiprobe.cli.commands.data.get import get
from hiprobe.cli.commands.data.listing import listing
from hiprobe.cli.commands.data.pack import pack
from hiprobe.cli.commands.data.subset import subset


@click.group()
def data() -> None:
    """Get and check data sets, and draw labelled clips from them.

    A checked set is one table, its manifest: which video, of which split and class, with how many
    frames, abnormal from when to when.
    """


for _command in (listing, check, subset, get, pack):
    data.add_command(_command)
