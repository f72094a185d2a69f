"""A crew of workers: hands out units, takes what comes back, and outlives the death of any worker.

What kind of workers they are, processes here or actors of a cluster, is the matter of `Hands`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from hiprobe.errors import BackboneError, VideoError
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline.reading import ReadUnit
from hiprobe.pipeline.shards import split
from hiprobe.pipeline.workers import BackboneFacts, CachePlace, Outcome
from hiprobe.progress import Progress, ProgressEvent
from hiprobe.store.atomic import atomic_path

# How often a unit is tried again whose worker died over it.
RETRIES = 2

# Workers that may die in a row while they open the backbone; more of them once one has managed it,
# since then they are killed by something that passes.
_LOST_STARTS, _LOST_STARTS_LATER = 3, 30

_POLL_SECONDS = 0.05

# Outcomes with arrays that may wait here for each worker: they take memory.
_HELD_FOR_EACH = 4


@dataclass(frozen=True)
class HandEvent:
    """Something that a worker tells, or that is told of it.

    Attributes:
        number: which worker.
        kind: "ready" with its `BackboneFacts`, "cannot" with the error that kept it from opening
            the backbone, "progress" with an event, "done" with an `Outcome`, or "gone" with how it
            ended.
    """

    number: int
    kind: Literal["ready", "cannot", "progress", "done", "gone"]
    value: Any


class Hands(Protocol):
    """The workers themselves; used from one thread."""

    def start(self, number: int) -> None:
        """Start a worker, which opens the backbone and tells that it is ready."""
        ...

    def give(self, number: int, unit: ReadUnit) -> None:
        """Give a worker that is ready its next unit; one that died meanwhile is told as gone."""
        ...

    def events(self, timeout_seconds: float) -> list[HandEvent]:
        """What has happened, waiting for it at most so long."""
        ...

    def stop(self) -> None:
        """End all workers; those at work keep what they have read."""
        ...


@dataclass
class SharedUnit:
    """A unit that several workers read, and how far they are."""

    units: tuple[ReadUnit, ...]
    heard: dict[ReadUnit, ProgressEvent] = field(default_factory=dict)
    outcomes: dict[ReadUnit, Outcome] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def hear(self, unit: ReadUnit, event: ProgressEvent | None) -> ProgressEvent | None:
        """Take how far one of them is; how far all are, as of one video."""
        if event is not None:
            self.heard[unit] = event
        every = list(self.heard.values())
        if not every:
            return None
        done = sum(e.done for e in every)
        totals = [e.total for e in every if e.total is not None]  # of the whole video, each
        return ProgressEvent(
            done=done,
            total=max(done, *totals) if totals else None,
            seconds_of_video=sum(e.seconds_of_video for e in every),
            elapsed_seconds=time.monotonic() - self.began,
            skipped=sum(e.skipped for e in every),
            name=every[0].name,
        )

    def finish(self, unit: ReadUnit, outcome: Outcome) -> Outcome | None:
        """Take the outcome of one of them; that of all, once it is certain."""
        self.outcomes[unit] = outcome
        far = self.hear(unit, outcome.last)
        every = [self.outcomes[u] for u in self.units if u in self.outcomes]
        if len(every) < len(self.units) and outcome.error is None:
            return None
        end = next((o.end for o in every if o.end is not None), None)
        said = dict.fromkeys(words for o in every for words in o.said)
        # An error is left to who reads the video as one then: it is the one that is told there.
        return Outcome(last=far, said=tuple(said), is_in_shards=True, end=end)


class Crew:
    """Workers that read units ahead of whoever asks for them.

    A thread hands out the units, so that the workers are busy while results are written. A unit
    whose worker died is tried twice more, then its error says so. A worker that died has a
    successor. Where fewer units wait than there are workers, long videos are read in shards.

    Args:
        hands: the workers.
        size: how many there are.
        place: where they keep states.
    """

    def __init__(self, hands: Hands, *, size: int, place: CachePlace) -> None:
        self.size, self.place = size, place
        self._hands = hands
        self._changed = threading.Condition()
        self._waiting: OrderedDict[ReadUnit, None] = OrderedDict()
        self._at_work: dict[int, ReadUnit] = {}
        self._idle: list[int] = []
        self._heard: dict[ReadUnit, ProgressEvent] = {}
        self._done: dict[ReadUnit, Outcome] = {}
        self._held = 0
        self._shards: dict[ReadUnit, SharedUnit] = {}
        self._unsplit: set[ReadUnit] = set()
        self._deaths: Counter[ReadUnit] = Counter()
        self._lost_starts = 0
        self._facts: BackboneFacts | None = None
        self._broken: BaseException | None = None
        self._closing = False
        self._wanted: ReadUnit | None = None
        self._thread = threading.Thread(target=self._run, name="hiprobe-crew", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def facts(self) -> BackboneFacts:
        """Facts of the backbone, once the first worker is ready.

        Raises:
            BackboneError, DownloadError: no worker can open it.
        """
        with self._changed:
            while self._facts is None:
                self._refuse_if_broken()
                self._changed.wait(_POLL_SECONDS)
            return self._facts

    def wait_until_ready(self, count: int) -> None:
        """Wait until so many workers have nothing to do; for measurements, before units are asked.

        Raises:
            BackboneError, DownloadError: no worker can open the backbone.
        """
        with self._changed:
            while len(self._idle) < count:
                self._refuse_if_broken()
                self._changed.wait(_POLL_SECONDS)

    def ask(self, units: Iterable[ReadUnit]) -> None:
        """Have units read ahead, in this order; who needs one fetches it."""
        with self._changed:
            self._waiting.update(dict.fromkeys(unit for unit in units if not self._has(unit)))

    def forget(self) -> None:
        """Drop what nobody has fetched, and what is not begun."""
        with self._changed:
            self._waiting.clear()
            self._done.clear()
            self._shards.clear()
            self._unsplit.clear()
            self._held = 0

    def fetch(
        self, unit: ReadUnit, progress: Progress | None = None, *, whole: bool = False
    ) -> Outcome:
        """The outcome of a unit; where it is not begun yet, it is the next one.

        Args:
            progress: hears how far it is, and at the end of all that was read.
            whole: have it read by one worker.

        Raises:
            HiProbeError: the workers cannot go on.
        """
        while True:
            with self._changed:
                self._refuse_if_broken()
                self._wanted = unit
                if whole:
                    self._unsplit.add(unit)
                if not self._has(unit):
                    self._waiting[unit] = None
                outcome = self._done.pop(unit, None)
                self._held -= outcome is not None and outcome.states is not None
                heard = self._heard.pop(unit, None)
                if outcome is None and heard is None:
                    self._changed.wait(_POLL_SECONDS)
            if outcome is not None:
                if progress is not None and outcome.last is not None:
                    progress(outcome.last)
                return outcome
            if progress is not None and heard is not None:
                progress(heard)

    def close(self) -> None:
        """End the workers; nothing can be fetched any more."""
        self._closing = True
        self._thread.join()

    def _has(self, unit: ReadUnit) -> bool:
        begun = unit in self._at_work.values() or unit in self._shards
        return begun or unit in self._waiting or unit in self._done

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _run(self) -> None:
        try:
            for number in range(self.size):
                self._hands.start(number)
            while not self._closing and self._broken is None:
                self._split_long()
                self._hand_out()
                for event in self._hands.events(_POLL_SECONDS):
                    self._take(event)
        except BaseException as error:  # told to whoever waits: nobody watches this thread
            self._break(error)
        finally:
            self._hands.stop()

    def _break(self, error: BaseException) -> None:
        with self._changed:
            self._broken = self._broken or error
            self._changed.notify_all()

    def _split_long(self) -> None:
        """Make shards of long videos where workers would have nothing to do."""
        with self._changed:
            few = 0 < len(self._waiting) < self.size and self.place.folder is not None
            room = self.size // len(self._waiting) if few else 0
            known = {*self._unsplit, *(u for s in self._shards.values() for u in s.units)}
            units = [u for u in self._waiting if u not in known] if room > 1 else []
        for unit in units[:1]:  # it is opened, so one at a time
            shards = split(unit, count=room)
            with self._changed:
                if not shards:
                    self._unsplit.add(unit)
                elif unit in self._waiting:
                    del self._waiting[unit]
                    self._shards[unit] = SharedUnit(shards)
                    self._waiting.update(dict.fromkeys(s for s in shards if not self._has(s)))

    def _hand_out(self) -> None:
        given: list[tuple[int, ReadUnit]] = []
        with self._changed:
            while self._idle and (unit := self._next()) is not None:
                del self._waiting[unit]
                number = self._idle.pop(0)
                self._at_work[number] = unit
                given.append((number, unit))
        for number, unit in given:
            self._hands.give(number, unit)

    def _next(self) -> ReadUnit | None:
        """The unit that is waited for, else the first; none while too many results wait."""
        if self._wanted in self._waiting:
            return self._wanted
        if self._wanted in self._shards:
            for unit in self._shards[self._wanted].units:
                if unit in self._waiting:
                    return unit
        if self._held >= _HELD_FOR_EACH * self.size:
            return None
        return next(iter(self._waiting), None)

    def _take(self, event: HandEvent) -> None:
        with self._changed:
            unit = self._at_work.get(event.number)
            if event.kind == "ready":
                self._welcome(event.number, event.value)
            elif event.kind == "cannot":
                self._broken = event.value
            elif event.kind == "progress" and unit is not None:
                self._hear(unit, event.value)
            elif event.kind == "done" and unit is not None:
                del self._at_work[event.number]
                self._idle.append(event.number)
                self._finish(unit, event.value)
            elif event.kind == "gone":
                self._replace(event.number, event.value)
            self._changed.notify_all()

    def _welcome(self, number: int, facts: BackboneFacts) -> None:
        self._lost_starts = 0
        known = self._facts = self._facts or facts
        if facts.fingerprint.digest != known.fingerprint.digest:
            self._broken = BackboneError(_differs(known.fingerprint, facts.fingerprint))
        self._idle.append(number)

    def _split_of(self, unit: ReadUnit) -> ReadUnit | None:
        """The unit of which this one is a part; None where it stands for itself."""
        return next((whole for whole, s in self._shards.items() if unit in s.units), None)

    def _hear(self, unit: ReadUnit, event: ProgressEvent) -> None:
        whole = self._split_of(unit)
        far = event if whole is None else self._shards[whole].hear(unit, event)
        if far is not None and self._is_asked(unit):
            self._heard[whole or unit] = far

    def _is_asked(self, unit: ReadUnit) -> bool:
        """Whether anybody wants it still: no shard of a unit that was forgotten or has failed."""
        return unit.shard is None or self._split_of(unit) is not None

    def _finish(self, unit: ReadUnit, outcome: Outcome) -> None:
        if self.place.folder is not None:
            for name, content in outcome.files.items():
                with atomic_path(self.place.folder / name) as temporary:
                    temporary.write_bytes(content)
        whole = self._split_of(unit)
        if not self._is_asked(unit):
            return
        if whole is None:
            self._end(unit, replace(outcome, files={}))
        elif (joint := self._shards[whole].finish(unit, replace(outcome, files={}))) is not None:
            self._end(whole, joint)

    def _end(self, unit: ReadUnit, outcome: Outcome) -> None:
        """Have an outcome wait for who fetches it; what is left of its shards is not begun."""
        self._heard.pop(unit, None)
        for shard in self._shards.pop(unit).units if unit in self._shards else ():
            self._waiting.pop(shard, None)
        self._done[unit] = outcome
        self._held += outcome.states is not None

    def _replace(self, number: int, how: str) -> None:
        unit = self._at_work.pop(number, None)
        if number in self._idle:
            self._idle.remove(number)
        elif unit is None:
            self._lost_starts += 1
            if self._lost_starts >= (_LOST_STARTS if self._facts is None else _LOST_STARTS_LATER):
                self._broken = BackboneError(
                    f"workers end while they open the backbone ({how}); there may be too little "
                    "memory for so many: give fewer --workers"
                )
                return
        if unit is not None:
            self._deaths[unit] += 1
        # Nobody waits any more for a shard of a video that was given up.
        if unit is not None and self._is_asked(unit):
            if self._deaths[unit] > RETRIES:
                error = VideoError(
                    f"{unit.video}: the worker that read it ended {self._deaths[unit]} times, "
                    f"the last time so: {how}; the file may crash the decoder or need too much "
                    "memory, leave it out or convert it"
                )
                self._end(self._split_of(unit) or unit, Outcome(error))
            else:
                self._waiting[unit] = None
        self._hands.start(number)


def _differs(one: Fingerprint, other: Fingerprint) -> str:
    return (
        f"two workers opened backbone {one.model} in different ways: {one.difference(other)}; "
        "say which one is meant (--dtype), or give all machines the same weights"
    )
