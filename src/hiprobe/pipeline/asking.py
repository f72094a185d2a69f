"""What a backbone is asked for explanations, by what it can do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hiprobe.backbones.interface import DETECT_PROMPT, Speech
from hiprobe.errors import UsageError

PLAIN_TOKENS = 64
"""Longest plain answer: two or three sentences."""

STRUCTURED_TOKENS = 320
"""Longest answer in JSON: four fields of a sentence or two."""

_FORM = (
    "Answer with one JSON object and nothing else. Its keys are "
    '"title" (a few words), "what_happens" (one or two sentences), '
    '"why_unusual" ({why}) and "confidence" (a number from 0 to 1: how sure you are).'
)


@dataclass(frozen=True)
class Prompts:
    """What the backbone is asked. Its answers are kept word for word.

    Attributes:
        event, normal, summary: about a detected event, a normal stretch, the whole video.
        max_new_tokens: longest answer.
    """

    event: str = DETECT_PROMPT
    normal: str = DETECT_PROMPT
    summary: str = "Describe what happens in this video."
    max_new_tokens: int = PLAIN_TOKENS

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"an answer of {self.max_new_tokens} tokens is none; give at least 1")


PLAIN = Prompts()
STRUCTURED = Prompts(
    event="This part of a surveillance video was marked as abnormal. Look at it yourself. "
    + _FORM.format(why="what makes it unusual, empty if nothing does"),
    normal="This part of a surveillance video was marked as normal. Look at it yourself. "
    + _FORM.format(why="empty if nothing is unusual"),
    summary="These frames are spread over a whole surveillance video. Sum up what happens in it. "
    + _FORM.format(why="what is unusual in it, empty if nothing is"),
    max_new_tokens=STRUCTURED_TOKENS,
)


def prompts_for(speech: Speech, *, max_new_tokens: int | None = None) -> Prompts:
    """JSON of a backbone that can give it, plain words of another."""
    chosen = STRUCTURED if speech.structured else PLAIN
    return chosen if max_new_tokens is None else replace(chosen, max_new_tokens=max_new_tokens)
