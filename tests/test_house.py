"""The rooms of the package import one way, and every name stands once.

A room is the first folder or file below `src/hiprobe`. Imports inside functions and under
TYPE_CHECKING are left out: they neither load a module early nor make two rooms need each other.
"""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "hiprobe"


def trees() -> dict[Path, ast.Module]:
    return {
        path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def rooms() -> dict[str, set[str]]:
    """Each room, and those that it imports when it is loaded."""
    found: dict[str, set[str]] = {}
    for path, tree in trees().items():
        own = path.parts[0].removesuffix(".py")
        names = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
        names += [
            alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
        ]
        others = {name.split(".")[1] for name in names if name.startswith("hiprobe.")}
        found.setdefault(own, set()).update(others - {own})
    return found


def test_rooms_import_one_way() -> None:
    try:
        TopologicalSorter(rooms()).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from error


def test_the_equations_need_no_other_room_of_theirs() -> None:
    """What is computed stands apart from what reads videos, runs models and writes results."""
    busy = {"backbones", "baselines", "cli", "datasets", "pipeline", "probe", "report", "video"}
    equations = ("classifiers", "fitted_scorer", "localize", "saliency", "scorer", "separation")
    for room in equations:
        assert not rooms()[room] & busy, room


def test_file_names_stand_once() -> None:
    names = Counter(path.name for path in trees() if not path.name.startswith("__"))
    assert not [name for name, count in names.items() if count > 1]


def test_class_names_stand_once() -> None:
    names = Counter(
        node.name
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    twice = {name for name, count in names.items() if count > 1}
    assert not twice, "a name that another class has; say what this one is"
