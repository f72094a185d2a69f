"""Published numbers of other methods, each with its source and how its protocol differs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.reproduce.result import PaperNumber, Row

SECTION = "Published by others (not measured here)"


@dataclass(frozen=True)
class Peer:
    """One published number.

    Attributes:
        value: a fraction.
        kind: how its protocol differs, in words.
        source: where it was read.
    """

    name: str
    value: float
    kind: str
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.value <= 1 or not (self.kind and self.source):
            raise UsageError(f"{self.name}: {self.value} is no fraction, or has no kind or source")


def peers(data_set: str) -> tuple[Peer, ...]:
    """Published numbers on a test set, in percent in `peers.json`, here as fractions.

    Raises:
        UsageError: no number of that data set is known.
    """
    known = _file()
    if data_set not in known or data_set in ("note", "kinds", "sources"):
        raise UsageError(f"no published numbers for {data_set!r}; see peers.json")
    return tuple(
        Peer(p["name"], p["value"] / 100, known["kinds"][p["kind"]], known["sources"][p["source"]])
        for p in known[data_set]
    )


def peer_rows(data_set: str, *, data: str, metric: str) -> tuple[Row, ...]:
    """Rows of a table that show the published numbers; ours are blank in them."""
    return tuple(
        Row(
            data=data,
            setting=f"{p.name}: {p.kind}",
            metric=metric,
            ours=math.nan,
            paper=(PaperNumber(f"its own, {metric}", p.value),),
            protocol="as published; each line says how its protocol differs",
            section=SECTION,
        )
        for p in peers(data_set)
    )


def source_note(data_set: str) -> str:
    """One sentence that names the source of every number."""
    told = "; ".join(f"{p.name}: {p.source}" for p in peers(data_set))
    return f"Sources of the published numbers. {told}."


@cache
def _file() -> dict[str, Any]:
    text = files("hiprobe.reproduce").joinpath("peers.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
