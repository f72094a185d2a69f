"""The command line. Each command is one file; heavy imports happen only when it runs."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `hiprobe` command."""
    from hiprobe.cli.process import keep_streams_writable

    keep_streams_writable()
    from hiprobe.cli.app import app
    from hiprobe.cli.console import prepare_streams

    prepare_streams()
    app(prog_name="hiprobe")
