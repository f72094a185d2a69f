"""Every version of a probe, kept in its folder; any of them can be brought back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import read_json
from hiprobe.errors import ProbeFolderError
from hiprobe.failures import storage_error
from hiprobe.probe import Probe
from hiprobe.probe.camera_file import CALIBRATION_NAME, carry_cameras
from hiprobe.review.values import ProbeVersion, UnknownIdError
from hiprobe.store.atomic import alone_in_new, atomic_path
from hiprobe.store.text_files import write_text

VERSIONS_NAME = "versions"
NOTE_NAME = "version.json"
_JSON_NAME = "probe.json"
_TOLD = ("made_at_utc", "reason", "cv_auc", "threshold", "label_count")

Notes = dict[str, Any]


@dataclass(frozen=True)
class ProbeVersions:
    """The versions of a probe folder, `versions/0001` and so on; the last one is in use.

    Each is a probe folder of its own. A version that was refitted in a review also names the one it
    is based on, which holds the clips that do not come from the review, with all their layers.
    The files of the version in use also lie in the folder itself, where `detect` looks for them.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> ProbeVersions:
        """The versions of a folder; the probe in it becomes one if it is not one yet.

        A folder that a crash left half written gets the files of the last version again.

        Raises:
            ProbeFolderError: the folder holds no probe.
            StorageError: it cannot be written.
        """
        found = cls(folder)
        with found._alone():
            numbers = found._numbers()
            if numbers:
                try:
                    Probe.load(folder)
                except ProbeFolderError:
                    found._take(numbers[-1])
            # `fit --add` and `calibrate` know nothing of versions, and may have written here since.
            if not numbers or found._json() != found._json(numbers[-1]):
                probe = Probe.load(folder)
                reason = "changed outside the review" if numbers else "fitted"
                found._keep(probe, reason, reviewer="", label_count=0, base=None)
        return found

    def all(self) -> tuple[ProbeVersion, ...]:
        """All versions, the first one first."""
        numbers = self._numbers()
        return tuple(self._version(n, current=n == numbers[-1]) for n in numbers)

    @property
    def current(self) -> ProbeVersion:
        """The version in use."""
        return self._version(self._numbers()[-1], current=True)

    def probe(self, number: int | None = None) -> Probe:
        """The probe of a version; of the one in use where None.

        Raises:
            UnknownIdError: there is no such version.
        """
        return Probe.load(self._folder_of(self._numbers()[-1] if number is None else number))

    def base(self) -> Probe:
        """The probe that refits start from: none of its clips comes from the review."""
        return self.probe(int(self._note(self._numbers()[-1])["base"]))

    def keep(
        self,
        probe: Probe,
        reason: str,
        *,
        reviewer: str,
        label_count: int,
        after: int,
        scores_alike: bool = False,
    ) -> ProbeVersion:
        """Make a probe the version in use.

        Args:
            reason: why it was made, as people read it in the list of versions.
            label_count: how many of its clips are labels of the review.
            after: number of the version that it was made from.
            scores_alike: it differs from that one in its threshold alone, so that calibrations of
                cameras still hold.

        Raises:
            ProbeFolderError: another version is in use by now.
            StorageError: it cannot be written; the version before stays in use.
        """
        with self._alone():
            last = self._numbers()[-1]
            # A refit takes a while, and two people may wait for one: the second would silently undo
            # what the first has accepted.
            if last != after:
                raise ProbeFolderError(
                    f"{self.folder} has version {last} by now, but this was made from version "
                    f"{after}: look at the new version, then do the same again"
                )
            self._keep_cameras(last)
            base = int(self._note(last)["base"])
            number = self._keep(
                probe, reason, reviewer=reviewer, label_count=label_count, base=base
            )
            if scores_alike:
                carry_cameras(self._folder_of(last), self._folder_of(number))
            self._take(number)
        return self._version(number, current=True)

    def restore(self, number: int, reviewer: str) -> ProbeVersion:
        """Bring a version back, as a new one; none is ever lost.

        Raises:
            UnknownIdError: there is no such version.
            StorageError: it cannot be written.
        """
        with self._alone():
            note = self._note(number)
            self._keep_cameras(self._numbers()[-1])
            made = self._numbers()[-1] + 1
            # A version that is its own base stays so as a copy: refits then start from the copy.
            base = made if int(note["base"]) == number else int(note["base"])
            note |= {"reason": f"version {number} brought back", "reviewer": reviewer, "base": base}
            with self._new(made) as folder:
                _copy(self._folder_of(number), folder)
                _write_note(folder, note)
            self._take(made)
        return self._version(made, current=True)

    def _keep(
        self, probe: Probe, reason: str, *, reviewer: str, label_count: int, base: int | None
    ) -> int:
        number = (self._numbers() or [0])[-1] + 1
        note = {
            "reason": reason,
            "reviewer": reviewer,
            "label_count": label_count,
            "base": number if base is None else base,
            "cv_auc": probe.cv_auc_,
            "threshold": probe.threshold_,
        }
        with self._new(number) as folder:
            if base is None:
                _copy(self.folder, folder)
            else:
                probe.save(folder)
            _write_note(folder, note)
        return number

    @contextmanager
    def _new(self, number: int) -> Iterator[Path]:
        """A folder that gets its name when all is in it."""
        # Its name is no number, so what a crash leaves here is never taken for a version.
        parts = self.folder / VERSIONS_NAME / ".new"
        try:
            shutil.rmtree(parts, ignore_errors=True)
            parts.mkdir(parents=True)
            yield parts
            parts.rename(self._folder_of(number, there=False))
        except OSError as error:
            raise storage_error(parts, error) from error
        finally:
            shutil.rmtree(parts, ignore_errors=True)

    def _keep_cameras(self, number: int) -> None:
        """Copy calibrations into the version in use, so that they come back with it.

        `hiprobe calibrate` writes them beside the probe, and not into the version.
        """
        if (self.folder / CALIBRATION_NAME).is_file():
            with atomic_path(self._folder_of(number) / CALIBRATION_NAME) as temporary:
                shutil.copyfile(self.folder / CALIBRATION_NAME, temporary)

    def _take(self, number: int) -> None:
        """Make a version the one in use: copy its files into the probe folder itself."""
        # probe.json last. It holds the hash of what it goes with, so after a crash in between the
        # folder is seen to be half written, and `open` copies again.
        source = self._folder_of(number)
        names = {path.name for path in source.iterdir()} - {NOTE_NAME, _JSON_NAME}
        for name in [*sorted(names), _JSON_NAME]:
            with atomic_path(self.folder / name) as temporary:
                shutil.copyfile(source / name, temporary)
        # A version need not have these; those of the version before would be taken for its own.
        for name in ("reading.json", "examples.safetensors", CALIBRATION_NAME):
            if name not in names:
                (self.folder / name).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        with suppress(FileNotFoundError):
            names = [path.name for path in (self.folder / VERSIONS_NAME).iterdir()]
            return sorted(int(name) for name in names if name.isascii() and name.isdigit())
        return []

    def _folder_of(self, number: int, *, there: bool = True) -> Path:
        if there and number not in self._numbers():
            raise UnknownIdError(f"{self.folder} has no version {number}; list the versions again")
        return self.folder / VERSIONS_NAME / f"{number:04d}"

    def _json(self, number: int | None = None) -> bytes:
        folder = self.folder if number is None else self._folder_of(number)
        return (folder / _JSON_NAME).read_bytes()

    def _note(self, number: int) -> Notes:
        path = self._folder_of(number) / NOTE_NAME
        try:
            note: Notes = read_json(path, names=True)
            return {name: note[name] for name in (*_TOLD, "reviewer", "base")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProbeFolderError(
                f"{path} is damaged: {error}; remove this version's folder"
            ) from error

    def _version(self, number: int, *, current: bool) -> ProbeVersion:
        note = self._note(number)
        told = {name: note[name] for name in _TOLD}
        return ProbeVersion(number=number, current=current, **told)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.folder.is_dir():
            raise ProbeFolderError(
                f"{self.folder} is not a folder; give one that `hiprobe fit` wrote"
            )
        with alone_in_new(self.folder / VERSIONS_NAME):
            yield


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a probe folder; a hard link would share later damage."""
    for path in source.iterdir():
        if path.is_file() and path.name != NOTE_NAME and not path.name.startswith("."):
            with atomic_path(target / path.name) as temporary:
                shutil.copyfile(path, temporary)


def _write_note(folder: Path, note: Notes) -> None:
    made = datetime.now(UTC).isoformat()
    text = json.dumps({**note, "made_at_utc": made}, indent=1, allow_nan=False)
    write_text(folder / NOTE_NAME, text + "\n")
