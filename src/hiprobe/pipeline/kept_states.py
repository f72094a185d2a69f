"""What is kept of one video: finished states, and the pieces of an unfinished one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, StorageError
from hiprobe.names import path_text
from hiprobe.pipeline.reading import ExtractionSettings, Shard
from hiprobe.segment import Stretch
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import PartFiles, StatesCache, remove_entry
from hiprobe.video.container import FileStamp
from hiprobe.video.times import GAP_SECONDS

if TYPE_CHECKING:
    from hiprobe.pipeline.checkpoints import Rows, StatesRequest


@dataclass(frozen=True, eq=False)
class KeptPiece:
    """Segments whose states lie in one piece on disk.

    Attributes:
        file: number of the first segment in the file.
        skipped: so many segments of the file are left out, since a piece before it has them.
        start_seconds, end_seconds: float64 `[segments]`, of the others.
    """

    file: int
    skipped: int
    start_seconds: NDArray[np.float64]
    end_seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start_seconds)

    @property
    def numbers(self) -> range:
        """The segments' numbers in the video."""
        first = self.file + self.skipped
        return range(first, first + len(self))


@dataclass(frozen=True)
class KeptStates:
    """The cache as the extraction of one video sees it; without one nothing is found or kept.

    Attributes:
        keys: prompt -> key of the cache; empty without a cache.
        stamp: of the file before its content was hashed. A file that is still being written is no
            longer what its keys say, so nothing of it is kept.
        former_keys: prompt -> key from before segments were cut at gaps.
    """

    video: Path
    request: StatesRequest
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
        request: StatesRequest,
        cache: StatesCache | None,
    ) -> KeptStates:
        """What is kept of one video, cut in one way.

        Raises:
            VideoError: the file cannot be read.
        """
        stamp = FileStamp.of(video)
        if cache is None:
            return cls(Path(video), request, None, {}, stamp, stretch, {})
        of_prompt = {p: replace(request.backbone.fingerprint, prompt=p) for p in request.prompts}
        keys, former = (
            {p: cache.key(video, settings=parts, fingerprint=f) for p, f in of_prompt.items()}
            for parts in (
                settings.key_parts(unit, stretch),
                settings.key_parts_without_gaps(unit, stretch),
            )
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

    def without(self, prompts: Mapping[str, object]) -> KeptStates:
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

    def pieces(self, shard: Shard) -> list[KeptPiece]:
        """What is kept of some segments in pieces that all prompts have, in order."""
        if self.cache is None:
            return []
        of_prompts = [self._parts(prompt, self.cache).times() for prompt in self.request.prompts]
        found, reached = list[KeptPiece](), shard.first
        for file in sorted(set(of_prompts[0]).intersection(*of_prompts)):
            # A kill can fall between two prompts: then one of them has less.
            length = min(len(times[file]["start_seconds"]) for times in of_prompts)
            stop = length if shard.end is None else min(length, shard.end - file)
            skipped = max(0, reached - file)
            if skipped < stop:
                start, end = (of_prompts[0][file][f"{w}_seconds"] for w in ("start", "end"))
                found.append(KeptPiece(file, skipped, start[skipped:stop], end[skipped:stop]))
                reached = found[-1].numbers.stop
        return found

    def files(self, shard: Shard) -> list[Path]:
        """The files of those pieces."""
        if self.cache is None:
            return []
        parts = [self._parts(prompt, self.cache) for prompt in self.request.prompts]
        return [part.path(piece.file) for piece in self.pieces(shard) for part in parts]

    def restore(self, rows: Rows, piece: KeptPiece) -> None:
        """Append the states of a piece.

        Raises:
            StatesError: it is damaged, or gone meanwhile.
        """
        if self.cache is None:
            return
        kept = {p: self._parts(p, self.cache).read(piece.file).states for p in self.request.prompts}
        for prompt, by_reading in kept.items():
            if {*self.request.readings} - {*by_reading}:
                raise StatesError(f"a piece of {prompt!r} lacks readings; extract the video again")
        if piece.skipped:
            kept = {
                prompt: {
                    r: s.select_rows(np.arange(len(s)) >= piece.skipped) for r, s in of.items()
                }
                for prompt, of in kept.items()
            }
        rows.restore(kept, count=len(piece))

    def keep(self, rows: Rows, *, first_row: int, first_segment: int) -> bool:
        """Keep the rows from `first_row` on as one piece; the first row is of a segment's number.

        Returns:
            Whether they are kept: nothing is of a file that is still being written.

        Raises:
            StorageError: the folder cannot be written.
        """
        if self.cache is None or self.stamp.is_outdated(self.video):
            return False
        for prompt in self.request.prompts:
            states = rows.states(prompt, first_row=first_row)
            self._parts(prompt, self.cache).write(
                first_segment + first_row, states, video=path_text(self.video.name)
            )
        return True

    def remove_parts(self) -> None:
        """Drop all pieces."""
        for prompt in self.keys:
            if self.cache is not None:
                self._parts(prompt, self.cache).remove()

    def remove_pieces(self, pieces: Sequence[KeptPiece]) -> None:
        """Drop pieces that an interrupted run left."""
        if self.cache is None:
            return
        for piece in pieces:
            for prompt in self.keys:
                remove_entry(self._parts(prompt, self.cache).path(piece.file))

    def _parts(self, prompt: str, cache: StatesCache) -> PartFiles:
        return cache.parts(
            self.keys[prompt], layers=self.request.layers, readings=self.request.readings
        )
