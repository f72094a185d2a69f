import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from hiprobe import __version__
from hiprobe.cli.app import app
from hiprobe.errors import DownloadError, StorageError

HEAVY = {"av", "torch", "transformers", "cv2", "sklearn", "scipy", "matplotlib", "numpy"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def every_command(
    group: click.Group = app, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += every_command(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


@pytest.mark.parametrize(
    ("path", "command"), every_command(), ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], command: click.Command
) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"hiprobe {' '.join(path)}" in result.output.split("Examples:")[1]
    assert all(p.help for p in command.params if isinstance(p, click.Option))


def test_version() -> None:
    assert run("--version").output == f"hiprobe, version {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom hiprobe.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['fit', '--help']).exit_code == 0\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "hiprobe", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(__version__)


def test_an_unknown_option_exits_with_2() -> None:
    assert run("detect", "--colour", "p", "v").exit_code == 2


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (DownloadError("no network"), 9, "error: no network"),
        (StorageError("disk"), 10, "error: disk"),
        (KeyboardInterrupt(), 130, "run the same command again to resume"),
        (OSError(28, "No space left on device"), 10, "disk is full"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, exit_code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setitem(app.commands, "fail", click.Command("fail", callback=fail))
    result = run("fail")
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert not result.stdout


def test_an_error_that_nobody_meant_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(app.commands, "fail", click.Command("fail", callback=fail))
    assert isinstance(run("fail").exception, ZeroDivisionError)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_the_command(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_HIPROBE_COMPLETE" in result.output
