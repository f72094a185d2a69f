"""The hops that the architecture page lists are there, one calls the next, and they are few."""

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


def function(name: str) -> ast.FunctionDef:
    """The function of a dotted name, found in the source."""
    parts = name.split(".")
    root = ROOT / "src" / "hiprobe"
    count = next(
        n for n in range(1, len(parts)) if root.joinpath(*parts[:n]).with_suffix(".py").is_file()
    )
    found: ast.AST = ast.parse(root.joinpath(*parts[:count]).with_suffix(".py").read_text())
    for part in parts[count:]:
        inside = [n for n in ast.walk(found) if getattr(n, "name", None) == part]
        assert inside, f"{name} is not there"
        found = inside[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def names_in(function: ast.FunctionDef) -> set[str]:
    """What a function calls or hands on, by its last name."""
    nodes = list(ast.walk(function))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {
        n.id for n in nodes if isinstance(n, ast.Name)
    }


@pytest.mark.parametrize("hops", listed(), ids=["fit", "detect"])
def test_each_hop_is_called_by_one_before_it(hops: list[str]) -> None:
    assert 10 < len(hops) <= MOST_HOPS
    # By the last name alone; `Engine.map` calls what the function before it has named.
    known = names_in(function(hops[0]))
    for hop in hops[1:]:
        assert hop.split(".")[-1] in known, hop
        known |= names_in(function(hop))
