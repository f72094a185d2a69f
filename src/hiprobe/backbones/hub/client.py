"""The calls of the hub's client, quiet, with their failures as errors that say what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hiprobe.addresses import hide_credentials
from hiprobe.backbones.hub.places import by_hand
from hiprobe.backbones.hub.record import Record, RemoteFile
from hiprobe.errors import DownloadError, HiProbeError
from hiprobe.store.storage_errors import FULL, storage_error

_DISK = (*FULL, errno.EACCES, errno.EROFS)


def list_repository(hub: str, *, revision: str | None) -> Record:
    """All files of a repository at a revision, with what the hub states about them."""
    from huggingface_hub import HfApi, constants

    with _quiet():
        info = HfApi().model_info(hub, revision=revision, files_metadata=True)
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
    from huggingface_hub.utils import WeakFileLock

    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=1.0))
        except TimeoutError as error:
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
