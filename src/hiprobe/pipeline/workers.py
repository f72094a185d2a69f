"""Videos read by other processes: what is asked of them, what comes back, and who stands in here.

A worker holds an open backbone and reads one unit after the other: a video, or a stretch of one.
States go into the cache of states, where the caller finds them; so the cache is also the list of
what is done, keyed by content, fingerprint and cut, and asking twice costs nothing. What the cache
does not take comes back as arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, PromptsBackbone, Speech, readings_offered
from hiprobe.errors import BackboneError, HiProbeError, VideoError
from hiprobe.failures import failure_of
from hiprobe.fingerprint import Fingerprint
from hiprobe.names import is_object
from hiprobe.pipeline.reading import ReadUnit
from hiprobe.pipeline.shards import EndOfVideo, join_shards, kept_of, read_shard
from hiprobe.pipeline.stream import extract_units
from hiprobe.progress import Progress, ProgressEvent
from hiprobe.segment import Frame, Segment
from hiprobe.settings import share_processors, states_folder, use_threads
from hiprobe.spec import BackboneSpec, spec_of
from hiprobe.states import Reading, VideoStates
from hiprobe.store.atomic import own_mark
from hiprobe.store.states_cache import StatesCache

if TYPE_CHECKING:
    from hiprobe.pipeline.workers_crew import Crew

# Opens the backbone of the worker with a number; it is sent to the worker, so it pickles.
OpenBackbone = Callable[[int], Backbone]

# States by prompt of the whole clip, and of its segments.
UnitStates = tuple[dict[str, VideoStates], dict[str, VideoStates]]


@dataclass(frozen=True)
class OpenSpec:
    """Opens a backbone in a worker; each has a GPU of its own as far as there are enough.

    Attributes:
        view: what is put around the backbone, such as a choice of its heads.
        threads: of each worker; None for what it has been given.
    """

    spec: BackboneSpec
    view: Callable[[Backbone], Backbone] | None = None
    threads: int | None = None

    def __call__(self, number: int) -> Backbone:
        """The backbone of a worker.

        Raises:
            BackboneError, DownloadError: as `BackboneSpec.open`.
        """
        if self.threads is not None:
            use_threads(self.threads)
        share_processors()
        from hiprobe.backbones.hf.hardware import take_gpu  # loads torch

        take_gpu(number)
        opened = self.spec.open()
        return opened if self.view is None else self.view(opened)


@dataclass(frozen=True)
class BackboneFacts:
    """What the caller has to know of a backbone that others hold."""

    fingerprint: Fingerprint
    layer_count: int
    width: int
    reads_prompts: bool
    readings: tuple[Reading, ...]
    spec: BackboneSpec | None

    @classmethod
    def of(cls, backbone: Backbone) -> BackboneFacts:
        """The facts of an open backbone."""
        return cls(
            backbone.fingerprint,
            backbone.layer_count,
            backbone.width,
            isinstance(backbone, PromptsBackbone),
            readings_offered(backbone),
            spec_of(backbone),
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one unit.

    Attributes:
        error: why there are no states; what one process would have raised.
        states: states that are not in the cache.
        files: entries of the cache, for a caller on another machine: name -> content.
        last: where the reading ended; None where all was known before.
        said: warnings, in order.
        is_in_shards: the states lie in the cache as pieces, which are to be joined.
        end: of the video, where a shard has seen it.
    """

    error: Exception | None = None
    states: UnitStates | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    last: ProgressEvent | None = None
    said: tuple[str, ...] = ()
    is_in_shards: bool = False
    end: EndOfVideo | None = None


@dataclass(frozen=True)
class CachePlace:
    """Where the caller keeps states.

    Attributes:
        folder: None to keep nothing.
        machine: which the folder is of.
    """

    folder: Path | None
    machine: str

    @classmethod
    def of(cls, cache: StatesCache | None) -> CachePlace:
        """The place of a cache of this machine."""
        return cls(None if cache is None else cache.folder, own_mark().machine)

    @property
    def is_here(self) -> bool:
        """Whether this machine sees the folder; one in an object store is seen by all."""
        return is_object(self.folder or "") or self.machine == own_mark().machine

    def opened(self) -> StatesCache | None:
        """The cache to use: the caller's, on another machine that machine's own."""
        if self.folder is None:
            return None
        return StatesCache(self.folder if self.is_here else states_folder())


@dataclass(frozen=True)
class UnitReader:
    """An open backbone and a cache, in the process that has them."""

    backbone: Backbone
    place: CachePlace

    def read(self, unit: ReadUnit, tell: Progress) -> Outcome:
        """Read one unit, or a shard; whatever is wrong with it is part of the outcome."""
        heard: list[ProgressEvent] = []

        def hear(event: ProgressEvent) -> None:
            heard[:] = [event]
            tell(event)

        cache = self.place.opened()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found, end = self._states_or_end(unit, cache, hear)
                kept = self._kept(unit, cache)
                files = {} if self.place.is_here else _contents(kept, cache)
            except Exception as error:
                return Outcome(error=_as_sent(unit.video, error), said=_words(caught))
        last = heard[0] if heard else None
        return Outcome(None, None if kept else found, files, last, _words(caught), end=end)

    def _states_or_end(
        self, unit: ReadUnit, cache: StatesCache | None, tell: Progress
    ) -> tuple[UnitStates | None, EndOfVideo | None]:
        """The states of a unit; of a shard, which keeps its own, the end of the video."""
        if unit.shard is not None:
            return None, read_shard(unit, backbone=self.backbone, cache=cache, progress=tell)
        found = extract_units(
            unit.video,
            backbone=self.backbone,
            prompts=unit.prompts,
            want=unit.want,
            settings=unit.settings,
            stretch=unit.stretch,
            cache=cache,
            progress=tell,
        )
        return found, None

    def _kept(self, unit: ReadUnit, cache: StatesCache | None) -> list[Path]:
        """The entries of the cache with the states of a unit; none where one is missing.

        Of a shard of which there is no entry yet, the pieces.
        """
        if cache is None:
            return []
        paths: list[Path | None] = []
        pieces: list[Path] = []
        for want in unit.want:
            kept = kept_of(unit, want, backbone=self.backbone, cache=cache)
            of = kept.request
            paths += [
                cache.find(key, layers=of.layers, readings=of.readings)
                for key in kept.keys.values()
            ]
            pieces += [] if unit.shard is None else kept.files(unit.shard)
        found = [path for path in paths if path is not None]
        return found if len(found) == len(paths) else pieces


def _contents(files: Sequence[Path], cache: StatesCache | None) -> dict[str, bytes]:
    """Path below the cache's folder -> content."""
    folder = Path() if cache is None else cache.folder
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def _words(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(warning.message) for warning in caught))


def _as_sent(video: Path, error: Exception) -> Exception:
    """The error itself where the caller can judge it; of a bug, which is logged here, its words."""
    if isinstance(error, HiProbeError | OSError | MemoryError):
        return error
    try:
        return VideoError(failure_of(video, error).reason)
    except Exception as ends_the_run:
        return ends_the_run


@dataclass(frozen=True)
class ElsewhereBackbone:
    """Stands here for a backbone that workers hold; `extract_units` lets them read.

    Attributes:
        facts: of the backbone.
        crew: the workers.
    """

    facts: BackboneFacts
    crew: Crew

    @staticmethod
    def of(crew: Crew) -> ElsewhereBackbone:
        """The backbone of a crew, once a worker has opened it.

        Raises:
            BackboneError, DownloadError: it cannot be opened.
        """
        facts = crew.facts()
        return (ElsewherePrompts if facts.reads_prompts else ElsewhereBackbone)(facts, crew)

    @property
    def fingerprint(self) -> Fingerprint:
        """As of the backbone."""
        return self.facts.fingerprint

    @property
    def layer_count(self) -> int:
        """As of the backbone."""
        return self.facts.layer_count

    @property
    def width(self) -> int:
        """As of the backbone."""
        return self.facts.width

    @property
    def offered_readings(self) -> tuple[Reading, ...]:
        """As of the backbone."""
        return self.facts.readings

    @property
    def spec(self) -> BackboneSpec | None:
        """How the workers opened it."""
        return self.facts.spec

    def read_elsewhere(self, unit: ReadUnit, progress: Progress | None) -> UnitStates | None:
        """Have a unit read; its states where the cache does not hold them.

        Raises:
            HiProbeError, OSError: as reading it here would.
        """
        outcome, joined = self.crew.fetch(unit, progress), None
        if outcome.is_in_shards:
            cache, end = self.crew.place.opened(), outcome.end
            joined = join_shards(unit, backbone=self, cache=cache, end=end)
            if joined is None:
                outcome = self.crew.fetch(unit, progress, whole=True)
        for words in outcome.said:
            warnings.warn(words, stacklevel=2)
        if outcome.error is not None:
            raise outcome.error
        return outcome.states if joined is None else joined

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """Segments are not sent: workers read videos themselves.

        Raises:
            BackboneError: always.
        """
        self._refuse()

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """Words need a backbone of this process.

        Raises:
            BackboneError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BackboneError(
            f"backbone {self.fingerprint.model} is held by workers, which read whole videos only; "
            "leave out --workers and --engine for this"
        )


class ElsewherePrompts(ElsewhereBackbone):
    """The same for a backbone that reads several prompts in one pass."""

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """As `states`.

        Raises:
            BackboneError: always.
        """
        self._refuse()


def crew_of(backbone: Backbone | None) -> Crew | None:
    """The workers that hold a backbone; None where it is in this process."""
    return backbone.crew if isinstance(backbone, ElsewhereBackbone) else None
