"""The values that options take: numbers with ranges, paths, rates of alarms, hours of the day."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.names import is_object, path_text

if TYPE_CHECKING:
    from hiprobe.calibration import DayPart

# What the random generators of numpy and scikit-learn take.
MAX_SEED = 2**32 - 1

# Frames of one video: 38 days at 30 frames a second.
MAX_FRAMES = 100_000_000

# Of one segment, as in `hiprobe.segment`, which is not loaded for a help text.
MIN_SECONDS, MAX_SECONDS = 0.001, 86_400.0

# Limits that no use comes near. They keep slips, and what an array of such a size would cost, out.
MAX_SIGMA = 1e6
MAX_KAPPA = 1e6
# Scores of others have ranges of their own; a threshold beyond this is a slip.
MAX_SCORE = 1e9

MAX_DRAWS = 100_000
MAX_LAYER = 10_000
MAX_WORKERS = 4096
MAX_THREADS = 1024

# Units of a rate, in hours.
HOURS = {"hour": 1, "day": 24, "week": 168}


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


class DayHours(click.ParamType["DayPart"]):
    """Two times of the day, as `06:00-18:00`."""

    name = "hours"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> DayPart:
        """The hours of the day.

        Raises:
            click.BadParameter: not two different times from 00:00 to 23:59.
        """
        from hiprobe.calibration import DayPart

        found = re.fullmatch(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)", str(value))
        first, first_minute, last, last_minute = map(int, found.groups()) if found else [99] * 4
        if max(first, last) > 23 or max(first_minute, last_minute) > 59:
            self.fail(f"{value!r} is not a part of a day; write it as 06:00-18:00.", param, ctx)
        begins, ends = first + first_minute / 60, last + last_minute / 60
        if begins == ends:
            self.fail(f"{value!r} begins where it ends; give two times.", param, ctx)
        return DayPart(begins, ends)


class RateOfAlarms(click.ParamType[float]):
    """A rate of alarms such as `1/day`, as alarms an hour."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Alarms an hour.

        Raises:
            click.BadParameter: not a number, a slash, and hour, day or week.
        """
        count, _, unit = str(value).partition("/")
        if unit not in HOURS:
            self.fail(f"{value!r} is not a rate; write it as 1/day, 2/hour or 3/week.", param, ctx)
        return Number(0, 1e6, low_open=True).convert(count, param, ctx) / HOURS[unit]


class LocalPath(click.Path):
    """A path of this machine, for a command that reads and writes no object store."""

    def __init__(self, *, exists: bool = False, file: bool = True, folder: bool = True) -> None:
        super().__init__(exists=exists, file_okay=file, dir_okay=folder, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            click.BadParameter: it lies in an object store, or is not there, or of the other kind.
        """
        if is_object(value):
            address = path_text(Path(value))
            copy = "gcloud storage cp" if address.startswith("gs:") else "aws s3 cp"
            self.fail(
                f"{address} lies in an object store, and this command takes files of this machine "
                f"only. Copy it here first, as with: {copy} --recursive {address} FOLDER",
                param,
                ctx,
            )
        found = super().convert(value, param, ctx)
        return Path(str(found))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
