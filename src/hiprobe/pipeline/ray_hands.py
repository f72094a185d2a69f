"""Workers as actors of a Ray cluster, each with a backbone of its own.

Plain actors, not Ray Data: a unit that kills its worker has to be counted and named, and the others
have to go on. Ray Data retries a whole block and then ends the job, or skips the block in silence.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.errors import BackboneError, EngineError, HiProbeError
from hiprobe.pipeline.reading import ReadUnit
from hiprobe.pipeline.workers import (
    BackboneFacts,
    CachePlace,
    OpenBackbone,
    Outcome,
    UnitReader,
)
from hiprobe.pipeline.workers_crew import HandEvent
from hiprobe.progress import ProgressEvent
from hiprobe.settings import ray_address, silence_ray

# How often a worker is asked how far it is.
_LOOK_SECONDS = 1.0

# How long a cluster may take to answer at its address.
_REACH_SECONDS = 10.0

# How long the cluster may take to give the first actor a place.
_START_SECONDS = 120.0


class UnitActor:
    """What runs in the cluster: a `UnitReader`, and how far it is, asked in a second thread.

    Args:
        folder: the caller's working folder, in which relative paths are meant.
    """

    def __init__(self, number: int, opened: OpenBackbone, place: CachePlace, folder: Path) -> None:
        self._number, self._opened, self._place, self._folder = number, opened, place, folder
        self._reader: UnitReader | None = None
        self._last: ProgressEvent | None = None

    def open(self) -> BackboneFacts | Exception:
        """Open the backbone; its facts, or the error."""
        with suppress(OSError):  # another machine, without that folder
            os.chdir(self._folder)
        try:
            self._reader = UnitReader(self._opened(self._number), self._place)
            return BackboneFacts.of(self._reader.backbone)
        except HiProbeError as error:
            return error
        except (Exception, SystemExit) as error:
            told = f"a worker cannot open the backbone: {type(error).__name__}: {error}"
            return BackboneError(f"{told}; try without --engine ray")

    def read(self, unit: ReadUnit) -> Outcome:
        """As `UnitReader.read`."""
        assert self._reader is not None
        self._last = None
        return self._reader.read(unit, self._hear)

    def far(self) -> ProgressEvent | None:
        """How far the unit at work is."""
        return self._last

    def _hear(self, event: ProgressEvent) -> None:
        self._last = event


@dataclass(frozen=True)
class _Call:
    """What an answer of the cluster belongs to."""

    number: int
    kind: str
    actor: Any


class RayHands:
    """Ray actors, as `Hands`.

    Args:
        opened: opens the backbone in each.
        place: where states are kept.
        address: of the cluster; None for the one that `RAY_ADDRESS` names, else Ray is started
            here.
        size: how many actors there will be; where there are fewer processors, each gets a fraction;
            None for one on each GPU, or each processor where there is none.

    Attributes:
        size: how many there will be.

    Raises:
        EngineError: Ray is not installed, there is no such cluster, or it has another version.
    """

    def __init__(
        self,
        opened: OpenBackbone,
        place: CachePlace,
        *,
        address: str | None = None,
        size: int | None = None,
    ) -> None:
        self._ray = _connected(address)
        has = self._ray.cluster_resources()
        gpus, processors = float(has.get("GPU", 0)), float(has.get("CPU", 1))
        self.size = size = size or max(1, int(gpus or processors))
        # A whole processor for more actors than there are would leave some without a place.
        share = {"num_cpus": min(1.0, max(0.01, processors / size * 0.9))}
        if gpus:
            share["num_gpus"] = min(1.0, gpus / size)
        self._actor = self._ray.remote(UnitActor).options(
            **share, max_concurrency=2, max_restarts=0, max_task_retries=0
        )
        self._made = (opened, place, Path.cwd())
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, _Call] = {}
        self._busy: set[int] = set()
        self._looked, self._began = time.monotonic(), time.monotonic()
        self._answered = False

    def start(self, number: int) -> None:
        """As `Hands.start`."""
        actor = self._actors[number] = self._actor.remote(number, *self._made)
        self._calls[actor.open.remote()] = _Call(number, "open", actor)

    def give(self, number: int, unit: ReadUnit) -> None:
        """As `Hands.give`."""
        actor = self._actors[number]
        self._busy.add(number)
        self._calls[actor.read.remote(unit)] = _Call(number, "read", actor)

    def events(self, timeout_seconds: float) -> list[HandEvent]:
        """As `Hands.events`.

        Raises:
            EngineError: the cluster gives no actor a place.
        """
        self._look()
        if not self._calls:
            time.sleep(timeout_seconds)
            return []
        waiting = list(self._calls)
        ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=timeout_seconds)
        if not ready and not self._answered and time.monotonic() - self._began > _START_SECONDS:
            raise EngineError(
                f"the Ray cluster has given no worker a place within {_START_SECONDS:.0f} s; its "
                f"resources are {self._ray.cluster_resources()}: free some, or give fewer --workers"
            )
        self._answered |= bool(ready)
        return [event for ref in ready if (event := self._taken(ref)) is not None]

    def stop(self) -> None:
        """As `Hands.stop`: what an actor has read up to its last checkpoint is kept."""
        for actor in self._actors.values():
            with suppress(Exception):  # the cluster may be gone already
                self._ray.kill(actor)
        self._actors.clear()
        self._calls.clear()

    def _look(self) -> None:
        """Ask the busy actors how far they are, once in a while."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        asked = {call.number for call in self._calls.values() if call.kind == "far"}
        for number in self._busy - asked:
            actor = self._actors[number]
            self._calls[actor.far.remote()] = _Call(number, "far", actor)

    def _taken(self, ref: Any) -> HandEvent | None:
        call = self._calls.pop(ref)
        if self._actors.get(call.number) is not call.actor:  # of one that has a successor
            return None
        try:
            value = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            if call.kind == "far":
                return None
            self._busy.discard(call.number)
            del self._actors[call.number]
            return HandEvent(call.number, "gone", _in_short(error))
        if call.kind == "far":
            is_news = value is not None and call.number in self._busy
            return HandEvent(call.number, "progress", value) if is_news else None
        if call.kind == "read":
            self._busy.discard(call.number)
            return HandEvent(call.number, "done", value)
        return HandEvent(call.number, "cannot" if isinstance(value, Exception) else "ready", value)


def _connected(address: str | None) -> Any:
    """Ray, connected to a cluster.

    Raises:
        EngineError: it is not installed, there is no such cluster, or it has another version.
    """
    silence_ray()
    try:
        import ray
    except ImportError as error:
        raise EngineError(
            "--engine ray needs Ray, which is not installed: pip install 'hiprobe[ray]'"
        ) from error
    if ray.is_initialized():
        return ray
    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = address or ray_address()
    if address is not None:
        _refuse_unreachable(address)
    try:
        # Without "local" Ray goes after the last cluster of this machine, also one that has ended.
        ray.init(address=address or "local", **quietly)
    except Exception as error:  # of many kinds: no connection, another version, a wrong address
        where = "Ray cannot be started here" if address is None else f"no Ray cluster at {address}"
        raise EngineError(
            f"{where} ({_in_short(error)}); check the address, and that Ray and Python have the "
            "same versions there as here"
        ) from error
    return ray


def _refuse_unreachable(address: str) -> None:
    """Ray itself tries for minutes, and then ends the process."""
    found = re.fullmatch(r"(?:ray://)?\[?([^\[\]/]+)\]?:(\d{1,5})", address)
    if found is None:  # auto, local, or something that Ray will judge
        return
    try:
        with socket.create_connection((found[1], int(found[2])), timeout=_REACH_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"no Ray cluster at {address} ({error}); check the address, and that the cluster runs"
        ) from error


def _in_short(error: Exception) -> str:
    """The kind of an error and the last line of its text, which tells the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:300]}" if lines else type(error).__name__
