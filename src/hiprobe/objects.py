"""Object stores (`s3://`, `gs://`) behind the few things that are done with files.

An address travels as a path (`hiprobe.names.is_object`). What is read is copied to this machine
once and read there, since a video is read several times: its hash, its header, its packets, its
pictures. The copies have a budget in bytes. What is written is made here as a file and sent in one
piece: an object appears whole or not at all.

A missing object is a `FileNotFoundError`, as a missing file is. What concerns the store itself (no
such bucket, no credentials, not to be reached) is a `StorageError` and ends the run; the same
command goes on later. Words of the library are never shown, since they may hold keys.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import re
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from hiprobe.errors import StorageError
from hiprobe.failures import storage_error
from hiprobe.names import is_object
from hiprobe.settings import (
    cache_folder,
    copies_folder,
    copies_limit_bytes,
    object_store_settings,
)

_PIECE_BYTES = 16 << 20

_CONNECT_SECONDS, _REQUEST_SECONDS, _TRIES = 10.0, 60.0, 4

# A copy that was used this lately is not removed: its reader may be about to open it.
_KEPT_SECONDS = 60.0

_LEFTOVER_SECONDS = 3600.0

# Looking through a folder of more takes too long.
_MAX_COPIES = 50_000

_REFUSED = (
    "the object store refuses access: there are no credentials, or they are wrong, expired or not "
    "allowed to do this; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE (for gs: "
    "GOOGLE_APPLICATION_CREDENTIALS)"
)
_NO_BUCKET = "there is no such bucket; check its name, and AWS_ENDPOINT_URL where it lies elsewhere"
_NOT_REACHED = "it cannot be reached; check the network and AWS_ENDPOINT_URL, and run again"

_WORDS = (
    (r"NO_SUCH_BUCKET|bucket does not exist", _NO_BUCKET),
    (r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|UNRECOGNIZED_CLIENT|CREDENTIAL|HTTP status 40[13]"
     r"|PERMISSION_?DENIED|UNAUTHENTICATED", _REFUSED),
    (r"NETWORK_CONNECTION|REQUEST_TIMEOUT|curlCode|UNAVAILABLE|DEADLINE|timed? ?out", _NOT_REACHED),
    (r"SLOW_DOWN|THROTTL|SERVICE_UNAVAILABLE|INTERNAL", "it is overloaded or failing; run again"),
)  # fmt: skip

_GONE = re.compile(r"NO_SUCH_KEY|RESOURCE_NOT_FOUND|HTTP status 404", re.IGNORECASE)


@dataclass(frozen=True)
class ObjectInfo:
    """An object as a listing of the store describes it."""

    path: Path
    size_bytes: int
    modified_seconds: float


def exists(path: Path) -> bool:
    """Whether something lies there, a link to nowhere too; of object stores also a folder.

    Raises:
        StorageError: the store cannot be asked.
    """
    return _kind(path) != "NotFound" if is_object(path) else os.path.lexists(path)


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or a beginning of keys.

    Raises:
        StorageError: the store cannot be asked.
    """
    return _kind(path) == "Directory" if is_object(path) else path.is_dir()


def stamp_of(path: Path) -> tuple[int, int]:
    """Size of a file in bytes, and a number that changes when the content does.

    Raises:
        OSError: it is not there.
        StorageError: the store cannot be asked.
    """
    if not is_object(path):
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return _stamp(_opened(path))


def objects_below(folder: Path, *, hidden: bool = False) -> list[ObjectInfo]:
    """Objects at any depth, sorted; a warning names those whose names are no paths.

    Args:
        hidden: those with a part that begins with a dot too.

    Raises:
        StorageError: the store cannot be asked.
    """
    import pyarrow.fs as pf

    store, place = _placed(folder)
    with _asked(folder):
        infos = store.get_file_info(pf.FileSelector(place, recursive=True, allow_not_found=True))
    if not infos:
        _refuse_missing_bucket(folder)
    found, odd = [], []
    for info in infos:
        below = info.path.removeprefix(place).removeprefix("/")
        parts = below.split("/")
        if info.type != pf.FileType.File:
            continue
        if set(parts) & {"", ".", ".."}:
            odd.append(below)
        elif hidden or not any(part.startswith(".") for part in parts):
            found.append(ObjectInfo(folder / below, info.size, (info.mtime_ns or 0) / 1e9))
    if odd:
        warnings.warn(
            f"passed over: {len(odd)} objects in {folder} whose names are no paths (an empty part, "
            f"'.' or '..'), such as {odd[0]!r}; rename them",
            stacklevel=2,
        )
    return sorted(found, key=lambda each: each.path)


def folders_in(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted, without hidden ones.

    Raises:
        OSError: the folder cannot be read.
        StorageError: as `objects_below`.
    """
    if not is_object(folder):
        return sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    depth = len(folder.parts)
    below = (found.path.parts for found in objects_below(folder))
    return sorted({folder / parts[depth] for parts in below if len(parts) > depth + 1})


def matching(pattern: Path) -> list[Path]:
    """Files and folders, or objects, that a pattern with `*`, `?`, `[...]` and `**` fits, sorted.

    Raises:
        StorageError: as `objects_below`.
    """
    if not is_object(pattern):
        return sorted(Path(m) for m in glob(str(pattern), recursive=True))  # noqa: PTH207
    plain = next(number for number, part in enumerate(pattern.parts) if has_magic(part))
    base, wanted = Path(*pattern.parts[:plain]), pattern.parts[plain:]
    return [o.path for o in objects_below(base) if _fits(o.path.parts[plain:], wanted)]


def _fits(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[skip:], wanted[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def local_copy(path: Path | str) -> Path:
    """A file of this machine with the content of `path`: itself, or the copy of an object.

    Raises:
        OSError: the object is not there, or was replaced while it was copied.
        StorageError: the store cannot be asked, or there is no room for the copy.
    """
    path = Path(path)
    if not is_object(path):
        return path
    source = _opened(path)
    stamp = _stamp(source)
    ending = path.suffix if len(path.suffix) < 16 else ""
    name = hashlib.sha256(f"{path.as_posix()}\0{stamp}".encode(errors="surrogateescape"))
    place = copies_folder() / f"{name.hexdigest()[:40]}{ending}"
    with suppress(OSError):
        if place.stat().st_size == stamp[0]:
            os.utime(place)  # the oldest is removed first
            return place
    _make_room(place.parent, stamp[0])
    temporary = place.with_name(f".{secrets.token_hex(8)}{ending}")
    try:
        with temporary.open("xb") as target:
            while piece := _piece(source, path):
                target.write(piece)
        if stamp_of(path) != stamp or temporary.stat().st_size != stamp[0]:
            raise OSError(errno.EBUSY, "it was replaced while it was copied; run again", str(path))
        temporary.replace(place)
        _forget_former(path, place)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EBUSY):
            raise
        raise storage_error(place, error, elsewhere="set HIPROBE_CACHE") from error
    finally:
        temporary.unlink(missing_ok=True)
    return place


# The last copy of each address that this process made.
_LATEST: dict[Path, Path] = {}


def _forget_former(path: Path, place: Path) -> None:
    """A document that is written again and again leaves no row of copies."""
    former, _LATEST[path] = _LATEST.get(path, place), place
    if former != place:
        former.unlink(missing_ok=True)


def put(file: Path, path: Path) -> None:
    """Send a file to an object's place, whole or not at all.

    Raises:
        StorageError: the store does not take it.
    """
    store, place = _placed(path)
    with file.open("rb") as opened:
        is_empty = not os.fstat(opened.fileno()).st_size
        content = b"" if is_empty else mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        with _asked(path):
            # One call takes all of it. The library finishes a stream that is dropped, so one that
            # was interrupted between two pieces would leave half of the content as an object.
            stream = store.open_output_stream(place)
            stream.write(content)
            stream.close()
    except FileNotFoundError:
        raise StorageError(f"cannot write {path}: {_NO_BUCKET}") from None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; an object store needs none.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        if not is_object(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def remove_file(path: Path) -> None:
    """Remove a file or an object, if it is there.

    Raises:
        StorageError: it cannot be removed.
    """
    try:
        if is_object(path):
            store, place = _placed(path)
            with _asked(path):
                store.delete_file(place)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot remove {path}: {error.strerror or error}") from error


def local_stand_in(folder: Path) -> Path:
    """The folder itself, or one of this machine that stands for it, for locks."""
    if not is_object(folder):
        return folder
    return cache_folder() / "locks" / hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]


def _opened(path: Path) -> Any:
    """An object opened for reading.

    Raises:
        FileNotFoundError: it is not there.
        StorageError: the store cannot be asked.
    """
    store, place = _placed(path)
    if "/" not in place:
        raise StorageError(f"{path} names a bucket, and no object in it")
    try:
        with _asked(path):
            return store.open_input_file(place)
    except FileNotFoundError:
        _refuse_missing_bucket(path)
        raise


def _stamp(source: Any) -> tuple[int, int]:
    about = {name.lower(): value for name, value in (source.metadata() or {}).items()}
    mark = about.get("etag") or about.get("generation") or about.get("last-modified") or b""
    number = int.from_bytes(hashlib.sha256(bytes(mark)).digest()[:7])
    return int(source.size()), number


def _piece(source: Any, path: Path) -> bytes:
    with _asked(path):
        return bytes(source.read(_PIECE_BYTES))


def _kind(path: Path) -> str:
    store, place = _placed(path)
    with _asked(path):
        kind = str(store.get_file_info(place).type.name)
    if kind == "NotFound":
        _refuse_missing_bucket(path)
    return kind


# Those that are known to be there.
_BUCKETS: set[Path] = set()


def _refuse_missing_bucket(path: Path) -> None:
    bucket = Path(*path.parts[:2])
    if bucket in _BUCKETS:
        return
    store, place = _placed(bucket)
    with suppress(OSError):  # it may be closed to us, and its objects not
        if store.get_file_info(place).type.name == "NotFound":
            raise StorageError(f"cannot use {path}: {_NO_BUCKET}")
    _BUCKETS.add(bucket)


def _placed(path: Path) -> tuple[Any, str]:
    """The store of an address, and the place in it.

    Raises:
        StorageError: the address names no bucket or holds credentials, or the store cannot be
            opened.
    """
    scheme, *parts = PurePosixPath(path.as_posix()).parts
    if not parts:
        raise StorageError(f"{scheme}// names no bucket; write {scheme}//bucket/name")
    if re.search(r"[:@]", parts[0]):
        raise StorageError(
            f"an address {scheme}//... holds credentials or a port; credentials belong into the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), another host into "
            "AWS_ENDPOINT_URL"
        )
    with _asked(path):
        return _store(scheme, parts[0], *object_store_settings(scheme[:-1])), "/".join(parts)


@cache
def _store(scheme: str, bucket: str, endpoint: str | None, region: str | None) -> Any:
    """The client; one for each bucket, since each may lie in another region."""
    import pyarrow.fs as pf

    if scheme == "gs:":
        kind, _, host = (endpoint or "").rpartition("://")
        return pf.GcsFileSystem(
            endpoint_override=host or None,
            scheme=kind or ("http" if host else None),
            anonymous=bool(host),
            retry_time_limit=timedelta(seconds=_REQUEST_SECONDS),
        )
    if region is None and endpoint is None:
        region = pf.resolve_s3_region(bucket)
    return pf.S3FileSystem(
        endpoint_override=endpoint,
        region=region or "us-east-1",
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=pf.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
    )


@contextmanager
def _asked(path: Path) -> Iterator[None]:
    """Errors of the library in plain words."""
    try:
        yield
    except FileNotFoundError:
        _refuse_absent(path)
    except (OSError, ValueError, NotImplementedError) as error:
        text = str(error)
        if _GONE.search(text):
            _refuse_absent(path)
        reason = next((words for sign, words in _WORDS if re.search(sign, text, re.I)), None)
        if reason is None:
            code = re.search(r"AWS Error (\w+)", text)
            reason = f"the object store answers with an error ({code[1] if code else 'unknown'})"
        raise StorageError(f"cannot use {path}: {reason}") from None


def _refuse_absent(path: Path) -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, "No such object", str(path)) from None


# Bytes of each copy that this process made since it last looked through the folder.
_copied_bytes: list[int] = []


def _make_room(folder: Path, size_bytes: int) -> None:
    """Remove the copies that were used longest ago, until another one has room.

    Raises:
        StorageError: the folder cannot be made.
    """
    limit = copies_limit_bytes()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, elsewhere="set HIPROBE_CACHE") from error
    _copied_bytes.append(size_bytes)
    if 1 < len(_copied_bytes) < _MAX_COPIES // 20 and sum(_copied_bytes) < limit // 20:
        return  # looking through it for each one would take longer than copying a small object
    _copied_bytes[:] = [size_bytes]
    there = []
    for entry in os.scandir(folder):
        with suppress(OSError):  # another process removed it
            there.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    free = shutil.disk_usage(folder).free
    count, total, now = len(there), sum(size for _, size, _ in there), time.time()
    limit = min(limit, (free + total) // 2)
    for used, size, place in sorted(there):
        is_new = now - used < (_LEFTOVER_SECONDS if Path(place).name[0] == "." else _KEPT_SECONDS)
        if is_new or (total + size_bytes <= limit and count < _MAX_COPIES):
            continue
        with suppress(OSError):
            Path(place).unlink()
            total, count = total - size, count - 1
