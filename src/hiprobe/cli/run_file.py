"""`hiprobe-run.json`: what one run over many files did, for scripts; and whose its names are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.cli.failures import Failures
from hiprobe.cli.result_names import HashOf, ResultNames
from hiprobe.cli.shown_names import shown_names
from hiprobe.errors import StorageError
from hiprobe.path_text import path_text
from hiprobe.store.content_hash import content_hash
from hiprobe.store.run_record import RESULTS, RUN_NAME, Owner, read_owners, write_run

__all__ = ["RUN_NAME", "RunFile"]


@dataclass
class RunFile:
    """Collects the results of a run, and gives out their names.

    Attributes:
        kind: what is written for a video, see `hiprobe.store.run_record`.
        hash_of: content of a video, where a cache knows it.
        say: told where a video's results get another name than one expects.
    """

    out: Path
    results: list[dict[str, Any]] = field(default_factory=list)
    kind: str = RESULTS
    hash_of: HashOf = content_hash
    say: Callable[[str], None] | None = None
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self.names = ResultNames(self.out, self.kind, self._save, self.hash_of, self.say)

    def shown(self, files: Sequence[Path]) -> Mapping[Path, str]:
        """What files are called on screen, so that none is taken for another of this folder."""
        owners = read_owners(self.out) or ()
        return shown_names(files, beside=[Path(owner.video) for owner in owners])

    def add(self, video: Path, *, files: Sequence[Path], events: int | None = None) -> None:
        """Note one finished video; `events` where some were looked for."""
        names = [path_text(path.relative_to(self.out).as_posix()) for path in files]
        found = {} if events is None else {"events": events}
        self.results.append({"video": path_text(video), **found, "files": names})

    def over(
        self, files: Sequence[Path], one: Callable[[Path, str], object], failures: Failures
    ) -> None:
        """Do `one(file, name of its results)` for every file; written also when it breaks off."""
        self.failures = failures
        try:
            for file in files:
                with failures.of(file):
                    one(file, self.names.claim(file))
        except BaseException:
            with suppress(StorageError):  # a full disk is told by what broke the run off
                self.write(failures, interrupted=True)
            raise
        self.write(failures, interrupted=False)

    def write(self, failures: Failures, *, interrupted: bool) -> None:
        """Write what is known.

        Raises:
            StorageError: the folder cannot be written.
        """
        self.failures = failures
        with self.names.alone():
            self._write(self.names.owners, interrupted=interrupted)

    def _save(self, owners: Sequence[Owner]) -> None:
        """Note names while the run goes on: until it is done, it counts as broken off."""
        self._write(owners, interrupted=True)

    def _write(self, owners: Sequence[Owner], *, interrupted: bool) -> None:
        write_run(
            self.out,
            interrupted=interrupted,
            results=self.results,
            failures=self.failures.to_json(),
            owners=owners,
        )
