"""Which class names mean normal."""

from __future__ import annotations

import re

NORMAL_NAMES = frozenset(
    (
        "0",
        "normal",
        "nofight",
        "nonfight",
        "noviolence",
        "nonviolence",
        "nocrash",
        "noncrash",
        "noaccident",
        "nonaccident",
        "noanomaly",
        "nonanomaly",
        "nonanomalous",
        "noevent",
        "negative",
        "neg",
        "ok",
        "good",
        "none",
        "no",
        "false",
        "safe",
        "background",
    )
)
"""Class names taken as normal where none is given, compared without case, spaces, - and _.
A name that begins with "normal" counts too. Every other class is anomalous."""


def looks_normal(name: str) -> bool:
    """Whether a class name says that nothing happens: see `NORMAL_NAMES`."""
    plain = re.sub(r"[\s_-]+", "", name).casefold()
    return plain in NORMAL_NAMES or plain.startswith("normal")
