"""`hiprobe doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import click


@click.command()
def doctor() -> None:
    """Check cores, memory, GPU, codecs, backbones and disk.

    The exit code is 1 where something is missing that HiProbe cannot run without.

    \b
    Examples:
      hiprobe doctor
    """
    from hiprobe.cli.checks import run_checks

    missing = 0
    for check in run_checks():
        missing += check.level == "missing"
        click.echo(f"{_SIGNS[check.level]} {check.name}: {check.text}")
        if check.remedy:
            click.echo(f"         -> {check.remedy}")
    if missing:
        raise SystemExit(1)


_SIGNS = {"ok": "ok      ", "note": "note    ", "missing": "MISSING "}
