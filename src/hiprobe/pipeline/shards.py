"""One long video for several workers: shards of its segments, each read by one of them.

Where a segment ends is known only once all frames before it have been decoded. So a worker decodes
a video from its start, but converts and shows to the backbone only what lies in its shard. The
states are kept as the pieces of an interrupted run are, and joined when all are there: nothing of
this can change a state, and whatever goes wrong is made good by reading the video as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import lcm

import numpy as np

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StatesError
from hiprobe.pipeline.checkpoints import Rows, StatesRequest
from hiprobe.pipeline.kept_states import KeptStates
from hiprobe.pipeline.reading import EVERY_SEGMENT, SHARD_PIECES, ReadUnit, Shard
from hiprobe.pipeline.stream import (
    ShardPass,
    StatesUnit,
    Times,
    estimated_count,
    finished_states,
)
from hiprobe.progress import Clock, Progress
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.segments import SegmentReader


@dataclass(frozen=True)
class EndOfVideo:
    """What the worker knows that has seen a video to its end.

    Attributes:
        segments: how many there are.
        times_digest: of the start and end of each.
        outcome: "end", or "truncated" where the file broke off.
    """

    segments: int
    times_digest: str
    outcome: str


def split(unit: ReadUnit, *, count: int) -> tuple[ReadUnit, ...]:
    """Up to `count` units that together read a long video; none where it is read as one.

    Borders are multiples of the batch, since the last bits of a state depend on what is batched
    together, and of the pieces that are kept. Nothing is split where segments overlap, which share
    pictures, or still ones are skipped, whose states are those of others. The row over the whole
    clip is a unit of its own.
    """
    settings = unit.settings
    if "segments" not in unit.want or settings.overlaps or settings.skip_still:
        return ()
    expected = None
    # Any error, since it would end the run of all files here; whoever reads the video tells it.
    with suppress(Exception):
        expected = estimated_count(unit.video, settings, unit.stretch)
    border = lcm(settings.checkpoint_segments, settings.batch_segments)
    count = min(count, (expected or 0) // (SHARD_PIECES * border))
    if count < 2 or expected is None:
        return ()
    length = round(expected / count / border) * border
    firsts = [number * length for number in range(count)]
    # The header may be wrong: the last shard goes to the end, wherever that is.
    shards = map(Shard, firsts, [*firsts[1:], None])
    clip = (replace(unit, want=("clip",)),) if "clip" in unit.want else ()
    return (*(replace(unit, want=("segments",), shard=shard) for shard in shards), *clip)


def kept_of(
    unit: ReadUnit, want: StatesUnit, *, backbone: Backbone, cache: StatesCache | None
) -> KeptStates:
    """What the cache holds of a unit.

    Raises:
        VideoError: the file cannot be read.
    """
    return KeptStates.of(
        unit.video,
        want,
        stretch=unit.stretch,
        settings=unit.settings,
        request=StatesRequest.of(backbone, unit.settings, unit.prompts),
        cache=cache,
    )


def read_shard(
    unit: ReadUnit, *, backbone: Backbone, cache: StatesCache | None, progress: Progress | None
) -> EndOfVideo | None:
    """Read the segments of a shard and keep them as pieces.

    Returns:
        The end of the video, where the shard reached it.

    Raises:
        VideoError, StatesError: as `extract_units`.
    """
    kept = kept_of(unit, "segments", backbone=backbone, cache=cache)
    kept = kept.without(kept.finished())
    shard = unit.shard or EVERY_SEGMENT
    if not kept.request.prompts:
        return None
    total = estimated_count(unit.video, unit.settings, unit.stretch) if progress else None
    clock = Clock(progress, total, name=unit.video.name)
    work = ShardPass(kept, SegmentReader, unit.settings, clock, shard)
    rows, reader = work.rows()
    if kept.finished().keys() == {*kept.request.prompts}:
        # Another worker has read the video as one meanwhile: nobody else would remove the pieces.
        kept.remove_parts()
    if shard.end is not None and len(rows) == shard.end - shard.first:
        return None
    times = [*work.before, *zip(rows.start_seconds, rows.end_seconds, strict=True)]
    return EndOfVideo(len(times), _digest_of(times), reader.outcome or "end")


def join_shards(
    unit: ReadUnit, *, backbone: Backbone, cache: StatesCache | None, end: EndOfVideo | None
) -> tuple[dict[str, VideoStates], dict[str, VideoStates]] | None:
    """States by prompt of the whole clip and of its segments, which are in the cache then.

    Args:
        end: None where no shard has seen it.

    Returns:
        None where something is missing, or belongs to another state of the file.
    """
    found: dict[StatesUnit, dict[str, VideoStates]] = {"clip": {}, "segments": {}}
    for want in unit.want:
        kept = kept_of(unit, want, backbone=backbone, cache=cache)
        found[want] = kept.finished()
        left = kept.without(found[want])
        if left.request.prompts:
            rows = _joined_rows(left, end) if end is not None and want == "segments" else None
            if rows is None or end is None:
                return None
            found[want] |= finished_states(left, rows, unit=want, outcome=end.outcome)
        kept.remove_parts()  # of another file with the same content, which was read meanwhile
    return found["clip"], found["segments"]


def _joined_rows(kept: KeptStates, end: EndOfVideo) -> Rows | None:
    """All rows of a video from its pieces; None where these are not all."""
    rows = Rows(kept.request)
    with suppress(StatesError):
        for piece in kept.pieces(EVERY_SEGMENT):
            if piece.numbers.start != len(rows):
                return None
            kept.restore(rows, piece)
    times = list(zip(rows.start_seconds, rows.end_seconds, strict=True))
    is_all = len(rows) == end.segments > 0 and _digest_of(times) == end.times_digest
    return rows if is_all else None


def _digest_of(times: Iterable[Times]) -> str:
    return hashlib.sha256(np.array(list(times), np.float64).tobytes()).hexdigest()
