"""The numbers that options take, with the range of each in its own error."""

from __future__ import annotations

import math
from typing import Any

import click

# What the random generators of numpy and scikit-learn take.
MAX_SEED = 2**32 - 1

# Frames of one video: 38 days at 30 frames a second.
MAX_FRAMES = 100_000_000

# Of one segment, as in `hiprobe.segment`, which is not loaded for a help text.
MIN_SECONDS, MAX_SECONDS = 0.001, 86_400.0

MAX_SIGMA = 1e6
MAX_KAPPA = 1e6
# Scores of others have ranges of their own; a threshold beyond this is a slip.
MAX_SCORE = 1e9

MAX_DRAWS = 100_000
MAX_LAYER = 10_000
MAX_WORKERS = 4096
MAX_THREADS = 1024


class Number(click.ParamType[float]):
    """A finite number from `low` to `high`; `low` itself is left out where `low_open`."""

    name = "number"

    def __init__(self, low: float, high: float, *, low_open: bool = False) -> None:
        self.low, self.high, self.low_open = low, high, low_open

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number.

        Raises:
            click.BadParameter: no number, not finite, or out of the range.
        """
        try:
            found = float(value)
        except (TypeError, ValueError, OverflowError):
            found = math.nan
        above_low = found > self.low if self.low_open else found >= self.low
        if not (above_low and found <= self.high):  # NaN is neither
            start = f"above {self.low:g} and up to" if self.low_open else f"from {self.low:g} to"
            self.fail(f"{_short(value)} is not a number {start} {self.high:g}.", param, ctx)
        return found


class Whole(click.ParamType[int]):
    """A whole number from `low` to `high`."""

    name = "integer"

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number.

        Raises:
            click.BadParameter: no whole number, or out of the range.
        """
        try:
            found = int(value)
        except (TypeError, ValueError, OverflowError):  # also one of thousands of digits
            found = self.low - 1
        if not self.low <= found <= self.high:
            self.fail(
                f"{_short(value)} is not a whole number from {self.low:,} to {self.high:,}.",
                param,
                ctx,
            )
        return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
