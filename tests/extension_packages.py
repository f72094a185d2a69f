"""The packages that docs/extending.md shows, put on disk as pip leaves them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "extending.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, str]:
    """The page's sections that show a package, by their heading."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.splitlines()[0]: part for part in parts if "```toml" in part}


def install(section: str, folder: Path) -> str:
    """Put the module and the entry points that a section shows into a folder; the module's name."""
    blocks = BLOCK.findall(sections()[section])
    code = next(c for language, c in blocks if language == "python" and c.startswith("# "))
    table = next(c for language, c in blocks if language == "toml")
    file = code.splitlines()[0].removeprefix("# ")
    (folder / file).write_text(code, encoding="utf-8")
    groups = tomllib.loads(table)["project"]["entry-points"]
    about = folder / f"{Path(file).stem}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {Path(file).stem}\nVersion: 1\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(file).stem
