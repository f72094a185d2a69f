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
        "nochoques",
        "bdnochoques",
        "nofire",
        "nonfire",
    )
)
"""Class names taken as normal where none is given, compared without case, spaces, - and _.
A name that begins with "normal", or has it as a word of its own, counts too. Every other class is
anomalous."""

_NEGATIONS = frozenset(("no", "not", "non", "un", "ab", "anti", "sub", "para", "never"))


def looks_normal(name: str) -> bool:
    """Whether a class name says that nothing happens: see `NORMAL_NAMES`.

    Published folders are among them: `Normal_Videos_event`, `Training_Normal_Videos_Anomaly` and
    `Training-Normal-Videos-Part-1` of UCF-Crime, `MSAD_normal_training`, `NonFight`, `noCrash`,
    `BD_no_choques`.
    """
    plain = re.sub(r"[\s_-]+", "", name).casefold()
    return plain in NORMAL_NAMES or plain.startswith("normal") or _has_word_normal(name)


def says_normal(name: str) -> bool:
    """Whether "normal" is in a name that is not just "abnormal" in some form."""
    return "normal" in re.sub(r"ab[\s_-]*normal", "", name, flags=re.IGNORECASE).casefold()


def _has_word_normal(name: str) -> bool:
    """`Training_Normal_Videos_Anomaly` and `trainNormal`, but not `not normal`."""
    words = [w.casefold() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    pairs = zip(["", *words], words, strict=False)
    return any(w == "normal" and before not in _NEGATIONS for before, w in pairs)
