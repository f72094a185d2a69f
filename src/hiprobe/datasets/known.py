"""What is known of a data set before its files are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownSet:
    """Published facts of a data set.

    Attributes:
        truth: name of the packaged ground truth, None where none is packaged.
        truth_split: the split that this truth belongs to.
        counts: published videos of each split.
        fps: nominal frames a second, for frames that come as pictures.
        place: where the files go, line by line; several layouts are recognised.
        ask: where the files are to be had.
        clone: address of a public repository that holds all of it.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    ask: str
    place: tuple[str, ...]
    licence: str
    truth: str | None = None
    truth_split: str = "test"
    fps: float = 30.0
    clone: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Published videos in all."""
        return sum(self.counts.values())
