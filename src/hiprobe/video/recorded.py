"""When a video was recorded, as far as its name or the file says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hiprobe.names import clock_in_name
from hiprobe.video.container import open_video

# Recorders without a clock write the first day of theirs: 1904, 1970 or 1980.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def recorded_at(video: Path | str) -> datetime | None:
    """The moment of the first picture; None where neither name nor file tells it.

    A time in the name comes first: a recorder writes it when it begins a file, in its own local
    time, so it has no time zone here. The file's own `creation_time` is in UTC; a file that was
    cut or converted later may name the day of that, which cannot be told apart.

    Raises:
        VideoError: the video cannot be opened; not where its name tells.
    """
    named = clock_in_name(Path(video).name)
    if named is not None:
        return named
    with open_video(video) as (container, stream):
        told = container.metadata.get("creation_time") or stream.metadata.get("creation_time")
    try:
        moment = datetime.fromisoformat(told or "")
    except ValueError:
        return None
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc if _EARLIEST <= utc <= datetime.now(UTC) else None
