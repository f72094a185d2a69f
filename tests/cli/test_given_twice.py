"""An option with one value that is given twice is refused: one of the two would be lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app


def single_options(group: click.Group, before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Words of each command with each of its options that take one value."""
    for name, command in group.commands.items():
        words = (*before, name)
        for option in (p for p in command.params if isinstance(p, click.Option)):
            if not (option.multiple or option.count or option.is_flag):
                yield (*words, option.opts[-1])
        if isinstance(command, click.Group):
            yield from single_options(command, words)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("words", list(single_options(app, ())), ids=" ".join)
def test_every_option_with_one_value(words: tuple[str, ...]) -> None:
    *command, option = words
    done = run(*command, option, "a", f"{option}=c" if option[1] == "-" else f"{option}c")
    assert done.exit_code == 2
    assert f"{option} is given 2 times, and takes one value; give it once" in done.stderr


def test_short_and_long_names_are_one_option() -> None:
    done = run("fit", "clips", "-o", "a", "--out", "b")
    assert done.exit_code == 2 and "--out is given 2 times" in done.stderr


def test_flags_and_collected_options_may_be_repeated(tmp_path: Path) -> None:
    done = run("fit", str(tmp_path / "none"), "-q", "--quiet")
    assert "given" not in done.stderr
    formats = ("--format", "json,csv", "--format", "html")
    assert "given" not in run("detect", str(tmp_path), "x.mp4", *formats).stderr


def test_what_cannot_be_read_is_said_by_the_command_itself() -> None:
    done = run("fit", "--sigma", "1", "--sigma", "2", "--nonsense", "x")
    assert done.exit_code == 2 and "No such option" in done.stderr
    assert run("backbones", "nothing").exit_code == 2
