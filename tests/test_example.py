"""The notebook-style page runs from its first cell to its last, on the real lite backbone."""

import re
from pathlib import Path

import pytest

from hiprobe.timeline import Timeline

pytestmark = pytest.mark.lite
PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


def test_the_cells_run_in_order(
    lite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(cells) == 10
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    names: dict[str, object] = {
        "print": lambda *what, **_: printed.append(" ".join(map(str, what)))
    }
    for number, cell in enumerate(cells, start=1):
        code = compile(cell.replace('"lite"', repr(str(lite_folder))), f"cell {number}", "exec")
        exec(code, names)
    timeline = names["timeline"]
    assert isinstance(timeline, Timeline) and len(timeline) == 4
    assert (tmp_path / "joined.png").stat().st_size > 10_000
    assert any("6 clips: one that is known" in line for line in printed)
    assert any("contain a join" in line for line in printed)
