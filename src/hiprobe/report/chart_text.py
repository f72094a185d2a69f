"""Words in charts: never parsed, and in a font that has them, or not drawn at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from hiprobe.path_text import shown_lines

OWN_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that no system font is needed for what we say ourselves."""

_NO_LETTERS = ("Last Resort", "STIX", "cm")
"""Beginnings of names of fonts that draw boxes for every letter, or mathematics."""


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
    """A name for a tick, whose text matplotlib makes anew in our own font when it draws."""
    return _drawable(name, [OWN_FONT])


def legend_words(name: str) -> str:
    """A name for a legend, which leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _drawable(words: str, families: Sequence[str], *, style: str = "normal") -> str:
    """The words with what the fonts lack written out."""
    safe = shown_lines(words)
    had = "".join(c if c == "\n" or _any_has(families, c) else _written_out(c) for c in safe)
    if _can_shape(had, families, style):
        return had
    # A font may have the letters, and lack them slanted or in the forms they take side by side.
    return "".join(c if c.isascii() else _written_out(c) for c in had)


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
    """Fonts beside our own that the words need, each once."""
    fonts = (_font_of(c) for c in words)
    return [f for f in dict.fromkeys(fonts) if f not in (None, OWN_FONT)]


@cache
def _font_of(character: str) -> str | None:
    """Our own font, else the first installed one that has a character; None where none has."""
    return next((name for name in _families() if _has(name, character)), None)


def _families() -> list[str]:
    """Our own font, then others by name; those without serifs first, as ours is."""
    from matplotlib.font_manager import fontManager

    # Others than upright ones of usual weight would be told on stderr when they are taken.
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
