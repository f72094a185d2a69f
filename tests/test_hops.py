"""The hops that the architecture page lists are there, in the order of the code, and few."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_HOPS = 18


def listed() -> list[list[str]]:
    """The numbered lists of the section, as dotted names below `hiprobe`."""
    _, section = (ROOT / "docs" / "architecture.md").read_text().split("\n## Hops\n")
    numbered = re.findall(r"^(\d+)\. `([\w.]+)`", section.split("\n## ")[0], re.MULTILINE)
    lists: list[list[str]] = []
    for number, name in numbered:
        if number == "1":
            lists.append([])
        lists[-1].append(name)
    return lists


def file_of(name: str) -> tuple[ast.Module, list[str]]:
    """The file of a dotted name, parsed, and the names within it."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        path = (ROOT / "src" / "hiprobe").joinpath(*parts[:count]).with_suffix(".py")
        if path.is_file():
            return ast.parse(path.read_text()), parts[count:]
    raise AssertionError(f"{name} is in no file")


@pytest.mark.parametrize("hops", listed(), ids=["fit", "detect"])
def test_each_hop_is_there_and_named_by_a_file_before_it(hops: list[str]) -> None:
    assert 10 < len(hops) <= MOST_HOPS
    named = {hops[0].split(".")[-1]}
    for hop in hops:
        tree, within = file_of(hop)
        found: ast.AST = tree
        for part in within:
            inside = [n for n in ast.iter_child_nodes(found) if getattr(n, "name", None) == part]
            assert inside, f"{hop} is not there"
            found = inside[0]
        assert isinstance(found, ast.FunctionDef)
        used = {getattr(n, "attr", None) or getattr(n, "id", None) for n in ast.walk(tree)}
        assert within[-1] in named, f"nothing before {hop} calls it"
        named |= {name for name in used if name}
