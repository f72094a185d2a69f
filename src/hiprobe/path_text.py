"""A path as text: for documents, which must name the file again, and for people's eyes.

A file name is bytes. Python holds those that are not UTF-8 as lone surrogates, which no document
and no terminal can take; others hold control characters, which a terminal obeys.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=x(?:[89a-f][0-9a-f]|5c))")
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f]|5c)")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line ends, marks that turn the direction of writing, half characters."""

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def path_text(path: PurePath | str) -> str:
    r"""A path for a document, which `text_path` turns back; always valid UTF-8.

    A byte that is not UTF-8 becomes `\xe9`. A backslash that stands before such a text in the name
    itself becomes `\x5c`; every other character stays.
    """
    return utf8_text(_LOOKS_ESCAPED.sub(r"\\x5c", str(path)))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote."""

    def byte(found: re.Match[str]) -> str:
        number = int(found[1], 16)
        return "\\" if number == ord("\\") else chr(0xDC00 + number)

    return Path(_ESCAPED.sub(byte, text))


def utf8_text(text: str) -> str:
    """Any text without half characters, so that a file can hold it; cannot be turned back."""
    return _SURROGATE.sub(_escape, text)


def shown(text: object) -> str:
    r"""A name, or a sentence that holds one, on one line for a terminal, a page or a chart.

    What cannot be seen is written out: an escape as `\x1b`, a line end as `\n`, a byte that is
    not UTF-8 as `\xe9`, a mark that turns the direction of writing as `\u202e`.
    """
    return _UNSEEN.sub(_escape, str(text))


def shown_lines(text: object) -> str:
    """The same for a text of several lines: its line ends stay."""
    return "\n".join(map(shown, str(text).split("\n")))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name, as Python holds it
        number -= 0xDC00
    return _SHORT.get(character) or (rf"\x{number:02x}" if number < 256 else rf"\u{number:04x}")
