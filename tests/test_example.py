"""The notebook-style page runs from its first cell to its last, on the real lite backbone."""

import re
from pathlib import Path

import numpy as np
import pytest

from hiprobe.timeline import Timeline
from hiprobe.video.write import write_video

pytestmark = pytest.mark.lite
PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


def test_the_cells_run_in_order(
    lite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(cells) == 15
    monkeypatch.chdir(tmp_path)
    frames = np.random.default_rng(0).integers(0, 255, (60, 96, 128, 3), dtype=np.uint8)
    write_video(Path("camera.mp4"), frames, fps=24)
    printed: list[str] = []
    names: dict[str, object] = {
        "print": lambda *what, **_: printed.append(" ".join(map(str, what)))
    }
    for number, cell in enumerate(cells, start=1):
        code = compile(cell.replace('"lite"', repr(str(lite_folder))), f"cell {number}", "exec")
        exec(code, names)
    timeline = names["timeline"]
    assert isinstance(timeline, Timeline) and len(timeline) == 4
    assert (tmp_path / "results" / "with-truth.png").stat().st_size > 10_000
    assert "(3, 1, 576) segments, layers, width" in printed
    assert any("layer_20" in line for line in printed)
    assert any("6 clips: one that is known" in line for line in printed)
    assert any("contain a join" in line for line in printed)
    assert any("gaussian" in line.lower() and " / " in line for line in printed)
    assert "7 windows, mean / last" in printed
