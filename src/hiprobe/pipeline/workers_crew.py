"""A crew of workers: hands out units, takes what comes back, and outlives the death of any worker.

What kind of workers they are, processes here or actors of a cluster, is the matter of `Hands`.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from hiprobe.errors import BackboneError, VideoError
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline.reading import ReadUnit
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


class Crew:
    """Workers that read units ahead of whoever asks for them.

    A thread hands out the units, so that the workers are busy while results are written. A unit
    whose worker died is tried twice more, then its error says so. A worker that died has a
    successor.

    Args:
        hands: the workers.
        size: how many there are.
        place: where they keep states.
    """

    def __init__(self, hands: Hands, *, size: int, place: CachePlace) -> None:
        self.size = size
        self._hands, self._place = hands, place
        self._changed = threading.Condition()
        self._waiting: OrderedDict[ReadUnit, None] = OrderedDict()
        self._at_work: dict[int, ReadUnit] = {}
        self._idle: list[int] = []
        self._heard: dict[ReadUnit, ProgressEvent] = {}
        self._done: dict[ReadUnit, Outcome] = {}
        self._held = 0
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
            self._held = 0

    def fetch(self, unit: ReadUnit, progress: Progress | None = None) -> Outcome:
        """The outcome of a unit; where it is not begun yet, it is the next one.

        Args:
            progress: hears how far it is, and at the end of all that was read.

        Raises:
            HiProbeError: the workers cannot go on.
        """
        while True:
            with self._changed:
                self._refuse_if_broken()
                self._wanted = unit
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
        return unit in self._waiting or unit in self._done or unit in self._at_work.values()

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _run(self) -> None:
        try:
            for number in range(self.size):
                self._hands.start(number)
            while not self._closing and self._broken is None:
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
                self._heard[unit] = event.value
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

    def _finish(self, unit: ReadUnit, outcome: Outcome) -> None:
        self._heard.pop(unit, None)
        if self._place.folder is not None:
            for name, content in outcome.files.items():
                with atomic_path(self._place.folder / name) as temporary:
                    temporary.write_bytes(content)
        self._done[unit] = replace(outcome, files={})
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
            if self._deaths[unit] > RETRIES:
                self._done[unit] = Outcome(
                    VideoError(
                        f"{unit.video}: the worker that read it ended {self._deaths[unit]} times, "
                        f"the last time so: {how}; the file may crash the decoder or need too much "
                        "memory, leave it out or convert it"
                    )
                )
            else:
                self._waiting[unit] = None
        self._hands.start(number)


def _differs(one: Fingerprint, other: Fingerprint) -> str:
    return (
        f"two workers opened backbone {one.model} in different ways: {one.difference(other)}; "
        "say which one is meant (--dtype), or give all machines the same weights"
    )
