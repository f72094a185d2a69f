"""`hiprobe doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli import options
from hiprobe.cli.check_line import Check
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import say
from hiprobe.errors import UsageError


@click.command()
@options.how_opened(
    click.option(
        "--backbone",
        metavar="NAME|FOLDER",
        help="Check this backbone instead: weights, states, words for a test picture, time, "
        "memory.",
    ),
    *options.numbers,
)
def doctor(spec: BackboneSpec) -> None:
    """Check cores, memory, GPU, codecs, backbones and disk; or load one backbone and try it.

    With --backbone: every tensor of the files must have its place in the model and none may be
    missing, the states must be finite and moved by a picture, and the model says what it sees in a
    drawn one. Read its words: a model whose weights were read wrongly talks nonsense.

    The exit code is 1 where something is missing that HiProbe cannot run without.

    \b
    Examples:
      hiprobe doctor
      hiprobe doctor --backbone internvl2.5-8b
      hiprobe doctor --backbone /models/Qwen2.5-VL-7B-Instruct
    """
    from hiprobe.cli.checks import run_checks

    if spec.name is None and spec != BackboneSpec():
        raise UsageError(f"{spec} is not enough: these options go with --backbone")
    missing = 0
    for check in run_checks() if spec.name is None else _tried(spec):
        missing += check.level == "missing"
        echo(f"{_SIGNS[check.level]} {check.name}: {check.text}")
        if check.remedy:
            echo(f"         -> {check.remedy}")
    if missing:
        raise SystemExit(1)


def _tried(spec: BackboneSpec) -> Iterator[Check]:
    from dataclasses import astuple

    from hiprobe.backbones.checkup import check_backbone
    from hiprobe.backbones.registry import backbone_folder
    from hiprobe.backbones.shape_families import folder_shape

    folder = backbone_folder(spec.known_as, say=say)
    yield Check("folder", "ok", str(folder))
    say("loading the weights ...")
    opened = spec.open()
    for finding in check_backbone(opened, folder=folder, shape=folder_shape(folder)):
        yield Check(*astuple(finding))


_SIGNS = {"ok": "ok      ", "note": "note    ", "missing": "MISSING "}
