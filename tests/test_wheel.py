"""The wheel that `pip install hiprobe` installs holds all that it needs, and runs alone."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "hiprobe"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder is left among the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    shutil.copytree(SOURCES, copy / "src" / "hiprobe", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", str(copy), "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "-w", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("hiprobe-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    folder = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_alone(unpacked: Path, code: str) -> str:
    """What code prints that sees the wheel's package and no sources of this folder."""
    start = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    end = f"\nimport hiprobe; assert hiprobe.__file__.startswith({str(unpacked)!r})"
    command = [sys.executable, "-I", "-c", start + code + end]
    done = subprocess.run(command, capture_output=True, text=True, cwd=unpacked, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    there = {
        path.relative_to(SOURCES.parent).as_posix()
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == there
    for name in ("py.typed", "backbones/facts.json", "backbones/lite/wheels.txt"):
        assert f"hiprobe/{name}" in packed
    assert "hiprobe/backbones/lite/projector.safetensors" in packed
    assert "hiprobe/report/templates/report.html" in packed
    assert "hiprobe/review/static/vendor/preact.js" in packed


def test_it_names_its_command(unpacked: Path) -> None:
    (file,) = unpacked.glob("hiprobe-*.dist-info/entry_points.txt")
    entries = configparser.ConfigParser()
    entries.read(file)
    assert dict(entries["console_scripts"]) == {"hiprobe": "hiprobe.cli:main"}
    assert (file.parent / "licenses" / "LICENSE").exists()


def test_import_and_help_run_from_it_alone(unpacked: Path) -> None:
    run_alone(unpacked, "import hiprobe; [getattr(hiprobe, name) for name in hiprobe.__all__]")
    help_text = run_alone(
        unpacked,
        "from hiprobe.cli import main\nsys.argv = ['hiprobe', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
    )
    assert "Find abnormal events in video" in help_text


def test_its_data_files_are_found_from_it_alone(unpacked: Path) -> None:
    code = (
        "from hiprobe.backbones.catalogue import catalogue\n"
        "from hiprobe.datasets.known_sets import known_sets\n"
        "from hiprobe.report.html_page import write_page\n"
        "from hiprobe.report.writers import find_writer, format_names\n"
        "assert len(catalogue()) > 20 and len(known_sets()) > 3\n"
        "assert all(map(find_writer, format_names()))\n"
        "write_page('page.html', title='A page', videos=[], probe={})\n"
    )
    run_alone(unpacked, code)
    assert "A page" in (unpacked / "page.html").read_text(encoding="utf-8")
