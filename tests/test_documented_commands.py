"""Every command line and import that the documentation shows is one that HiProbe takes."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from extension_packages import install, sections
from hiprobe.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def command_lines(page: Path) -> Iterator[str]:
    """Lines of fenced blocks that call hiprobe; a final backslash goes on in the next line."""
    for _, text in blocks(page):
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||[|;]|\s>>?\s", line):
                found = re.fullmatch(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/bin/)?(hiprobe .*)", part)
                if found and "[OPTIONS]" not in found[1]:
                    yield found[1]


def inline_calls(page: Path) -> Iterator[str]:
    """Calls inside a sentence, which may leave words away."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from (" ".join(m.split()) for m in re.findall(r"`(hiprobe [^`]*)`", prose))


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The innermost command that the words name, and its arguments."""
    command: click.Command = app
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        assert name in command.commands, f"no command {name!r}"
        command = command.commands[name]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_command_lines_are_taken(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if page.name == "extending.md":  # its commands name what its packages add
        for section in sections():
            install(section, tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
    for line in command_lines(page):
        _, *words = shlex.split(line, comments=True)
        command, arguments = command_of(words)
        for parameter in command.params:
            if isinstance(parameter.type, click.Path):
                monkeypatch.setattr(parameter.type, "exists", False)
        try:
            command.make_context(command.name, arguments)
        except click.exceptions.Exit:
            pass  # --help and --version end here
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {line}\n{error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_calls_in_sentences_name_commands_and_options_that_exist(page: Path) -> None:
    for call in inline_calls(page):
        _, *words = re.sub(r"[\"'<>\[\]]", "", call).split()
        command, arguments = command_of(words)
        known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        known |= {"--help", "-h"}
        for word in arguments:
            if word.startswith("-"):
                assert word.split("=")[0] in known, f"{page.name}: {call}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_imports_of_examples_can_be_had(page: Path) -> None:
    for language, text in blocks(page):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hiprobe"):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}: {alias.name}"


def test_the_pages_show_command_lines() -> None:
    assert sum(1 for page in PAGES for _ in command_lines(page)) > 60
