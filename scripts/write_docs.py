"""Write what is generated in docs/: the command line's own help, and the table of backbones.

`python scripts/write_docs.py` writes them; with `--check` it fails where one is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hiprobe import errors
from hiprobe.cli.app import app
from hiprobe.cli.backbones import markdown
from hiprobe.cli.process import INTERRUPTED_EXIT_CODE

DOCS = Path(__file__).resolve().parent.parent / "docs"
TABLE_START = "<!-- Written by scripts/write_docs.py from the catalogue: -->\n"
TABLE_END = "<!-- end of the table -->"
HEAD = """# Command line

<!-- Generated from the commands by scripts/write_docs.py; run `make docs` to update it. -->

Results go to standard output, progress and remarks to standard error.
"""


def cli_page() -> str:
    """The whole page as Markdown."""
    root = click.Context(app, info_name="hiprobe", terminal_width=90, max_content_width=90)
    return "\n".join([HEAD, *_pages(app, root, level=2), *_exit_codes()])


def _pages(command: click.Command, context: click.Context, *, level: int) -> list[str]:
    lines = [
        f"{'#' * level} {context.command_path}\n",
        "```text",
        command.get_help(context),
        "```\n",
    ]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.commands[name]
            child = click.Context(
                inner, info_name=name, parent=context, terminal_width=90, max_content_width=90
            )
            lines += _pages(inner, child, level=3 if level == 2 else 4)
    return lines


def _exit_codes() -> list[str]:
    lines = ["## Exit codes\n", "| code | meaning |", "|---|---|", "| 0 | done |"]
    known = [c for c in vars(errors).values() if isinstance(c, type)]
    seen: set[int] = set()
    for kind in sorted(known, key=lambda c: c.exit_code):
        if kind.exit_code not in seen:
            seen.add(kind.exit_code)
            lines.append(f"| {kind.exit_code} | {_meaning(kind)} |")
    resumes = "the same command again resumes"
    lines += [
        f"| {128 + 1} | the terminal was closed (SIGHUP); {resumes} |",
        f"| {INTERRUPTED_EXIT_CODE} | interrupted; {resumes} |",
        f"| {128 + 15} | asked to end (SIGTERM); {resumes} |",
    ]
    return [*lines, ""]


def _meaning(kind: type) -> str:
    if kind is errors.HiProbeError:
        return "any other error; `doctor`: something needed is missing"
    text = (kind.__doc__ or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
    if kind is errors.VideoError:
        return f"{text}; also where some files of several failed: the others are done"
    return text


def backbones_page(text: str) -> str:
    """docs/backbones.md with its table as the command prints it now."""
    start, end = text.index(TABLE_START) + len(TABLE_START), text.index(TABLE_END)
    return f"{text[:start]}\n{markdown('320x240')}\n{text[end:]}"


def main() -> int:
    """Write or check; the exit code."""
    backbones = DOCS / "backbones.md"
    pages = {
        DOCS / "cli.md": cli_page(),
        backbones: backbones_page(backbones.read_text(encoding="utf-8")),
    }
    stale = [p for p, page in pages.items() if not p.is_file() or p.read_text("utf-8") != page]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
