"""A source: a video file, or states that were extracted from one, behind one protocol.

`open_source` alone decides which of both something is. Whoever needs states asks the source for
them, and asks it whether there are pictures where only those will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import FingerprintError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings, ReadUnit
from hiprobe.pipeline.stream import StatesUnit, extract_units
from hiprobe.progress import Progress
from hiprobe.segment import WHOLE, Stretch
from hiprobe.states import States, VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states


@dataclass(frozen=True)
class ReadPlan:
    """What is read of each source of a run, and by which backbone.

    Attributes:
        backbone: None where only states are read, of any backbone.
        settings: how videos are cut, and the layers and readings; the layers None are 1..L, of
            states all that are there but the embeddings.
        prompts: read in one pass over each video; None for the backbone's own.
        want: "clip" for one row over the whole, "segments" for one row each.
        cache: where finished states are found and kept; None to keep nothing.
    """

    backbone: Backbone | None
    settings: ExtractionSettings = DEFAULTS
    prompts: Sequence[str] | None = None
    want: Sequence[StatesUnit] = ("clip", "segments")
    cache: StatesCache | None = None

    def unit(self, video: Path, stretch: Stretch = WHOLE) -> ReadUnit | None:
        """What is read of a video, for those that read ahead; None without a backbone."""
        if self.backbone is None:
            return None
        return ReadUnit.of(
            video,
            settings=self.settings,
            layer_count=self.backbone.layer_count,
            prompts=self.prompts_of(self.backbone),
            want=self.want,
            stretch=stretch,
        )

    def prompts_of(self, backbone: Backbone) -> Sequence[str]:
        """The prompts, the backbone's own where none are given."""
        return (backbone.fingerprint.prompt,) if self.prompts is None else self.prompts


class Source(Protocol):
    """Something that gives hidden states: read by a backbone, or kept from before."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def has_pictures(self) -> bool:
        """Whether it is a video: a backbone has to read it, and it can be shown and explained."""
        ...

    def states(
        self, plan: ReadPlan, stretch: Stretch = WHOLE, progress: Progress | None = None
    ) -> list[VideoStates]:
        """Its states, or those of a stretch of it: one item for each prompt of the plan."""
        ...


def open_source(what: Path | str) -> Source:
    """The source that a path stands for, by its ending; nothing is read yet."""
    return StatesOnDisk(Path(what)) if is_states_name(what) else VideoOnDisk(Path(what))


@dataclass(frozen=True)
class VideoOnDisk:
    """A video file, which a backbone reads."""

    path: Path
    has_pictures = True

    def states(
        self, plan: ReadPlan, stretch: Stretch = WHOLE, progress: Progress | None = None
    ) -> list[VideoStates]:
        """As `Source.states`, in one pass over the video.

        Raises:
            UsageError: the plan has no backbone, or the backbone lacks a layer or reads no prompt
                but its own.
            VideoError: the file cannot be read.
            BackboneMemoryError: not a single segment fits into memory.
            StatesError: a state is not finite.
        """
        if plan.backbone is None:
            raise UsageError(f"{self.path} is a video; reading it needs a backbone")
        prompts = plan.prompts_of(plan.backbone)
        clips, segments = extract_units(
            self.path,
            backbone=plan.backbone,
            prompts=prompts,
            want=plan.want,
            settings=plan.settings,
            stretch=stretch,
            cache=plan.cache,
            progress=progress,
        )
        if not segments:
            return [clips[prompt] for prompt in prompts]
        return [
            replace(segments[prompt], clip=clips[prompt].clip if clips else {})
            for prompt in prompts
        ]


@dataclass(frozen=True)
class StatesOnDisk:
    """A file that `write_states` made, which stands in for its video."""

    path: Path
    has_pictures = False

    def states(
        self, plan: ReadPlan, stretch: Stretch = WHOLE, progress: Progress | None = None
    ) -> list[VideoStates]:
        """As `Source.states`: all that the file holds of the plan's layers and the stretch.

        Raises:
            StatesError: it is damaged, or a layer is absent.
            FingerprintError: another backbone than the plan's made it.
            UsageError: several prompts are asked for, of which a file has one.
        """
        if plan.prompts is not None and len(plan.prompts) > 1:
            raise UsageError(
                f"{self.path} holds states of one prompt; compare prompts on the videos themselves"
            )
        found = read_states(self.path)
        if plan.backbone is not None:
            _refuse_others(found, plan.backbone.fingerprint, self.path)
        layers = plan.settings.layers
        by_segment = {r: _restrict(s, layers) for r, s in found.states.items()}
        if stretch == WHOLE:
            clip = {r: _restrict(s, layers) for r, s in found.clip.items()}
            return [replace(found, states=by_segment, clip=clip)]
        within = {r: _within(s, stretch) for r, s in by_segment.items()}
        # The vector of a whole video is not that of a stretch of it.
        return [replace(found, states={r: s for r, s in within.items() if len(s)}, clip={})]


def _restrict(states: States, layers: Sequence[int] | None) -> States:
    return states.select_layers([n for n in states.layers if n > 0] if layers is None else layers)


def _within(states: States, stretch: Stretch) -> States:
    """The segments that begin within a stretch."""
    rows = states.start_seconds >= (stretch.start_seconds or 0.0)
    if stretch.end_seconds is not None:
        rows &= states.start_seconds < stretch.end_seconds
    return states.select_rows(rows)


def _refuse_others(states: VideoStates, fingerprint: Fingerprint, path: Path) -> None:
    for made in (s.fingerprint for s in [*states.states.values(), *states.clip.values()]):
        if made.digest != fingerprint.digest:
            raise FingerprintError(
                f"{path} was extracted with backbone {made.model} ({made.digest}), this one is "
                f"{fingerprint.model} ({fingerprint.digest}): {fingerprint.difference(made)}; "
                "extract it again"
            )
