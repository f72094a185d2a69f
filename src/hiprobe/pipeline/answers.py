"""Read a model's answer: JSON where it gives some, plain words else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hiprobe.timeline import FIELDS, Outcome

# Opening braces at which strict JSON is tried; more are no answer but noise.
MOST_BRACES = 50

# What is looked at of an answer; none of a few hundred tokens is longer.
MOST_CHARACTERS = 20_000

# How a key may be written, in lower case.
_NAMES = {
    "title": "title",
    "what_happens": "what_happens",
    "what happens": "what_happens",
    "whathappens": "what_happens",
    "why_unusual": "why_unusual",
    "why unusual": "why_unusual",
    "whyunusual": "why_unusual",
    "confidence": "confidence",
}

# Small models quote keys in any way or not at all, and those trained on Chinese write full-width
# colons and commas.
_KEY = re.compile(
    r"""(?:^|[{,，\n\r"'])[ \t]*["'“]?(title|what[_ ]?happens|why[_ ]?unusual|confidence)["'”]?"""
    r"""[ \t]*[:：=][ \t\r\n]*""",
    re.IGNORECASE,
)
_FIRST_KEY = re.compile(r"""["“](?:title|what[_ ]?happens)["”]\s*[:：]""", re.IGNORECASE)
# Tags between which models that reason write what they try out before they answer.
_THOUGHT = re.compile(r"</?(think|thinking|thought|reasoning)>", re.IGNORECASE)
# What a model writes that repeats the form before it fills it in.
_PLACEHOLDER = re.compile(r"\.{3,}|…|<[\w ]+>|string", re.IGNORECASE)

_END_OF_BARE = re.compile(r"[,，}\]\r\n]|\s(?:#|//)")
_DECIMAL_COMMA = re.compile(r"(\d+),(\d+)\s*(?=[}\r\n]|$)")
_CUT_NUMBER = re.compile(r"\d+\.?")
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?$")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ENDS = {'"': '"', "'": "'", "“": "”"}
_PLAIN_ESCAPES = "\"'/\\"
_AFTER_VALUE = re.compile(
    r"""\s*(?:[,，}\]]|$|["'“]?(?:title|what|why|confidence)|(?:#|//))""", re.IGNORECASE
)


def find_fields(text: str) -> dict[str, Any]:
    """Known keys with their values; empty unless one of the words is there."""
    looked_at = text[:MOST_CHARACTERS]
    # Strict JSON first: it alone tells a key from the same word in a text.
    found = _strict(looked_at) or _by_key(looked_at)
    if not found and '\\"' in looked_at:  # JSON written into a string of JSON
        within = _unescaped(looked_at)
        return _strict(within) or _by_key(within)
    return found


def without_thoughts(text: str) -> str:
    """What follows a model's thoughts, all of it where it marks none; empty while it still thinks.

    What is written in between is tried out, not answered.
    """
    marks = list(_THOUGHT.finditer(text))
    if not marks:
        return text
    return text[marks[-1].end() :] if marks[-1][0].startswith("</") else ""


def writable(text: str) -> str:
    """Without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _strict(text: str) -> dict[str, Any]:
    """Fields of the first JSON object that has some; empty where there is none."""
    decoder = json.JSONDecoder()
    for start in _braces(text):
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        fields = _fields(found) if isinstance(found, dict) else {}
        if fields:
            return fields
    return {}


def _braces(text: str) -> Iterator[int]:
    start = -1
    for _ in range(MOST_BRACES):
        start = text.find("{", start + 1)
        if start < 0:
            return
        yield start


def _by_key(text: str) -> dict[str, Any]:
    """Fields found one by one, in what looks like an object that strict JSON refuses."""
    begin = text.find("{")
    if begin < 0:
        first = _FIRST_KEY.search(text)  # the brace was written for the model, or forgotten
        if first is None:
            return {}
        begin = first.start()
    found: dict[str, Any] = {}
    for match in _KEY.finditer(text, begin):
        found.setdefault(match.group(1), _value(text, match.end()))
    return _fields(found)


def _value(text: str, start: int) -> str:
    """The value that begins at `start`: a quoted one to the quote that ends it, else to a comma."""
    end = _ENDS.get(text[start : start + 1])
    if end is None:
        return _bare(text[start:])
    position = start + 1
    while (position := text.find(end, position)) >= 0:
        before = text[start + 1 : position]
        escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
        # an apostrophe within single quotes does not end them: what follows must fit
        if not escaped and _AFTER_VALUE.match(text, position + 1):
            break
        position += 1
    if position >= 0:
        return _unescaped(text[start + 1 : position])
    return _unescaped(_CUT_ESCAPE.sub("", text[start + 1 :]))


def _bare(rest: str) -> str:
    """A value without quotes, to what ends it; empty for none, and for a number cut short."""
    comma = _DECIMAL_COMMA.match(rest)
    if comma:
        return f"{comma[1]}.{comma[2]}"
    value, *after = _END_OF_BARE.split(rest, maxsplit=1)
    value = value.strip()
    if value in ("null", "None") or (not after and _CUT_NUMBER.fullmatch(value)):
        return ""
    return value


def _unescaped(inner: str) -> str:
    def plain(found: re.Match[str]) -> str:
        what = found.group(1)
        if len(what) > 1:
            return chr(int(what[1:], 16))
        return _ESCAPED.get(what) or (what if what in _PLAIN_ESCAPES else found[0])

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", plain, inner, flags=re.DOTALL)


def _fields(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Known keys under their own names; empty unless one of the words is there."""
    made: dict[str, Any] = {}
    for key, value in found.items():
        name = _NAMES.get(re.sub(r"\s+", " ", str(key)).strip().lower())
        if name == "confidence":
            made.setdefault(name, _confidence(value))
        elif name:
            made.setdefault(name, _words(value))
    return made if any(made.get(name) for name in FIELDS) else {}


def _words(value: Any) -> str | None:
    """A value as text; lists are joined, what is no text is shown as JSON."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, list):
            return "; ".join(filter(None, map(_words, value))) or None
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    words = writable(text).strip()
    return None if _PLACEHOLDER.fullmatch(words) else words


def _confidence(value: Any) -> float | None:
    """A number in 0..1, from 0.8, "0.8", "80%" or 80; None for anything else."""
    if isinstance(value, bool):
        return None
    text = str(value).strip() if isinstance(value, str | float) else ""
    try:
        number = float(text.rstrip("%")) if text else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Asked for 0 to 1, some models answer in percent, with the sign or without.
    if text.endswith("%") or 1.0 < number <= 100.0:
        number /= 100.0
    return number if math.isfinite(number) and 0.0 <= number <= 1.0 else None


_REFUSAL = re.compile(
    r"\b(?:can(?:no|['’])t|cannot|can not|won['’]t|unable to|not able to)\s+"
    r"(?:(?:help|assist|comply)\b"
    r"|(?:provide|view|watch|access|process|analy[sz]e|see|open)\s+"
    r"(?:the |this |these |that |any |your )*(?:videos?|images?|frames?|pictures?|content)\b)",
    re.IGNORECASE,
)
# A refusal comes at once; later, the same words describe what is seen.
_REFUSAL_CHARACTERS = 200


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
