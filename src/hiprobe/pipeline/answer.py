"""What became of an answer: fields, words alone, a refusal, or silence.

Models wrap JSON into code fences, talk before and after it, use single quotes, forget commas and
stop in the middle. Some think aloud first. What they say is kept word for word in every case, and
nothing raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hiprobe.explanation import Outcome
from hiprobe.pipeline.answer_fields import find_fields, without_thoughts, writable

_REFUSAL = re.compile(
    r"\b(?:can(?:no|['’])t|cannot|can not|won['’]t|unable to|not able to)\s+"
    r"(?:(?:help|assist|comply)\b"
    r"|(?:provide|view|watch|access|process|analy[sz]e|see|open)\s+"
    r"(?:the |this |these |that |any |your )*(?:videos?|images?|frames?|pictures?|content)\b)",
    re.IGNORECASE,
)
_REFUSAL_CHARACTERS = 200
"""A refusal comes at once; later, the same words describe what is seen."""


@dataclass(frozen=True)
class Answer:
    """What an answer holds; `text` is all of it, the fields are None where it has none."""

    text: str
    outcome: Outcome
    title: str | None = None
    what_happens: str | None = None
    why_unusual: str | None = None
    confidence: float | None = None
    reason: str | None = None


def read_answer(text: str) -> Answer:
    """Tell apart JSON, plain words, a refusal and silence; never raises."""
    words = writable(text)
    if not words.strip():
        return Answer(words, "failed", reason="the model said nothing")
    said = without_thoughts(words)
    fields = find_fields(said)
    if fields:
        return Answer(words, "parsed", **fields)
    if _REFUSAL.search(said.lstrip()[:_REFUSAL_CHARACTERS]):
        return Answer(words, "refused", reason="the model declined to answer")
    return Answer(words, "text")
