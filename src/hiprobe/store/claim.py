"""A run's claim on a folder of an object store, which runs of other machines see.

A store has no locks. But what is written there is seen by every listing that follows, and is dated
by the store's own clock: a run writes its claim, then looks for others. Of two runs at least one
sees the other, whatever their clocks say. A claim is renewed while its run lives, and one that has
not been for a while no longer counts: a killed run keeps nobody out for long.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiprobe.documents.checked import read_json
from hiprobe.errors import FolderInUseError, StorageError
from hiprobe.names import hide_credentials
from hiprobe.objects import ObjectInfo, objects_below, remove_file
from hiprobe.store.atomic import atomic_path, own_mark
from hiprobe.store.text_files import json_text

_START = ".hiprobe-run-"

# Three renewals may fail before a claim expires. The last one is how long a write may still take.
_RENEW_SECONDS, _LIVES_SECONDS, _WAIT_SECONDS = 60.0, 180.0, 10.0


@contextmanager
def claimed(folder: Path, *, words: str) -> Iterator[None]:
    """Within the block no run of another machine writes into a folder of an object store.

    Runs of this machine are let in: they see each other's locks. Two that begin in the same moment
    may both be refused.

    Args:
        words: who the run is, for those that it keeps out.

    Raises:
        FolderInUseError: a run of another machine is at it; the message names it.
        StorageError: the store cannot be asked.
    """
    machine, ended = own_mark().machine, threading.Event()
    path = folder / f"{_START}{machine}-{secrets.token_hex(4)}.json"

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text(json_text({"words": hide_credentials(words)}), encoding="utf-8")

    def renew() -> None:
        while not ended.wait(_RENEW_SECONDS):
            with suppress(StorageError):  # the run itself meets it too
                write()

    write()
    keeper = threading.Thread(target=renew, name="hiprobe-claim", daemon=True)
    try:
        _refuse_others(folder, path)
        keeper.start()
        yield
    finally:
        ended.set()
        if keeper.is_alive():  # it might write the claim once more
            keeper.join(_WAIT_SECONDS)
        with suppress(StorageError):  # it expires by itself
            remove_file(path)


def _refuse_others(folder: Path, own: Path) -> None:
    claims = [o for o in objects_below(folder, hidden=True) if o.path.name.startswith(_START)]
    # The time of the store's clock, from our own claim, which was written just now.
    now = next((o.modified_seconds for o in claims if o.path == own), 0.0)
    machine = own.name.removeprefix(_START).partition("-")[0]
    for other in claims:
        is_ours = other.path.name.startswith(f"{_START}{machine}-")
        if is_ours or other.path.parent != folder:
            continue
        if now - other.modified_seconds > _LIVES_SECONDS:
            remove_file(other.path)
            continue
        raise FolderInUseError(
            f"{folder} is in use by a run of another machine: {_words(other)}; wait for it to end "
            f"(if it was killed, {_LIVES_SECONDS / 60:.0f} minutes), or choose another folder for "
            "the results"
        )


def _words(claim: ObjectInfo) -> str:
    try:
        return str(read_json(claim.path, names=True)["words"])
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown run"
