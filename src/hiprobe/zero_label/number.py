"""The number 0..1 in an answer, or none: an answer without one is an outcome of its own."""

from __future__ import annotations

import re

_NUMBER = (
    r"(?<![\w.,/-])(\d+(?:[.,]\d+)?|[.]\d+)"
    r"(?:\s*(%)|\s*(?:/|out of)\s*(1|10|100)(?![\d.]))?(?![\w/]|[.,]\d)"
)
_ANY = re.compile(_NUMBER)
_AFTER_NAME = re.compile(
    r"\b(?:score|rating|answer|value|level|probability|scale)\b[^\d.]{0,24}?(?<![\w/-])" + _NUMBER,
    re.IGNORECASE,
)
_LIST = re.compile(r"^\s*1[.)]\s+\S")
"""The first point of a list is no score."""
_ALONE = re.compile(r"^[\s\[(<\"'*`]*" + _NUMBER + r"\s*(?:$|[\])>\"'*`.,;:\n])", re.IGNORECASE)
_RANGE = re.compile(
    r"\b(?:from|between)?\s*0(?:\.0)?\s*(?:to|and|-|–|\.\.)\s*(?:1(?:\.0)?|10|100)\b(?!\s*%)",
    re.IGNORECASE,
)


def read_number(text: str) -> float | None:
    """The score that an answer gives, 0..1; None where it gives none.

    Understood are a number that stands alone or at the beginning, one after a word such as
    "score", and else the first with a decimal point, a percent sign, "/10" or "out of 10". Whole
    numbers within a sentence count people and frames, not scores. Numbers above 1 without a
    scale of their own are not guessed at.
    """
    asked_away = _RANGE.sub(" ", text)
    first = () if _LIST.match(text) else (_ALONE,)
    for pattern in (*first, _AFTER_NAME):
        found = pattern.search(asked_away)
        value = None if found is None else _value(found)
        if value is not None:
            return value
    for found in _ANY.finditer(asked_away):
        value = _value(found)
        if value is not None and not found.group().strip().isdigit():
            return value
    return None


def _value(found: re.Match[str]) -> float | None:
    digits, percent, scale = found.groups()
    if len(digits) > 20:
        return None
    number = float(digits.replace(",", "."))
    number /= 100.0 if percent else float(scale or 1)
    return number if 0.0 <= number <= 1.0 else None
