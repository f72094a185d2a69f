"""How videos are to be read, as the options of a command say it: one value for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from hiprobe.errors import UsageError
from hiprobe.prompts import find_prompt
from hiprobe.spec import OPTIONS, BackboneSpec

if TYPE_CHECKING:
    from hiprobe.segment import Cut

ENGINES = ("local", "ray")


def spec_of_options(given: dict[str, Any]) -> BackboneSpec:
    """The spec that some of a command's options make; they are taken out of `given`.

    Raises:
        UsageError: the prompt is one word that names no preset.
    """
    names = {name: option.removeprefix("--").replace("-", "_") for name, option in OPTIONS.items()}
    chosen = {name: given.pop(own, None) for name, own in names.items()}
    if chosen["prompt"] is not None:
        chosen["prompt"] = find_prompt(chosen["prompt"]).text
    return BackboneSpec(**chosen)


@dataclass(frozen=True)
class Readers:
    """Who reads the videos.

    Attributes:
        workers: how many; None for one here, or for as many as a cluster has room for.
        engine: one of `ENGINES`.
        address: of a Ray cluster.
        threads: of each of them; None for a fair share of the processors.

    Raises:
        UsageError: an address without a cluster.
    """

    workers: int | None = None
    engine: str = ENGINES[0]
    address: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.address is not None and self.engine != "ray":
            raise UsageError(f"--address {self.address} is that of a Ray cluster: add --engine ray")

    @property
    def are_elsewhere(self) -> bool:
        """Whether other processes than this one read."""
        return self.engine == "ray" or (self.workers or 1) > 1

    def refuse_elsewhere(self, what: str) -> None:
        """Refuse workers for what they cannot read; `what` is the option that asks for it.

        Raises:
            UsageError: other processes are to read.
        """
        if self.are_elsewhere:
            typed = "--engine ray" if self.engine == "ray" else f"--workers {self.workers}"
            raise UsageError(
                f"{what} needs the backbone in this process, and workers give hidden states only; "
                f"leave out {typed}"
            )


# What `SessionOptions` says of segments, and its options.
LENGTHS = {
    "segment_frames": "--segment-frames",
    "segment_seconds": "--segment-seconds",
    "hop_seconds": "--hop-seconds",
}

_Cut = TypeVar("_Cut", bound="Cut")


@dataclass(frozen=True)
class SessionOptions:
    """How videos are read, as the user chose it; None is the default, or the probe's own way.

    `backbone` holds what was chosen of it, and nothing of what was left open.

    Raises:
        UsageError: the length of segments is given twice.
    """

    backbone: BackboneSpec = field(default_factory=BackboneSpec)
    segment_seconds: float | None = None
    segment_frames: int | None = None
    hop_seconds: float | None = None
    cached: bool = True
    quiet: bool = False
    readers: Readers = field(default_factory=Readers)
    skip_still: bool = False

    def __post_init__(self) -> None:
        if None not in (self.segment_frames, self.segment_seconds):
            raise UsageError(
                f"--segment-frames {self.segment_frames} and --segment-seconds "
                f"{self.segment_seconds:g} are two lengths of a segment; give one"
            )

    @property
    def lengths_asked(self) -> dict[str, float]:
        """Option -> value, of those that say how long segments are and how often one begins."""
        found = {option: getattr(self, name) for name, option in LENGTHS.items()}
        return {option: value for option, value in found.items() if value is not None}

    def cut_of(self, own: _Cut) -> _Cut:
        """A cut with the lengths that were asked for in place of its own.

        Raises:
            UsageError: the hop does not go with the length of segments.
        """
        changes: dict[str, Any] = {n: v for n in LENGTHS if (v := getattr(self, n)) is not None}
        if self.segment_frames is not None:
            # The length that was asked for replaces the other unit's.
            changes["segment_seconds"] = None
        if changes.keys() & {"segment_seconds", "hop_seconds"}:
            # A hop in frames of the probe's cut means nothing beside a length in seconds.
            changes["hop_frames"] = None
        return replace(own, **changes)

    @property
    def after_interrupt(self) -> str:
        """What a user who pressed Ctrl-C wants to know."""
        if not self.cached:
            return "interrupted; with --no-cache nothing was kept, and the next run starts over"
        return "interrupted; what was read is kept: run the same command again to resume"
