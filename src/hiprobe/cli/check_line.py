"""One line of the report of `hiprobe doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Check:
    """One line of the report; `remedy` says what to do where something is wanting."""

    name: str
    level: Level
    text: str
    remedy: str = ""
