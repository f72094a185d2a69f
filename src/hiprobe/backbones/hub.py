"""Models of a hub: which files are needed, and fetching them whole."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hiprobe.backbones.model_folders import (
    Record,
    RemoteFile,
    by_hand,
    has_size,
    is_whole,
    own_folder,
    read_record,
    write_record,
)
from hiprobe.documents.checked import read_json
from hiprobe.documents.schemas import WeightIndex
from hiprobe.errors import DownloadError, HiProbeError, StorageError
from hiprobe.failures import FULL, storage_error
from hiprobe.names import hide_credentials
from hiprobe.settings import offline


# The client's own bar goes to a screen that is ours, and it has no hook for progress: what it
# writes is counted on its way into the file.
class Counted:
    """A file that tells how much is written to it; the rest it leaves to the file."""

    def __init__(self, stream: IO[bytes], count: Callable[[int], None]) -> None:
        self._stream, self._count = stream, count

    def write(self, data: bytes) -> int:
        """Write and tell."""
        self._count(len(data))
        return self._stream.write(data)

    def truncate(self, size: int | None = None) -> int:
        """The server began anew: what was there counts no longer."""
        place = self._stream.tell()
        before = self._stream.seek(0, 2)
        self._stream.seek(place)
        kept = self._stream.truncate(size)
        self._count(kept - before)
        return kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


# Errors of the disk: to try again when the network is back would not help.
_DISK = (*FULL, errno.EACCES, errno.EROFS)


def list_repository(hub: str, *, revision: str | None) -> Record:
    """All files of a repository at a revision, with what the hub states about them."""
    from huggingface_hub import HfApi, constants

    with _quiet():
        info = HfApi().model_info(hub, revision=revision, files_metadata=True)
    # Sizes and hashes as the hub states them at this commit: a branch may move while files come in.
    files = tuple(_remote_file(sibling) for sibling in info.siblings or ())
    return Record(hub, str(info.sha), without_secrets(constants.ENDPOINT), files)


def _remote_file(sibling: Any) -> RemoteFile:
    if sibling.size is None:
        raise DownloadError(f"the hub states no size of {sibling.rfilename}; is it a mirror?")
    if sibling.lfs is not None:
        return RemoteFile(sibling.rfilename, sibling.size, sha256=sibling.lfs.sha256)
    return RemoteFile(sibling.rfilename, sibling.size, git_sha1=sibling.blob_id)


def get_file(found: Record, file: RemoteFile, stream: Any, *, have: int) -> None:
    """Append the bytes from `have` on to an open file; breaks of the connection are mended."""
    # The public `hf_hub_download` (looked at in 2.4) writes to a file of a random name and deletes
    # it on failure, so that a file of 20 GB that breaks off at 19 begins anew. `http_get`, which is
    # not documented, takes the size that is there; tests/backbones/hub hold it to that.
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    with _quiet():
        http_get(
            hf_hub_url(found.hub, file.name, revision=found.revision),
            stream,
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.name,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no notes of the client on a screen that is ours."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    level = logging.get_verbosity()
    # Where the environment decides, the client warns when it is told otherwise.
    ours = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not are_progress_bars_disabled()
    logging.set_verbosity_error()
    if ours:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if ours:
            enable_progress_bars()


@contextmanager
def alone(lock: Path, *, hub: str) -> Iterator[None]:
    """Only one process at a time fetches a model.

    Raises:
        DownloadError: another one does.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    # The system takes the lock of a killed process back, so that none is left behind.
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(lock, timeout=1.0))
        except Timeout as error:
            raise DownloadError(
                f"another process is fetching {hub}; wait for it, then run the command again"
            ) from error
        yield


@contextmanager
def client_errors(hub: str, target: Path) -> Iterator[None]:
    """Failures of the client, by whatever class of its version, as typed errors.

    Raises:
        DownloadError: the model cannot be had.
        StorageError: the disk is full or not writable.
    """
    from huggingface_hub import constants, errors

    where = without_secrets(constants.ENDPOINT)
    try:
        yield
    except HiProbeError:
        raise
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{hub} wants its licence to be accepted: do so on {where}/{hub}, then log in with "
            "`hf auth login` and run the same command again"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DownloadError(f"{hub} has no such revision ({_first_line(error)})") from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"{where} has no model {hub}, or it is private: check the name, or log in with "
            "`hf auth login`"
        ) from error
    except Exception as error:  # the client's network library changes from version to version
        if isinstance(error, OSError) and error.errno in _DISK:
            elsewhere = "choose another folder with HIPROBE_CACHE"
            raise storage_error(target, error, elsewhere=elsewhere) from error
        raise DownloadError(
            f"{hub} cannot be fetched from {where}: {_first_line(error)}; run the same command "
            "again when the network is back, it goes on where it stopped (a mirror is set with "
            f"HF_ENDPOINT), or {by_hand(hub, target)}"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = without_secrets(str(error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def without_secrets(text: str) -> str:
    """The text without `user:password@` and signed queries of addresses."""
    return re.sub(r"(https?://[^\s?'\"]+)\?\S+", r"\1", hide_credentials(text))


INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
# A name of the hub becomes a file of ours: none with a folder in it, hidden, or leading out of
# ours.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SMALL = re.compile(
    r".*\.(json|jinja|model)|merges\.txt|vocab\.txt|(LICEN[CS]E|NOTICE)[\w.-]*", re.IGNORECASE
)
_OTHER_WEIGHTS = (".bin", ".pth", ".pt", ".ckpt", ".msgpack", ".h5", ".gguf")


def small_files(files: Sequence[RemoteFile], *, hub: str) -> tuple[RemoteFile, ...]:
    """Config, tokenizer, settings, licence and the index of the weights.

    Raises:
        DownloadError: the repository holds no model that can be read here.
    """
    names = {file.name for file in files}
    if "config.json" not in names:
        raise DownloadError(f"{hub} has no config.json: it is no model of transformers")
    if not any(name.endswith(".safetensors") for name in names if "/" not in name):
        others = sorted({n for n in names if n.endswith(_OTHER_WEIGHTS)})
        raise DownloadError(
            f"{hub} has no *.safetensors weights ({', '.join(others[:3]) or 'none at all'}); other "
            "formats can run code when they are read and are not fetched: look for a converted "
            "copy of the model"
        )
    return tuple(f for f in files if _PLAIN_NAME.fullmatch(f.name) and _SMALL.fullmatch(f.name))


def weights(files: Sequence[RemoteFile], folder: Path, *, hub: str) -> tuple[RemoteFile, ...]:
    """The safetensors files that belong together; `folder` holds the index where there is one.

    Raises:
        DownloadError: the index cannot be read or names a file that the repository lacks.
    """
    found = {
        f.name: f
        for f in files
        if _PLAIN_NAME.fullmatch(f.name) and f.name.endswith(".safetensors")
    }
    index = folder / INDEX
    if not index.is_file():
        return (found[_SINGLE],) if _SINGLE in found else tuple(found.values())
    try:
        named = set(read_json(index, WeightIndex)["weight_map"].values())
        return tuple(found[name] for name in sorted(named))
    except (OSError, ValueError, KeyError) as error:
        raise DownloadError(
            f"{INDEX} of {hub} is damaged or names a file that is not there: {error}"
        ) from error


# Takes the bytes that are there and those there will be.
DownloadProgress = Callable[[int, int], None]
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
    # A folder that is whole asks for no network, so that the same command serves in a sealed room.
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
        # Only under the lock: another process may be moving the folder right now.
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
        # Named after the commit: parts of two versions never meet in one folder.
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
        # Asked before the first byte, since a disk that fills up after an hour of fetching helps
        # nobody.
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
