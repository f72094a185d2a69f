"""What the baselines without labels ask, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.errors import UsageError

Method = Literal["first-token", "decoded", "heads"]

METHODS: tuple[Method, ...] = get_args(Method)

YES = ("Yes", "yes", "YES", " Yes", " yes")
NO = ("No", "no", "NO", " No", " no")

ODD_QUESTION = "Is anything abnormal or dangerous happening in this video? Answer Yes or No."
CALM_QUESTION = "Is everything in this video normal and safe? Answer Yes or No."
"""The same the other way round: what a model adds to any Yes falls out of the difference."""

NUMBER_QUESTION = (
    "On a scale from 0 to 1, how abnormal or dangerous is what happens in this video? "
    "0 is normal, 1 is abnormal. Answer with one number only."
)
NUMBER_TOKENS = 16
"""Longest answer: a number, and a few words around it."""

HEAD_PROMPTS = (
    DETECT_PROMPT,
    "Is anything abnormal happening in this video?",
    "Describe what happens in this video.",
)
"""Over these a head has to be stable; the first is the one that is then scored with."""


@dataclass(frozen=True)
class Questions:
    """What is asked; in the fingerprint, so that scores of other questions never mix."""

    odd: str = ODD_QUESTION
    calm: str = CALM_QUESTION
    number: str = NUMBER_QUESTION
    number_tokens: int = NUMBER_TOKENS

    def __post_init__(self) -> None:
        if not (self.odd and self.calm and self.number) or self.number_tokens < 1:
            raise UsageError("a question is empty, or its answer has no tokens; give text and 1")


QUESTIONS = Questions()


def method_of(name: str) -> Method:
    """The method of a name.

    Raises:
        UsageError: there is none.
    """
    for method in METHODS:
        if method == name:
            return method
    raise UsageError(f"method {name!r} is unknown; choose one of {METHODS}")
