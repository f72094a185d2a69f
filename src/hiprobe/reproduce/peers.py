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
        kind: on what it was trained, in words.
        source: where it was read.
        read: whether that is the method's own paper or repository, in words.
        differs: what its released evaluation code does otherwise than ours; empty where it does
            the same, or is not public.
    """

    name: str
    value: float
    kind: str
    source: str
    read: str
    differs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.value <= 1 or not (self.kind and self.source and self.read):
            raise UsageError(
                f"{self.name}: {self.value} is no fraction, or has no kind, source or reading"
            )

    @property
    def setting(self) -> str:
        """Name, training, and how its evaluation differs."""
        return f"{self.name}: {'; '.join((self.kind, *self.differs))}"


def peers(data_set: str) -> tuple[Peer, ...]:
    """Published numbers on a test set, in percent in `peers.json`, here as fractions.

    Raises:
        UsageError: no number of that data set is known.
    """
    known = _file()
    if not isinstance(known.get(data_set), list):
        raise UsageError(f"no published numbers for {data_set!r}; see peers.json")
    return tuple(
        Peer(
            name=p["name"],
            value=p["value"] / 100,
            kind=known["kinds"][p["kind"]],
            source=known["sources"][p["source"]],
            read=known["reads"][p["read"]],
            differs=tuple(known["differences"][d] for d in p["differs"]),
        )
        for p in known[data_set]
    )


def peer_rows(data_set: str, *, data: str, metric: str) -> tuple[Row, ...]:
    """Rows of a table that show the published numbers; ours are blank in them."""
    return tuple(
        Row(
            data=data,
            setting=p.setting,
            metric=metric,
            ours=math.nan,
            paper=(PaperNumber(f"its own, {metric}", p.value),),
            protocol="as published; each line says on what it was trained, and how its released "
            "evaluation differs where that is public",
            section=SECTION,
        )
        for p in peers(data_set)
    )


def source_note(data_set: str) -> str:
    """The source of every number, those read at first hand first."""
    found, told = peers(data_set), []
    for read in dict.fromkeys(_file()["reads"].values()):
        own = [f"{p.name} ({p.source})" for p in found if p.read == read]
        if own:
            told.append(f"{read[0].upper()}{read[1:]}: {'; '.join(own)}.")
    return f"Sources of the published numbers. {' '.join(told)}"


@cache
def _file() -> dict[str, Any]:
    text = files("hiprobe.reproduce").joinpath("peers.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
