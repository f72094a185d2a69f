"""Colours and fonts of all pictures: detection is red, truth is blue, everywhere."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.report.chart_text import OWN_FONT, make_drawable
from hiprobe.store.atomic import atomic_path

DETECTED_RGB = (214, 39, 40)
TRUTH_RGB = (31, 119, 200)
SUFFIXES = ("png", "svg")


@dataclass(frozen=True)
class Theme:
    """Colours of one chart, as CSS colours."""

    paper: str
    ink: str
    faint: str
    grid: str
    curve: str
    detected: str
    truth: str


LIGHT = Theme("#ffffff", "#1c2126", "#9aa3ad", "#e4e8ec", "#1c2126", "#d62728", "#1f77c8")
DARK = Theme("#171b20", "#e3e7ec", "#78828d", "#2b323a", "#e3e7ec", "#ff5a55", "#5aa9f0")

Draw = Callable[[Any, Theme], None]
"""Draws on an empty matplotlib figure in the colours of a theme."""


@cache
def font_file() -> Path:
    """DejaVu Sans, which comes with matplotlib, so that no system font is needed."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def save_figure(draw: Draw, path: Path | str, *, inches: tuple[float, float]) -> None:
    """Draw and write a picture, PNG or SVG by the suffix of `path`.

    Raises:
        UsageError: the suffix is neither.
        StorageError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} ends in {suffix!r}; pictures are written as .png or .svg")
    content = render_figure(draw, inches=inches, theme=LIGHT, kind=suffix)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def render_figure(draw: Draw, *, inches: tuple[float, float], theme: Theme, kind: str) -> bytes:
    """The bytes of a drawn picture (`png` or `svg`), the same for the same data."""
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "font.family": OWN_FONT,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "font.size": 9,
        "svg.fonttype": "path",
        "svg.hashsalt": "hiprobe",
        "hatch.linewidth": 1.0,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.faint,
        "axes.facecolor": theme.paper,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "grid.color": theme.grid,
    }
    buffer = io.BytesIO()
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=inches, layout="constrained", facecolor=theme.paper)
        draw(figure, theme)
        make_drawable(figure)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()


def open_frame(axes: Any) -> None:
    """Leave only the left and lower edges of a chart's frame."""
    axes.spines[["top", "right"]].set_visible(False)


def add_note(figure: Any, note: str | None) -> None:
    """A remark in small print under a whole picture, wrapped to its width."""
    if note:
        letters = int(figure.get_figwidth() * 13)
        figure.supxlabel(textwrap.fill(note, letters), fontsize=7.5, style="italic")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a `data:` address of an image, for pages that need no other file."""
    mime = {"svg": "image/svg+xml", "png": "image/png", "jpeg": "image/jpeg"}[kind]
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
