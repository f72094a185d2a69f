"""`hiprobe-run.json`: what one run over many files did, for scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.cli.failures import Failures
from hiprobe.cli.inputs import result_names
from hiprobe.errors import StorageError
from hiprobe.path_text import path_text

RUN_FORMAT = "hiprobe-run"
RUN_VERSION = 1
RUN_NAME = "hiprobe-run.json"


@dataclass
class RunFile:
    """Collects the results of a run."""

    out: Path
    results: list[dict[str, Any]] = field(default_factory=list)

    def add(self, video: Path, *, files: Sequence[Path], events: int | None = None) -> None:
        """Note one finished video; `events` where some were looked for."""
        names = [path_text(path.relative_to(self.out).as_posix()) for path in files]
        found = {} if events is None else {"events": events}
        self.results.append({"video": path_text(video), **found, "files": names})

    def over(
        self, files: Sequence[Path], one: Callable[[Path, str], object], failures: Failures
    ) -> None:
        """Do `one(file, name of its results)` for every file; written also when it breaks off."""
        try:
            for file, name in zip(files, result_names(files), strict=True):
                with failures.of(file):
                    one(file, name)
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
        from hiprobe.report.documents import write_json

        document = {
            "format": RUN_FORMAT,
            "version": RUN_VERSION,
            "interrupted": interrupted,
            "results": self.results,
            "failures": failures.to_json(),
        }
        write_json(document, self.out / RUN_NAME)
