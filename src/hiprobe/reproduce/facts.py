"""The paper's numbers, all from one file, `facts.json`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.reproduce.result import PaperNumber


@cache
def facts() -> dict[str, Any]:
    """The whole file."""
    text = files("hiprobe.reproduce").joinpath("facts.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def paper_numbers(setting: str) -> tuple[PaperNumber, ...]:
    """What the paper gives for a setting, as fractions; nothing where it gives none.

    Raises:
        UsageError: the setting is not in the file, so a slip of the pen is not taken for a blank.
    """
    known = facts()["numbers"]
    if setting not in known:
        raise UsageError(f"no setting {setting!r} in the paper's facts; there are {sorted(known)}")
    columns = facts()["columns"]
    return tuple(PaperNumber(columns[k], round(v / 100, 6)) for k, v in known[setting].items())
