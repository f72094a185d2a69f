"""Objects of a store behave as files do: read through a copy, written whole or not at all."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hiprobe import objects
from hiprobe.errors import HiProbeError, StorageError, UsageError
from hiprobe.names import absolute, is_address, path_text, text_path
from hiprobe.objects import exists, folders_in, is_folder, local_copy, matching, objects_below
from hiprobe.settings import backbones_folder, copies_folder, states_folder
from hiprobe.store.atomic import atomic_path
from hiprobe.store.content_hash import content_hash

SECRETS = ("AKIAHIPROBE", "very/secret+key", "cret")


def write(path: Path, content: bytes) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def read(path: Path) -> bytes:
    return local_copy(path).read_bytes()


def copies() -> list[Path]:
    return [path for path in copies_folder().iterdir() if path.is_file()]


def test_an_address_is_one_as_a_path_too() -> None:
    path = Path("s3://bucket/day/a.mp4")
    assert path_text(path) == "s3://bucket/day/a.mp4" and text_path(path_text(path)) == path
    assert absolute(path) == path and not is_address(path)
    assert str(HiProbeError(f"cannot read {path}, gs:/b/c")) == (
        "cannot read s3://bucket/day/a.mp4, gs://b/c"
    )


def test_what_is_written_is_read(bucket: Path) -> None:
    path = bucket / "day" / "a.bin"
    for content in (b"one", b"", b"two", os.urandom(7 << 20)):  # the last in several parts
        assert read(write(path, content)) == content
        assert len(copies()) == 1, "a copy that is out of date is left"
    assert exists(path) and not is_folder(path) and is_folder(bucket / "day")
    assert not exists(bucket / "night") and not list((copies_folder() / "sent").iterdir())


def test_an_object_is_copied_once(bucket: Path) -> None:
    path = write(bucket / "a.bin", b"content")
    first = local_copy(path).stat().st_ino
    assert local_copy(path).stat().st_ino == first
    with pytest.raises(FileNotFoundError, match="No such object"):
        local_copy(bucket / "b.bin")


def test_a_block_that_fails_leaves_the_object_as_it_was(bucket: Path) -> None:
    path = write(bucket / "a.bin", b"before")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert read(path) == b"before"
    assert not list((copies_folder() / "sent").iterdir())


@contextmanager
def line_that_breaks(address: str, *, after_bytes: int) -> Iterator[str]:
    """An address of the same server, whose connections end after so many bytes to it."""
    host, port = address.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def pass_on(one: socket.socket, other: socket.socket, left: int) -> None:
        with suppress(OSError):
            while left > 0 and (piece := one.recv(min(left, 65536))):
                other.sendall(piece)
                left -= len(piece)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                ends.extend((client, server))
                for one, other, left in ((client, server, after_bytes), (server, client, 1 << 40)):
                    threading.Thread(target=pass_on, args=(one, other, left), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    for end in (listener, *ends):
        end.close()


def test_a_line_that_breaks_while_it_is_sent_leaves_the_object_as_it_was(
    bucket: Path, object_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_TRIES", 1)
    path, new = write(bucket / "a.bin", b"before"), bucket / "new.bin"
    with line_that_breaks(object_store, after_bytes=1 << 20) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for target in (path, new):
            with pytest.raises(StorageError, match="cannot use s3://"):
                write(target, os.urandom(6 << 20))
        monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    assert read(path) == b"before" and not exists(new)


def test_an_object_that_is_replaced_while_it_is_copied(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plain = write(bucket / "a.bin", b"1" * 100), objects._piece

    def replaced_meanwhile(source: object, where: Path) -> bytes:
        piece = plain(source, where)
        if piece:
            write(path, b"2" * 100)
        return piece

    monkeypatch.setattr(objects, "_piece", replaced_meanwhile)
    with pytest.raises(OSError, match="it was replaced while it was copied; run again"):
        local_copy(path)
    assert not copies()


def test_listings_and_patterns(bucket: Path) -> None:
    names = ("a/1.mp4", "a/b/2.mp4", "a/.hidden/3.mp4", "a/b/.4.mp4", "c.mp4", "a/b/5.txt")
    for name in names:
        write(bucket / name, name.encode())
    below = {found.path.relative_to(bucket).as_posix(): found for found in objects_below(bucket)}
    assert list(below) == ["a/1.mp4", "a/b/2.mp4", "a/b/5.txt", "c.mp4"]
    assert below["c.mp4"].size_bytes == 5 and below["c.mp4"].modified_seconds > 1.7e9
    assert folders_in(bucket) == [bucket / "a"] and folders_in(bucket / "a") == [bucket / "a" / "b"]
    for pattern, found in {
        "*.mp4": ["c.mp4"],
        "a/?.mp4": ["a/1.mp4"],
        "**/*.mp4": ["a/1.mp4", "a/b/2.mp4", "c.mp4"],
        "[ab]/**/[2-5].*": ["a/b/2.mp4", "a/b/5.txt"],
        "b/*": [],
    }.items():
        assert matching(bucket / pattern) == [bucket / name for name in found], pattern


def test_names_that_no_path_holds_are_told(bucket: Path, object_store: str) -> None:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3", endpoint_url=object_store)
    for key in ("a//b.mp4", "a/../c.mp4", "a/d.mp4"):
        client.put_object(Bucket=bucket.name, Key=key, Body=b"x")
    with pytest.warns(UserWarning, match="skipped: 2 objects .* whose names are no paths"):
        assert [found.path.name for found in objects_below(bucket)] == ["d.mp4"]


def test_copies_keep_to_their_budget(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_COPIES_GB", "0.000003")
    for number in range(6):
        local_copy(write(bucket / f"{number}.bin", os.urandom(1000)))
        for made in copies():
            os.utime(made, (1e9 + number, 1e9 + number))
    assert sum(path.stat().st_size for path in copies()) <= 3000
    assert read(bucket / "0.bin")  # copied again
    monkeypatch.setenv("HIPROBE_COPIES_GB", "many")
    with pytest.raises(UsageError, match="HIPROBE_COPIES_GB is 'many'; give a number of GB"):
        local_copy(write(bucket / "7.bin", b"7"))


def test_a_copy_in_use_stays(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_COPIES_GB", "0.000000001")
    paths = [local_copy(write(bucket / f"{number}.bin", b"content")) for number in range(3)]
    assert all(path.exists() for path in paths)


def told(path: Path) -> str:
    """What each way to use an address says; it is the same, and shows no secret."""
    found = set()
    for use in (local_copy, objects_below, exists, lambda p: write(p, b"x"), content_hash):
        with pytest.raises(StorageError) as caught:
            use(path)
        found.add(str(caught.value).partition(": ")[2])
        every = f"{caught.value!r} {caught.value.__cause__!r}"
        assert not any(secret in every for secret in SECRETS)
    assert len(found) == 1, found
    return found.pop()


def test_a_bucket_that_is_not_there(bucket: Path) -> None:
    assert told(Path(f"{bucket}-none/a.mp4")).startswith("there is no such bucket; check its name")


def test_a_store_that_is_not_there(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert told(bucket / "a.mp4").startswith("it cannot be reached; check the network")


def test_credentials_that_are_wrong(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pytest.importorskip("moto.settings")
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    assert told(bucket / "a.mp4").startswith("the object store refuses access: there are no cred")


@pytest.mark.parametrize("address", ["s3://AKIAHIPROBE:very/secret+key@b/a", "s3://k:cret@b/a"])
def test_credentials_do_not_belong_into_an_address(bucket: Path, address: str) -> None:
    with pytest.raises(StorageError, match="holds credentials or a port") as caught:
        local_copy(address)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_the_hash_of_an_object_is_remembered(bucket: Path, tmp_path: Path) -> None:
    path, notes = write(bucket / "a.mp4", b"film"), bucket / "hashes"
    first = content_hash(path, remembered_in=notes)
    for made in copies():
        made.unlink()
    assert content_hash(path, remembered_in=notes) == first
    assert not any(made.suffix == ".mp4" for made in copies()), "it was read again"
    write(path, b"mlif")
    assert content_hash(path, remembered_in=notes) != first
    here = tmp_path / "b.mp4"
    here.write_bytes(b"film")
    os.utime(here, (1e9, 1e9))
    assert content_hash(here, remembered_in=notes) == first
    assert len(objects_below(notes)) == 1, "a file of this machine is noted here"


def test_only_states_lie_in_a_cache_of_an_object_store(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", path_text(bucket / "cache"))
    assert states_folder() == bucket / "cache" / "states"
    assert backbones_folder().is_absolute() and copies_folder().is_absolute()
