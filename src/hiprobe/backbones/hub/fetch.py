"""Fetch a model from the hub: whole, checked, resumed after an interruption.

Files are collected in a folder beside the target, which is renamed when all of them are there and
have the hashes that the hub states. A file that was cut off goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hiprobe.backbones.hub.client import alone, client_errors, get_file, list_repository
from hiprobe.backbones.hub.counted import Counted
from hiprobe.backbones.hub.listing import small_files, weights
from hiprobe.backbones.hub.places import by_hand, own_folder
from hiprobe.backbones.hub.record import (
    Record,
    RemoteFile,
    has_size,
    is_whole,
    read_record,
    write_record,
)
from hiprobe.errors import DownloadError, StorageError
from hiprobe.settings import offline

DownloadProgress = Callable[[int, int], None]
"""Takes the bytes that are there and those there will be."""
_SPARE_BYTES = 200_000_000
_ASIDE = "replaced"


def fetch_model(
    hub: str,
    *,
    revision: str | None = None,
    say: Callable[[str], None] | None = None,
    progress: DownloadProgress | None = None,
) -> Path:
    """Fetch a model into HiProbe's folder, or check what lies there and mend it; the folder.

    Only safetensors, config, tokenizer and licence are fetched, no code and no pickled weights.
    The hub's address, cache and login are those of the hub's own client (HF_ENDPOINT, HF_HOME,
    `hf auth login`).

    Args:
        hub: `owner/name`.
        revision: branch, tag or commit; the main branch where None. The commit is recorded.
        say: takes lines about the course.
        progress: takes the bytes done and in all.

    Raises:
        DownloadError: no network, no such model, or a file has another hash than stated.
        StorageError: the disk is full or not writable.
    """
    tell = say or _silent
    target = own_folder(hub)
    known = read_record(target)
    if known is not None and revision in (None, known.revision):
        tell(f"checking {target}, {_gigabytes(known.files)}")
        bad = [f for f in known.files if not is_whole(target / f.name, f)]
        if not bad:
            return target
        tell(f"damaged or missing: {', '.join(f.name for f in bad)}; fetching them again")
        revision = known.revision
    _need_network(hub, target)
    with client_errors(hub, target), alone(_lock(target), hub=hub):
        _put_back(target)
        found = list_repository(hub, revision=revision)
        return _Fetch(found, target, tell, progress).run()


def _work_folder(target: Path) -> Path:
    """Where what belongs to unfinished downloads of this model is kept."""
    return target.parent / ".partial" / target.name


def _lock(target: Path) -> Path:
    return target.parent / ".partial" / f"{target.name}.lock"  # names have dots: no suffixes


def _put_back(target: Path) -> None:
    """What a killed run had moved aside to make place."""
    aside = _work_folder(target) / _ASIDE
    if aside.exists() and not target.exists():
        aside.replace(target)


@dataclass
class _Fetch:
    """One run: what the repository has, where it goes."""

    found: Record
    target: Path
    say: Callable[[str], None]
    progress: DownloadProgress | None
    done: int = 0
    total: int = 0
    staging: Path = field(init=False)

    def run(self) -> Path:
        """Fetch, check and put in place."""
        self.staging = _work_folder(self.target) / self.found.revision[:12]
        self.staging.mkdir(parents=True, exist_ok=True)
        self._take_over()
        hub, files = self.found.hub, self.found.files
        small = small_files(files, hub=hub)
        for file in small:
            self._one(file)
        large = weights(files, self.staging, hub=hub)
        self._announce(large)
        for file in large:
            self._one(file)
        record = Record(hub, self.found.revision, self.found.endpoint, (*small, *large))
        write_record(self.staging, record)
        self._put_in_place()
        return self.target

    def _take_over(self) -> None:
        """Whole files of an older or damaged folder need not be fetched again."""
        old = read_record(self.target)
        for file in old.files if old else ():
            wanted = next((f for f in self.found.files if f == file), None)
            source, place = self.target / file.name, self.staging / file.name
            if wanted and not place.exists() and is_whole(source, wanted):
                _link(source, place)

    def _announce(self, large: tuple[RemoteFile, ...]) -> None:
        self.done, self.total = 0, sum(f.size for f in large)
        missing = sum(f.size - self._have(f) for f in large)
        free = shutil.disk_usage(self.staging).free
        if free < missing + _SPARE_BYTES:
            raise StorageError(
                f"{self.staging.parent} has {free / 1e9:.1f} GB free, {self.found.hub} needs "
                f"{(missing + _SPARE_BYTES) / 1e9:.1f} GB more; free some space or choose another "
                "folder with HIPROBE_CACHE"
            )
        resumed = "" if missing == self.total else f", {missing / 1e9:.2f} GB still to come"
        self.say(
            f"fetching {self.found.hub} at {self.found.revision[:12]} from {self.found.endpoint}: "
            f"{len(large)} files of weights, {self.total / 1e9:.2f} GB{resumed}"
        )

    def _have(self, file: RemoteFile) -> int:
        for path in (self.staging / file.name, self._part(file)):
            if path.exists():
                return min(path.stat().st_size, file.size)
        return 0

    def _part(self, file: RemoteFile) -> Path:
        return self.staging / f"{file.name}.part"

    def _one(self, file: RemoteFile) -> None:
        place, part = self.staging / file.name, self._part(file)
        if has_size(place, file.size):  # checked when it was put there
            self._count(file.size)
            return
        if file.sha256 is None or (part.exists() and part.stat().st_size > file.size):
            part.unlink(
                missing_ok=True
            )  # small files may be sent compressed: always from the start
        have = part.stat().st_size if part.exists() else 0
        self._count(have)
        with part.open("ab") as stream:
            counted = Counted(stream, self._count)
            get_file(self.found, file, counted, have=have)
        if not is_whole(part, file):
            part.unlink()
            raise DownloadError(
                f"{file.name} of {self.found.hub} has another hash than the hub states: it was "
                "altered or damaged on its way and is not kept; run the same command again, and "
                "check the proxy or mirror (HF_ENDPOINT) where it stays so"
            )
        part.replace(place)

    def _count(self, size: int) -> None:
        self.done += size
        if self.progress and self.total:
            self.progress(min(self.done, self.total), self.total)

    def _put_in_place(self) -> None:
        work = _work_folder(self.target)
        if self.target.exists():
            shutil.rmtree(work / _ASIDE, ignore_errors=True)
            self.target.replace(work / _ASIDE)
        self.staging.replace(self.target)
        shutil.rmtree(work, ignore_errors=True)  # with what is left of other revisions


def _need_network(hub: str, target: Path) -> None:
    if offline():
        raise DownloadError(
            "the network is switched off (HIPROBE_OFFLINE, HF_HUB_OFFLINE or "
            f"TRANSFORMERS_OFFLINE); {by_hand(hub, target)}"
        )


def _gigabytes(files: tuple[RemoteFile, ...]) -> str:
    return f"{sum(f.size for f in files) / 1e9:.2f} GB"


def _link(source: Path, place: Path) -> None:
    """A second name of the same file where the disk can, else a copy: the source stays whole."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def _silent(_: str) -> None:
    return None
