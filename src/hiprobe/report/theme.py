"""Colours and fonts of all charts, and text in them that is never parsed."""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.names import shown_lines
from hiprobe.store.atomic import atomic_path

# Comes with matplotlib, so that HiProbe's own words need no font of the system.
OWN_FONT = "DejaVu Sans"

# How the names of fonts begin that draw a box for every letter, or only mathematics.
_NO_LETTERS = ("Last Resort", "STIX", "cm")


def make_drawable(figure: Any) -> None:
    r"""Give every text of a figure a font for all its characters.

    Where no font of this machine has one, the figure's title is left out, since it only repeats
    the name of a file; in any other text the character is written as `\u4e2d`.
    """
    from matplotlib.text import Text

    title = figure.get_suptitle()
    for text in figure.findobj(Text):
        words = text.get_text()
        families = [OWN_FONT, *_fonts_for(shown_lines(words))]
        drawn = _drawable(words, families, style=text.get_fontstyle())
        left_out = drawn != words and words == title and text in figure.texts
        text.set_text("" if left_out else drawn)
        text.set_fontfamily(families)


def tick_words(name: str) -> str:
    """A name for a tick, whose text matplotlib sets again in our own font when it draws."""
    return _drawable(name, [OWN_FONT])


def legend_words(name: str) -> str:
    """A name for a legend, which leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _drawable(words: str, families: Sequence[str], *, style: str = "normal") -> str:
    """The words with what the fonts lack written out."""
    safe = shown_lines(words)
    found = "".join(c if c == "\n" or _any_has(families, c) else _written_out(c) for c in safe)
    if _can_shape(found, families, style):
        return found
    # A font may have the letters, and lack them slanted or in the forms they take side by side.
    return "".join(c if c.isascii() else _written_out(c) for c in found)


def _can_shape(words: str, families: Sequence[str], style: Any) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font([findfont(FontProperties(family=[name], style=style)) for name in families])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            for line in words.split("\n"):
                font.set_text(line, 0.0)
        except UserWarning:
            return False
    return True


def _fonts_for(words: str) -> list[str]:
    """Fonts that the words need besides our own, each once."""
    fonts = (_font_of(c) for c in words)
    return [f for f in dict.fromkeys(fonts) if f not in (None, OWN_FONT)]


@cache
def _font_of(character: str) -> str | None:
    """Our own font, else the first installed one that has a character; None where none has."""
    return next((name for name in _families() if _has(name, character)), None)


def _families() -> list[str]:
    """Our own font, then others by name; those without serifs first, as ours is."""
    from matplotlib.font_manager import fontManager

    # matplotlib writes a warning to stderr when it takes a slanted or bold font in place of a
    # plain one.
    plain = (f for f in fontManager.ttflist if (f.style, f.weight) == ("normal", 400))
    names = {f.name for f in plain if not f.name.startswith(_NO_LETTERS)}
    return [OWN_FONT, *sorted(names - {OWN_FONT}, key=lambda n: ("Sans" not in n, n))]


def _any_has(families: Sequence[str], character: str) -> bool:
    return any(_has(name, character) for name in families)


def _has(family: str, character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    try:
        return bool(get_font(findfont(family)).get_char_index(ord(character)))
    except (OSError, RuntimeError, ValueError):  # a damaged font, or one of pictures
        return False


def _written_out(character: str) -> str:
    number = ord(character)
    return rf"\u{number:04x}" if number < 0x10000 else rf"\U{number:08x}"


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

# Draws on an empty matplotlib figure in the colours of a theme.
Draw = Callable[[Any, Theme], None]


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
    """The bytes of a drawn picture (`png` or `svg`), the same for the same data.

    Args:
        inches: width and height; 150 pixels an inch in a PNG.
        kind: `png` or `svg`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "font.family": OWN_FONT,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "font.size": 9,
        # Letters as outlines: a page looks the same on machines without our font.
        "svg.fonttype": "path",
        # With a salt of its own and no date, equal charts are equal files.
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
    """Bytes as a `data:` address, for pages that need no other file."""
    mime = {
        "svg": "image/svg+xml",
        "png": "image/png",
        "jpeg": "image/jpeg",
        "mp4": "video/mp4",
    }[kind]
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
