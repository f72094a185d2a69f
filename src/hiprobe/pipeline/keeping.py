"""What of an extraction is kept: finished states, and pieces of unfinished ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.errors import StorageError
from hiprobe.path_text import path_text
from hiprobe.pipeline.batches import Request
from hiprobe.pipeline.rows import Rows
from hiprobe.pipeline.settings import ExtractionSettings, Stretch
from hiprobe.states import VideoStates
from hiprobe.store.cache import StatesCache
from hiprobe.store.parts import PartFiles
from hiprobe.video.growth import FileStamp
from hiprobe.video.pace import GAP_SECONDS


@dataclass(frozen=True)
class Kept:
    """The cache as the extraction of one video sees it; without one nothing is found or kept.

    Attributes:
        keys: prompt -> key of the cache; empty without a cache.
        stamp: of the file before its content was hashed. A file that is still being written is no
            longer what its keys say, so nothing of it is kept.
        former_keys: prompt -> key from before segments were cut at gaps.
    """

    video: Path
    request: Request
    cache: StatesCache | None
    keys: Mapping[str, str]
    stamp: FileStamp
    stretch: Stretch
    former_keys: Mapping[str, str]

    @classmethod
    def of(
        cls,
        video: Path | str,
        unit: str,
        *,
        stretch: Stretch,
        settings: ExtractionSettings,
        request: Request,
        cache: StatesCache | None,
    ) -> Kept:
        """What is kept of one video, cut in one way.

        Raises:
            VideoError: the file cannot be read.
        """
        stamp = FileStamp.of(video)
        if cache is None:
            return cls(Path(video), request, None, {}, stamp, stretch, {})
        made_by = request.backbone.fingerprint
        keys, former = (
            {
                prompt: cache.key(video, settings=cut, fingerprint=replace(made_by, prompt=prompt))
                for prompt in request.prompts
            }
            for cut in (settings.cut(unit, stretch), settings.cut_without_gaps(unit, stretch))
        )
        return cls(Path(video), request, cache, keys, stamp, stretch, former)

    def is_growing(self) -> bool:
        """Whether the file goes on where it was read to its end; a warning says so then."""
        if self.stretch.end_seconds is not None or not self.stamp.is_outdated(self.video):
            return False
        warnings.warn(
            f"{self.video} changed while it was read: it is still being written, and what came "
            "later is missing; run again when it is done",
            stacklevel=2,
        )
        return True

    def finished(self) -> dict[str, VideoStates]:
        """Finished states of the prompts that have them."""
        found: dict[str, VideoStates] = {}
        if self.cache is None:
            return found
        layers, readings = self.request.layers, self.request.readings
        for prompt, key in self.keys.items():
            states = self.cache.get(key, layers=layers, readings=readings) or self._former(prompt)
            if states is not None:
                found[prompt] = states
        return found

    def _former(self, prompt: str) -> VideoStates | None:
        """States from before segments were cut at gaps, where they are the same today.

        A segment that spans a gap is longer than the least gap. Where none is, no gap was there;
        the few others are read anew, rather than all that was ever read.
        """
        if self.cache is None:
            return None
        layers, readings = self.request.layers, self.request.readings
        states = self.cache.get(self.former_keys[prompt], layers=layers, readings=readings)
        if states is None:
            return None
        lengths = [s.end_seconds - s.start_seconds for s in states.states.values()]
        return None if any((length > GAP_SECONDS).any() for length in lengths) else states

    def without(self, prompts: Mapping[str, object]) -> Kept:
        """The same for the other prompts only."""
        left = tuple(p for p in self.request.prompts if p not in prompts)
        keys = {p: k for p, k in self.keys.items() if p in left}
        return replace(self, request=replace(self.request, prompts=left), keys=keys)

    def put(self, prompt: str, states: VideoStates) -> None:
        """Keep finished states, but not a failure that belongs to today's free memory."""
        every = [*states.states.values(), *states.clip.values()]
        if self.cache is None or any(s.failed.any() for s in every):
            return
        try:
            if not self.stamp.is_outdated(self.video):
                self.cache.put(self.keys[prompt], states, video=self.video)
        except StorageError as error:  # the states are here all the same
            warnings.warn(f"the states of {self.video.name} are not kept: {error}", stacklevel=2)
        self._parts(prompt, self.cache).remove()

    def restore(self) -> Rows:
        """Rows of an interrupted run, as far as all prompts have them."""
        rows = Rows(self.request)
        if self.cache is None:
            return rows
        parts = [self._parts(prompt, self.cache).read() for prompt in self.request.prompts]
        for pieces in zip(*parts, strict=False):
            by_prompt = dict(zip(self.request.prompts, (p.states for p in pieces), strict=True))
            lengths = {len(s) for states in by_prompt.values() for s in states.values()}
            rows.restore(by_prompt, count=min(lengths))
            if len(lengths) > 1:  # cut off between two prompts: what follows does not join on
                break
        return rows

    def keep(self, rows: Rows, *, first_row: int) -> None:
        """Keep the rows from `first_row` on as one piece.

        Raises:
            StorageError: the folder cannot be written.
        """
        if self.cache is None or self.stamp.is_outdated(self.video):
            return
        for prompt in self.request.prompts:
            states = rows.states(prompt, first_row=first_row)
            self._parts(prompt, self.cache).write(
                first_row, states, video=path_text(self.video.name)
            )

    def remove_parts(self) -> None:
        """Drop what an interrupted run left."""
        for prompt in self.keys:
            if self.cache is not None:
                self._parts(prompt, self.cache).remove()

    def _parts(self, prompt: str, cache: StatesCache) -> PartFiles:
        return cache.parts(
            self.keys[prompt], layers=self.request.layers, readings=self.request.readings
        )


@dataclass
class Checkpoints:
    """Keeps the rows that no piece holds yet, every so many segments and when interrupted."""

    rows: Rows
    kept: Kept
    every: int
    count: int

    def keep_when_due(self) -> None:
        """Keep, if enough has come in."""
        if len(self.rows) - self.count >= self.every:
            self.keep()

    def keep(self) -> None:
        """Keep what has come in; a full disk is a warning, since this run needs no pieces."""
        # A failed row depends on the memory of the moment: pieces end before it.
        if len(self.rows) == self.count or any(self.rows.failed):
            return
        try:
            self.kept.keep(self.rows, first_row=self.count)
            self.count = len(self.rows)
        except StorageError as error:
            warnings.warn(f"an interrupted run could not resume here: {error}", stacklevel=2)
