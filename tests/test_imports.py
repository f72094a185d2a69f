"""Heavy libraries stay in their own rooms, and `import hiprobe` loads none of them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "hiprobe"
HEAVY = {"av", "torch", "transformers", "cv2", "sklearn", "scipy", "matplotlib", "pyarrow"}
HOMES = {"av": {"video"}, "torch": {"backbones"}, "transformers": {"backbones"}}
ENVIRONMENT = {"environ", "getenv", "environb"}


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def trees() -> list[tuple[Path, ast.AST]]:
    files = sorted(PACKAGE.rglob("*.py"))
    assert files
    return [(f.relative_to(PACKAGE), ast.parse(f.read_text(encoding="utf-8"))) for f in files]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_heavy_libraries_are_imported_only_at_home(library: str) -> None:
    strangers = [
        str(path)
        for path, tree in trees()
        if library in imported(tree) and path.parts[0] not in HOMES[library]
    ]
    assert not strangers


@pytest.mark.parametrize("library", ["pickle", "dill", "joblib"])
def test_nothing_is_unpickled(library: str) -> None:
    assert not [str(path) for path, tree in trees() if library in imported(tree)]


def reads_environment(tree: ast.AST) -> bool:
    """`{**os.environ, ...}` for a child process passes on, it does not read."""
    passed_on = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is None
    }
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ENVIRONMENT
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and id(node) not in passed_on
        for node in ast.walk(tree)
    )


def test_only_settings_reads_the_environment() -> None:
    assert [str(path) for path, tree in trees() if reads_environment(tree)] == ["settings.py"]


@pytest.mark.parametrize(
    "module",
    ["hiprobe", "hiprobe.settings", "hiprobe.store.states_cache", "hiprobe.datasets.clips"],
)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
