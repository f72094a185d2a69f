"""The loop over the files of a run: failures, progress and the record of it in one place.

Where the videos are read is one choice of three: in this process, by worker processes, or by
actors of a Ray cluster. The last two read ahead as a `Crew`; the loop itself is the same, so that
failures, names, progress and results do not depend on where a video was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from hiprobe.errors import StorageError
from hiprobe.failures import Failure, failure_of
from hiprobe.progress import Clock, Progress, ProgressEvent

if TYPE_CHECKING:
    from hiprobe.pipeline.reading import ReadUnit
    from hiprobe.pipeline.workers_crew import Crew


class WorkItem(Protocol):
    """One piece of a run."""

    @property
    def video(self) -> Path:
        """The file that is read; it is named where the piece fails."""
        ...

    @property
    def name(self) -> str:
        """What it is called while the run is at it."""
        ...


Item = TypeVar("Item", bound=WorkItem)
Result = TypeVar("Result")


@dataclass(frozen=True)
class FileItem:
    """A file as a piece of a run, where nothing else is known of it."""

    video: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.video.name


class RunRecord(Protocol):
    """What is left of a run: which files failed, and whether it came to its end."""

    def add_failure(self, failure: Failure) -> None:
        """Note a file that could not be used."""
        ...

    def write(self, *, interrupted: bool) -> None:
        """Write what is known; called once, when the run ends or breaks off."""
        ...


@dataclass
class FailuresOnly:
    """The record of a run that leaves nothing on disk but what its pieces write."""

    failures: list[Failure] = field(default_factory=list)

    def add_failure(self, failure: Failure) -> None:
        """Note a file that could not be used."""
        self.failures.append(failure)

    def write(self, *, interrupted: bool) -> None:
        """Write nothing."""


@dataclass
class Course:
    """How far the piece at work is; passed on as its progress, so that a long one does not look
    like a standstill.

    Attributes:
        clock: of the whole run.
        done: pieces finished before this one.
        seconds_before: seconds of video in them.
        seconds: seconds of video in this piece; its worker sets it at the end.
        was_known: nothing had to be read for it; its worker sets it at the end.
        has_begun: some of it was read now.
    """

    clock: Clock
    done: int
    seconds_before: float
    seconds: float = 0.0
    was_known: bool = False
    has_begun: bool = False

    @property
    def listener(self) -> Progress | None:
        """Itself as the progress of the piece; None where nobody listens, which spares counting."""
        return self if self.clock.progress else None

    def __call__(self, event: ProgressEvent) -> None:
        """Take the progress within the piece."""
        self.has_begun = True
        self.clock.tell(self.done, seconds_of_video=self.seconds_before + event.seconds_of_video)


@dataclass(frozen=True)
class Engine:
    """Does the pieces of a run one after the other; workers may have read their videos before.

    A piece that fails is noted and the others are done; `failure_of` decides what belongs to one
    file and what ends the run. Resuming is the pieces' own matter: states are found in the cache,
    and names in the record.

    Attributes:
        record: takes the failures, and is written at the end, however the run ends.
        progress: called while a piece is at work and after each; None where a piece shows its own.
        crew: reads videos ahead of their turn; None where each is read here when it is its turn.
    """

    record: RunRecord
    progress: Progress | None = None
    crew: Crew | None = None

    def map(
        self,
        do: Callable[[Item, Course], Result],
        items: Sequence[Item],
        *,
        reads: Callable[[Item], ReadUnit | None] | None = None,
    ) -> list[Result]:
        """Results of the pieces that succeeded, in order.

        Args:
            do: the work on one piece; it may set `seconds` and `was_known` of its course.
            reads: what a piece will read, for the crew; None where it reads no video.

        Raises:
            HiProbeError, OSError: what ends the whole run; the record is written before.
        """
        clock, seconds = Clock(self.progress, len(items)), 0.0
        results: list[Result] = []
        try:
            if self.crew is not None and reads is not None:
                self.crew.ask(unit for item in items if (unit := reads(item)) is not None)
            for number, item in enumerate(items):
                clock.name = item.name
                course = Course(clock, number, seconds)
                try:
                    results.append(do(item, course))
                except Exception as error:
                    self.record.add_failure(failure_of(item.video, error))
                seconds += course.seconds
                clock.skipped += course.was_known
                clock.tell(number + 1, seconds_of_video=seconds)
        except BaseException:
            # What broke the run off is told, not that a full disk cannot take the record either.
            with suppress(StorageError):
                self.record.write(interrupted=True)
            raise
        finally:
            if self.crew is not None:
                self.crew.forget()
        self.record.write(interrupted=False)
        return results
