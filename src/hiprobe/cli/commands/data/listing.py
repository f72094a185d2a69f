"""`hiprobe data list`: which data sets there are."""

from __future__ import annotations

import click


@click.command("list")
def listing() -> None:
    """List the data sets that can be checked, and what the package knows of each.

    \b
    Examples:
      hiprobe data list
    """
    from hiprobe.cli.checking import list_rows
    from hiprobe.cli.text import print_table

    print_table(("name", "train", "val", "test", "spans in the package", "title"), list_rows())
