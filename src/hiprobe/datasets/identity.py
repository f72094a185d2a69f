"""What a file is in its data set, and what the published lists say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    """What a file is in its data set."""

    name: str
    split: str
    class_name: str
    label: int
    source: str = ""


@dataclass(frozen=True)
class Lists:
    """What the published lists say, by the name without an ending.

    Attributes:
        classes: class of each video whose class is listed.
        splits: split of each video whose split is listed.
        names: the name as it is published.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
