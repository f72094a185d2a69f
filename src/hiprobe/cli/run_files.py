"""One run over many files: failures, names on screen, and the record that is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli.console import echo
from hiprobe.cli.result_names import HashOf, ResultNames
from hiprobe.errors import HiProbeError, VideoError
from hiprobe.failures import Failure, failure_of
from hiprobe.names import absolute, hide_credentials, path_text, shown, whole_addresses
from hiprobe.store.content_hash import content_hash
from hiprobe.store.text_files import RESULTS, Owner, read_owners, write_run

if TYPE_CHECKING:
    from hiprobe.pipeline.reading import ReadUnit
    from hiprobe.pipeline.workers_crew import Crew

# What a command returns when some files failed and the others are done.
EXIT_CODE = VideoError.exit_code


@dataclass
class Failures:
    """Collects what went wrong with which file.

    Attributes:
        last_exit_code: of the error that was met last, as if it had ended the command.
    """

    items: list[tuple[Path, str]] = field(default_factory=list)
    last_exit_code: int = EXIT_CODE

    @contextmanager
    def of(self, file: Path) -> Iterator[None]:
        """An error about this file, or one that nobody expected, ends the block, not the run."""
        try:
            yield
        except Exception as error:
            self.add(file, failure_of(file, error).reason)
            self.last_exit_code = _exit_code_of(error)

    def add(self, file: Path, reason: str) -> None:
        """Note a failure."""
        self.items.append((file, reason))

    def to_json(self) -> list[dict[str, str]]:
        """For a JSON document."""
        return [
            {"video": hide_credentials(path_text(file)), "reason": hide_credentials(reason)}
            for file, reason in self.items
        ]

    def report(self) -> None:
        """List the failures on stderr."""
        if self.items:
            files = "1 file" if len(self.items) == 1 else f"{len(self.items)} files"
            echo(f"error: {files} could not be used:", err=True)
        for _, reason in self.items:
            echo(f"  {shown(hide_credentials(reason))}", err=True)

    def finish(self, *, alone: bool = False) -> None:
        """List them and end the command with `EXIT_CODE` where there is one.

        A file that was asked for `alone` ends it with the exit code of its own error.
        """
        self.report()
        if self.items:
            click.get_current_context().exit(self.last_exit_code if alone else EXIT_CODE)


def _exit_code_of(error: Exception) -> int:
    if isinstance(error, OSError):
        return EXIT_CODE
    # An error of Python itself is a fault of ours, which has the general code.
    return error.exit_code if isinstance(error, HiProbeError) else HiProbeError.exit_code


@dataclass
class RunFile:
    """The record of a run over many files, `hiprobe-run.json`; gives out the names of results.

    Attributes:
        results: what was written, in the order of the videos.
        kind: what is written for a video, see `hiprobe.store.text_files`.
        hash_of: content of a video, where a cache knows it.
        say: called with a sentence where a video's results get another name than one expects.
    """

    out: Path
    results: list[dict[str, Any]] = field(default_factory=list)
    kind: str = RESULTS
    hash_of: HashOf = content_hash
    say: Callable[[str], None] | None = None
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        # Names are noted while the run goes on: until it is done, it counts as broken off.
        save = partial(self._write, interrupted=True)
        self.names = ResultNames(self.out, self.kind, save, self.hash_of, self.say)

    def over(
        self,
        files: Sequence[Path],
        one: Callable[[Path, str], object],
        *,
        crew: Crew | None = None,
        reads: Callable[[Path], ReadUnit | None] | None = None,
    ) -> None:
        """Do `one(file, name of its results)` for every file; written also when it breaks off.

        Args:
            crew, reads: the workers that read ahead, and what they read of a file.
        """
        from hiprobe.pipeline.engine import Course, Engine, FileItem

        def do(item: FileItem, _: Course) -> None:
            one(item.video, self.names.claim(item.video))

        def unit_of(item: FileItem) -> ReadUnit | None:
            return None if reads is None else reads(item.video)

        Engine(self, crew=crew).map(do, [FileItem(file) for file in files], reads=unit_of)

    def shown(self, files: Sequence[Path]) -> Mapping[Path, str]:
        """What files are called on screen, so that none is taken for another of this folder."""
        owners = read_owners(self.out) or ()
        return shown_names(files, beside=[Path(owner.video) for owner in owners])

    def add(self, video: Path, *, files: Sequence[Path], events: int | None = None) -> None:
        """Note one finished video; `events` where some were looked for."""
        names = [path_text(path.relative_to(self.out).as_posix()) for path in files]
        found = {} if events is None else {"events": events}
        self.results.append({"video": path_text(video), **found, "files": names})

    def add_failure(self, failure: Failure) -> None:
        """Note a video that could not be used."""
        self.failures.add(failure.video, failure.reason)

    def write(self, *, interrupted: bool) -> None:
        """Write what is known.

        Raises:
            StorageError: the folder cannot be written.
        """
        with self.names.alone():
            self._write(self.names.owners, interrupted=interrupted)

    def _write(self, owners: Sequence[Owner], *, interrupted: bool) -> None:
        write_run(
            self.out,
            interrupted=interrupted,
            results=self.results,
            failures=self.failures.to_json(),
            owners=owners,
        )


def shown_names(files: Sequence[Path], *, beside: Sequence[Path] = ()) -> Mapping[Path, str]:
    """A name for each file; files of the same name get their folders too.

    Args:
        beside: files that are not shown, and are not to be taken for one of those that are.
    """
    paths = {file: absolute(file) for file in files}
    by_name: dict[str, set[Path]] = defaultdict(set)
    for path in (*paths.values(), *beside):
        by_name[path.name].add(path)
    return {file: _shortest(path, by_name[path.name]) for file, path in paths.items()}


def _shortest(path: Path, every: set[Path]) -> str:
    """The last parts of a path, as many as no other path ends with."""
    for count in range(1, len(path.parts)):
        end = path.parts[-count:]
        # The shortest ending that is unique: `monday/cam.mp4` says more than the whole path.
        if sum(other.parts[-count:] == end for other in every) == 1:
            return "/".join(end)
    return whole_addresses(str(path))
