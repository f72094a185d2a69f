"""Names in charts: no mathematics, no boxes, no warning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib import font_manager

from hiprobe.report import theme as chart_text
from hiprobe.report.theme import LIGHT, Theme, render_figure
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing

NAMES = [
    "$$",
    "rec_$1_$2",
    r"$\frac{1}{0}$",
    "^_{",
    "中文",
    "عربي",
    "हिन्दी",
    "😀🀄",
    "_x",
    "\x1b[1m\udce9",
]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    chart_text._font_of.cache_clear()
    yield
    chart_text._font_of.cache_clear()


def drawn(title: str, label: str) -> list[str]:
    """What all texts of a figure say after it was drawn."""
    seen: list[Any] = []

    def draw(figure: Any, theme: Theme) -> None:
        axes = figure.subplots()
        axes.set_title(label)
        figure.suptitle(title)
        seen.append(figure)

    assert render_figure(draw, inches=(3.0, 2.0), theme=LIGHT, kind="png")
    return [seen[0].get_suptitle(), seen[0].axes[0].get_title()]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_drawn(name: str) -> None:
    assert drawn(f"{name}.mp4", name)[1]
    curves = (Curve(name, [1, 2], [0.1, 0.2]), Curve("b", [1, 2], [0.3, 0.1]))
    ticks = ((1.0, name), (2.0, "b"))
    panel = Panel(name, name, name, curves, log_x=True, ticks=ticks)
    drawing = panels_drawing(
        [panel, Panel(name, "x", "y", curves, log_x=True)], columns=2, note=name
    )
    for kind in ("png", "svg"):
        assert render_figure(drawing, inches=(6.0, 3.0), theme=LIGHT, kind=kind)


def test_a_dollar_is_a_dollar() -> None:
    assert drawn("rec_$1_$2", "$$") == ["rec_$1_$2", "$$"]


def write_font(path: Path, letters: str) -> None:
    """A font with a square for each of the letters."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 500), (500, 500), (500, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", *(f"g{n}" for n in range(len(letters)))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): names[n + 1] for n, c in enumerate(letters)})
    builder.setupGlyf({n: pen.glyph() for n in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Made Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fontTools")
def test_an_installed_font_that_has_the_letters_is_found(tmp_path: Path) -> None:
    letters = "\U00020bb7\U00020bb8"  # no font of an ordinary machine has them
    assert drawn(letters, letters) == ["", r"\U00020bb7\U00020bb8"]
    write_font(tmp_path / "made.ttf", letters)
    chart_text._font_of.cache_clear()
    known = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(tmp_path / "made.ttf")
    try:
        assert drawn(f"a {letters}", letters) == [f"a {letters}", letters]
    finally:
        font_manager.fontManager.ttflist = known
