"""States of several readings and layers side by side, as one vector a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from hiprobe.errors import StatesError, UsageError
from hiprobe.large_rows import GrowingRows, give_back, row_blocks
from hiprobe.states import JOINED, READINGS, VISION_READINGS, LabelledStates, Reading, States

# What a committee reads unless the user chooses. On the traffic cameras all seven readings do as
# well with 120 clips (0.849 against 0.851, three seeds), but worse with eight of each kind (0.697
# against 0.730, twelve draws): the mean picture shows which camera it is more than what happens.
COMMITTEE_READINGS: tuple[Reading, ...] = (
    "last",
    "visual_mean",
    "prompt_mean",
    "vision_change_mean",
)

# Distance of the layers that are joined, from the deepest up to half its depth. Neighbours are much
# alike, and a third of the layers is a third of the work; other distances were not tried. The
# shallower half adds nothing on the traffic cameras (0.841 with it, 0.839 without, before the
# vision tower's part), and on rendered scenes it costs 0.005 with all labels, 0.02 with four clips
# of each kind (0.865 and 0.761 with it, 0.870 and 0.781 without).
EVERY_LAYERS = 3


@dataclass(frozen=True)
class Member:
    """One reading at one layer, as a stretch of a joined vector.

    Attributes:
        reading: where the layer is read.
        layer: its number; 1 for a vision reading.
        width: dimensions that it takes.
    """

    reading: Reading
    layer: int
    width: int

    def __post_init__(self) -> None:
        if self.reading not in READINGS or self.layer < 1 or self.width < 1:
            raise UsageError(
                f"a member reads {self.reading!r} at layer {self.layer} with {self.width} "
                f"dimensions; give one of {READINGS}, and whole numbers from 1"
            )

    @property
    def name(self) -> str:
        """Reading and layer in words."""
        return self.reading if self.reading in VISION_READINGS else f"{self.reading}, {self.layer}"


def members_of(
    views: Sequence[States], *, every_layers: int = EVERY_LAYERS, up_to: int | None = None
) -> tuple[Member, ...]:
    """The members that states of several readings give: layers of the deeper half.

    Args:
        views: states of one clip, one for each reading.
        every_layers: distance of the layers.
        up_to: deepest layer that is taken; the deepest there is where None.

    Raises:
        UsageError: no layer is left, or a reading comes twice.
    """
    if len({v.reading for v in views}) != len(views):
        raise UsageError(f"a reading comes twice: {[v.reading for v in views]}; give each once")
    found: list[Member] = []
    for states in views:
        deepest = min(max(states.layers), up_to or states.layer_count)
        if states.reading in VISION_READINGS:
            deepest = 1
        half = max(1, (deepest + 1) // 2)
        wanted = range(deepest, half - 1, -every_layers)
        found += [Member(states.reading, n, states.width) for n in wanted if n in states.layers]
    if not found:
        raise UsageError(f"no layer up to {up_to} was extracted; give a deeper one")
    return tuple(found)


def readings_of(members: Sequence[Member]) -> tuple[Reading, ...]:
    """The readings of members, each once, in order."""
    return tuple(dict.fromkeys(m.reading for m in members))


def layers_of(members: Sequence[Member]) -> tuple[int, ...]:
    """Layers of the decoder that members read, ascending; its first where they read none of it."""
    decoder = {m.layer for m in members if m.reading not in VISION_READINGS}
    return tuple(sorted(decoder)) or (1,)


class ReadsStates(Protocol):
    """What a fitted probe says of the states that it reads."""

    @property
    def layer_(self) -> int:
        """The layer that it reads."""
        ...

    @property
    def reading_(self) -> Reading:
        """The position at which it reads it."""
        ...

    @property
    def members(self) -> tuple[Member, ...]:
        """What it reads where that is more than one layer; then the two above say nothing."""
        ...


def layers_read(probe: ReadsStates) -> tuple[int, ...]:
    """Layers of the decoder that a probe reads, ascending."""
    return layers_of(probe.members) if probe.members else (probe.layer_,)


def readings_read(probe: ReadsStates) -> tuple[Reading, ...]:
    """Positions at which a probe reads."""
    return readings_of(probe.members) if probe.members else (probe.reading_,)


def states_read(every: Mapping[Reading, States], probe: ReadsStates) -> States:
    """Of states at these positions what a probe scores: joined for a committee.

    Raises:
        StatesError: as `join_states`.
    """
    return join_states(every, probe.members) if probe.members else every[probe.reading_]


def slices_of(members: Sequence[Member]) -> tuple[slice, ...]:
    """Where each member lies in a joined vector."""
    ends = np.cumsum([m.width for m in members]).tolist()
    return tuple(slice(end - m.width, end) for m, end in zip(members, ends, strict=True))


def join_states(found: Mapping[Reading, States], members: Sequence[Member]) -> States:
    """One row a segment that holds all members one after the other.

    Raises:
        StatesError: a reading, or a layer of it, was not extracted, or has another width.
    """
    missing = sorted({m.reading for m in members} - set(found))
    if missing:
        raise StatesError(
            f"no states were read at {', '.join(missing)}, only at {', '.join(sorted(found))}; "
            "extract again with all readings of the probe (`hiprobe info` names them)"
        )
    parts = [found[m.reading].layer(m.layer) for m in members]
    for member, part in zip(members, parts, strict=True):
        if part.shape[1] != member.width:
            raise StatesError(
                f"{member.name} has {part.shape[1]} dimensions, the probe expects {member.width}"
            )
    first = found[members[0].reading]
    failed = np.logical_or.reduce([found[r].failed for r in readings_of(members)])
    values = GrowingRows((1, sum(m.width for m in members)))
    for rows in row_blocks(max(parts, key=lambda part: part.nbytes)):
        block = np.concatenate([part[rows] for part in parts], axis=1)
        block[failed[rows]] = 0
        values.append(block[:, None])
    for part in parts:
        give_back(part)
    return replace(
        first, values=values.all(), layers=(1,), reading=JOINED, layer_count=1, failed=failed
    )


def join_examples(
    views: Sequence[Sequence[LabelledStates]], members: Sequence[Member]
) -> list[LabelledStates]:
    """The same clips in several readings, each clip with joined states.

    Raises:
        StatesError: as `join_states`.
    """
    return [_joined(clips, members) for clips in zip(*views, strict=True)]


def _joined(clips: Sequence[LabelledStates], members: Sequence[Member]) -> LabelledStates:
    wholes = [e.clip for e in clips if e.clip is not None]
    parts = [e.segments for e in clips if e.segments is not None]
    return replace(
        clips[0],
        clip=join_states({s.reading: s for s in wholes}, members) if wholes else None,
        segments=join_states({s.reading: s for s in parts}, members) if parts else None,
    )
