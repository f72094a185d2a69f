"""States of a run's data: one pass over the videos, shared by all experiments, cached on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import STATES_SUFFIX, LabelledClip, read_clips
from hiprobe.errors import HiProbeError, LabelError, UsageError
from hiprobe.pipeline import Failure, Progress, extract_clip, extract_examples, extract_video
from hiprobe.reproduce.request import DataSource, Request
from hiprobe.segment import KEY_FRAMES
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.store.cache import StatesCache

Listen = Callable[[str], AbstractContextManager[Progress | None]]
"""Opens a progress bar of a name."""

OpenBackbone = Callable[[], Backbone]


def _silent(name: str) -> AbstractContextManager[Progress | None]:
    return nullcontext(None)


@dataclass
class Extraction:
    """Labelled and scored-to-be states, by data set, key frames and reading.

    What was extracted once in a process is held; between processes the cache of states serves,
    so an interrupted pass goes on. The backbone is opened when a video has to be read, and never
    where all data are extracted states.

    Attributes:
        open_backbone: loads the backbone; called at most once.
        cache: None to extract anew in each process.
        failures: files that could not be read; they are left out and named in the results.
    """

    request: Request
    open_backbone: OpenBackbone
    cache: StatesCache | None = None
    listen: Listen = _silent
    failures: list[Failure] = field(default_factory=list)
    _backbone: Backbone | None = None
    _clips: dict[str, tuple[LabelledClip, ...]] = field(default_factory=dict)
    _examples: dict[tuple[object, ...], tuple[LabelledStates, ...]] = field(default_factory=dict)

    @property
    def backbone(self) -> Backbone:
        """The backbone, opened on first use."""
        if self._backbone is None:
            self._backbone = self.open_backbone()
        return self._backbone

    def source(self, name: str) -> DataSource:
        """A data set by its name.

        Raises:
            UsageError: there is none of that name.
        """
        for found in self.request.data:
            if found.name == name:
                return found
        raise UsageError(f"no data set {name!r} among {[d.name for d in self.request.data]}")

    def clips(self, data: DataSource) -> tuple[LabelledClip, ...]:
        """The labelled clips of a data set, all splits together; nothing is decoded.

        Raises:
            LabelError: as `read_clips`.
        """
        if data.name not in self._clips:
            self._clips[data.name] = read_clips(data.path, normal=data.normal)
        return self._clips[data.name]

    def examples(
        self,
        data: DataSource,
        *,
        key_frames: int = KEY_FRAMES,
        reading: Reading | None = None,
    ) -> tuple[LabelledStates, ...]:
        """States of all layers of every clip that can be read, by clip and by segment.

        Args:
            key_frames: K of each clip and segment.
            reading: the request's first unless given.

        Raises:
            LabelError: nothing of one class can be read.
        """
        wanted = reading or self.request.reading
        key = (data.name, key_frames, wanted)
        if key not in self._examples:
            self._examples[key] = self._extract(data, key_frames, wanted)
        return self._examples[key]

    def video(
        self, path: Path, *, key_frames: int = KEY_FRAMES, reading: Reading | None = None
    ) -> States:
        """All layers of every segment of one video, which need not be among the clips.

        Raises:
            VideoError, StatesError, BackboneMemoryError: as `extract_video`.
        """
        wanted = reading or self.request.reading
        with self.listen(path.name) as progress:
            found = extract_video(
                path,
                backbone=self.backbone,
                readings=self._together(wanted),
                segment_seconds=self.request.segment_seconds,
                key_frames=key_frames,
                cache=self.cache,
                progress=progress,
            )
        return found.states[wanted]

    def _extract(
        self, data: DataSource, key_frames: int, reading: Reading
    ) -> tuple[LabelledStates, ...]:
        clips = self.clips(data)
        videos = [c for c in clips if c.video.suffix != STATES_SUFFIX]
        with self.listen(data.name) as progress:
            if len(self._together(reading)) > 1:
                self._read_together(videos, key_frames, reading)
            examples, failures = extract_examples(
                clips,
                backbone=self.backbone if videos else None,
                reading=reading,
                segment_seconds=self.request.segment_seconds,
                key_frames=key_frames,
                cache=self.cache,
                progress=progress,
            )
        known = {f.video for f in self.failures}
        self.failures += [f for f in failures if f.video not in known]
        if {e.label for e in examples} != {0, 1}:
            raise LabelError(
                f"{data.name}: after leaving out {len(failures)} files that could not be read, "
                f"one class has no clip ({failures[0].reason if failures else 'no clips'})"
            )
        return tuple(examples)

    def _read_together(
        self, clips: Sequence[LabelledClip], key_frames: int, reading: Reading
    ) -> None:
        """Fill the cache with several readings of one pass; a bad file is met again later."""
        for clip in clips:
            try:
                extract_clip(
                    clip.video,
                    backbone=self.backbone,
                    readings=self._together(reading),
                    key_frames=key_frames,
                    cache=self.cache,
                    start_seconds=clip.start_seconds,
                    end_seconds=clip.end_seconds,
                )
                extract_video(
                    clip.video,
                    backbone=self.backbone,
                    readings=self._together(reading),
                    segment_seconds=self.request.segment_seconds,
                    key_frames=key_frames,
                    cache=self.cache,
                    start_seconds=clip.start_seconds,
                    end_seconds=clip.end_seconds,
                )
            except HiProbeError:
                continue

    def _together(self, reading: Reading) -> tuple[Reading, ...]:
        """All readings of the request in one pass, where there is a cache to keep them."""
        several = self.cache is not None and reading in self.request.readings
        return self.request.readings if several else (reading,)
