"""What a backbone is asked: presets by name, and files of prompts to compare.

A prompt is part of the backbone's fingerprint: states of two prompts are never mixed.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.documents.checked import MIB, check_schema, parse_json, read_plain
from hiprobe.errors import UsageError

# Name -> text. The paper names no prompt; "hazards" is the wording of its author's later work.
PRESETS = {
    "hazards": "Identify any abnormal events or safety hazards in this video.",
    "yes-no": "Is anything abnormal happening in this video? Answer yes or no.",
    "describe": "Describe what happens in this video.",
    "motion": "What moves or changes between the first frame and the last?",
    "operator": "You watch a surveillance camera. Would you call an operator now, and why?",
    "kinds": "Does this video show violence, an accident, fire, theft or another emergency?",
}

DEFAULT_PROMPT = "hazards"

# Of a file of prompts: each is asked of every video.
LIMIT_BYTES = MIB

# In place of a file: compare all presets.
ALL_PRESETS = "presets"


@dataclass(frozen=True)
class Prompt:
    """A question with a short name for tables.

    Raises:
        UsageError: name or text is empty.
    """

    name: str
    text: str

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.text.strip():
            raise UsageError(f"prompt {self.name!r}: {self.text!r}; both must be filled in")


def find_prompt(name_or_text: str) -> Prompt:
    """A preset by its name, or a prompt of one's own: any text of two or more words.

    Raises:
        UsageError: a single word that names no preset.
    """
    text = name_or_text.strip()
    if text in PRESETS:
        return Prompt(text, PRESETS[text])
    if len(text.split()) < 2:
        near = difflib.get_close_matches(text, PRESETS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"prompt {text!r} is no preset; {hint}there are {', '.join(PRESETS)}; a prompt of "
            "your own has two words or more"
        )
    return Prompt(prompt_name(text), text)


def prompt_name(text: str, *, width: int = 40) -> str:
    """What to call a prompt in a table: its preset's name, or its first words."""
    for name, preset in PRESETS.items():
        if preset == text:
            return name
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3].rstrip()}..."


def read_prompts(path: Path | str) -> tuple[Prompt, ...]:
    """Prompts of a file, in its order; `presets` stands for all presets.

    A text file has one prompt a line (a preset's name or a text; empty lines and lines that
    begin with # are ignored). A JSON file has a list of such lines, or an object of name ->
    text; a TOML file has a table `[prompts]` of name = "text".

    Raises:
        UsageError: the file cannot be read, holds no prompt, or one twice.
    """
    if str(path) == ALL_PRESETS and not Path(path).exists():
        return tuple(Prompt(n, t) for n, t in PRESETS.items())
    file = Path(path)
    try:
        text = read_plain(file, limit_bytes=LIMIT_BYTES).decode("utf-8-sig")
        found = _parse(text, file.suffix.lower())
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise _unreadable(file, error) from error
    texts = [p.text for p in found]
    twice = sorted({t for t in texts if texts.count(t) > 1})
    if twice or not found:
        what = f"holds {twice[0]!r} twice" if twice else "holds no prompt"
        raise UsageError(f"{file} {what}; give each prompt once, one a line")
    return found


def _unreadable(file: Path, error: Exception) -> UsageError:
    if isinstance(error, UsageError):
        return UsageError(f"{file}: {error}")
    return UsageError(
        f"cannot read prompts from {file}: {error}; write one prompt a line, or a JSON or TOML "
        f"table of names and texts, or give {ALL_PRESETS}"
    )


def _parse(text: str, suffix: str) -> tuple[Prompt, ...]:
    if suffix == ".toml":
        named = tomllib.loads(text)["prompts"]
        check_schema(named, dict[str, str])
        return _named(named.items())
    if suffix == ".json":
        document = parse_json(text, list[str] | dict[str, str])
        if isinstance(document, list):
            return tuple(find_prompt(line) for line in document)
        return _named(document.items())
    lines = [line.strip() for line in text.splitlines()]
    return tuple(find_prompt(line) for line in lines if line and not line.startswith("#"))


def _named(items: Iterable[tuple[str, str]]) -> tuple[Prompt, ...]:
    return tuple(Prompt(name, text.strip()) for name, text in items)
