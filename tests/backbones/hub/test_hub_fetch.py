"""Fetching a model with the hub's own client from a local server: whole, checked, resumed."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_server import HUB, REVISION, Repository, serving

from hiprobe.backbones.hub import fetch_model
from hiprobe.backbones.model_folders import is_fetched, locate, own_folder, read_record
from hiprobe.backbones.registry import get_backbone
from hiprobe.errors import BackboneError, DownloadError, StorageError, UsageError

FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
PIECE = 10 * 1024 * 1024
"""What the hub's client writes at once."""
WANTED = {
    *("config.json", "tokenizer.json", "chat_template.jinja", "LICENSE"),
    *("model.safetensors.index.json", FIRST, SECOND),
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def left_over(folder: Path) -> set[str]:
    """Files of unfinished downloads."""
    return {p.name for p in (folder / ".partial").rglob("*") if p.is_file() and p.suffix != ".lock"}


def test_weights_config_and_tokenizer_are_fetched_and_nothing_else(hub: Repository) -> None:
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    folder = get_backbone(HUB, say=said.append, progress=lambda *at: seen.append(at))
    assert folder == own_folder(HUB)
    assert names(folder) == {*WANTED, "hiprobe.json"}
    assert all((folder / name).read_bytes() == hub.files[name] for name in WANTED)
    assert not {"pytorch_model.bin", "modeling_tiny.py"} & {file for _, file, _ in hub.asked}
    total = len(hub.files[FIRST]) + len(hub.files[SECOND])
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (total, total)
    assert "2 files of weights, 0.02 GB" in said[0]
    assert names(folder.parent) == {folder.name, ".partial"}
    assert left_over(folder.parent) == set()


def test_what_was_fetched_is_recorded(hub: Repository) -> None:
    folder = fetch_model(HUB)
    record = read_record(folder)
    assert record is not None
    assert (record.hub, record.revision) == (HUB, REVISION)
    assert record.endpoint.startswith("http://127.0.0.1")
    assert {file.name for file in record.files} == WANTED
    assert all(file.sha256 or file.git_sha1 for file in record.files)
    assert is_fetched(folder)
    found = locate(HUB)
    assert found is not None
    assert found.place == "hiprobe"


def test_a_model_that_is_here_is_checked_without_the_network(hub: Repository) -> None:
    folder = fetch_model(HUB)
    asked = len(hub.asked)
    os.environ["HIPROBE_OFFLINE"] = "1"
    try:
        assert fetch_model(HUB) == folder
    finally:
        del os.environ["HIPROBE_OFFLINE"]
    assert len(hub.asked) == asked


def test_a_damaged_file_is_fetched_again_and_only_that(hub: Repository) -> None:
    folder = fetch_model(HUB)
    hub.asked.clear()
    data = bytearray(hub.files[SECOND])
    data[-1] ^= 1
    (folder / SECOND).write_bytes(bytes(data))
    said: list[str] = []
    fetch_model(HUB, say=said.append)
    assert (folder / SECOND).read_bytes() == hub.files[SECOND]
    assert {file for _, file, _ in hub.asked} == {SECOND}
    assert any(f"damaged or missing: {SECOND}" in line for line in said)


def test_a_broken_connection_is_mended_where_it_broke(hub: Repository) -> None:
    hub.cut_after[SECOND] = 15_000_000
    folder = fetch_model(HUB)
    assert (folder / SECOND).read_bytes() == hub.files[SECOND]
    assert hub.fetched(SECOND) == [None, f"bytes={PIECE}-"]


def command(name: str, *, address: str, cache: Path) -> tuple[list[str], dict[str, str]]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": address,
        "HF_HOME": str(cache / "hf"),
        "HIPROBE_CACHE": str(cache / "own"),
    }
    return [sys.executable, "-m", "hiprobe", "backbones", "get", name], environment


def wait_for(ready: Callable[[], bool]) -> None:
    for _ in range(1200):
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError("not within a minute")


def test_the_command_killed_half_way_goes_on_where_it_stopped(
    repository: Repository, tmp_path: Path
) -> None:
    repository.stall_after[SECOND] = 15_000_000
    with serving(repository) as address:
        line, environment = command(HUB, address=address, cache=tmp_path)
        target = tmp_path / "own" / "backbones" / HUB.replace("/", "--")
        part = target.parent / ".partial" / target.name / REVISION[:12] / f"{SECOND}.part"
        with subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: part.exists() and part.stat().st_size > 0)
            finally:
                process.send_signal(signal.SIGKILL)
        assert not target.exists()
        have = part.stat().st_size
        assert 0 < have <= 15_000_000
        repository.stall_after.clear()
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(target)
    assert all((target / name).read_bytes() == repository.files[name] for name in WANTED)
    assert len(repository.fetched(FIRST)) == 1  # was whole before the kill
    assert repository.fetched(SECOND) == [None, f"bytes={have}-"]


def test_another_hash_than_stated_is_refused_and_not_kept(hub: Repository) -> None:
    hub.altered.add(FIRST)
    with pytest.raises(DownloadError, match=f"{FIRST} of {HUB} has another hash"):
        fetch_model(HUB)
    assert not own_folder(HUB).exists()
    assert locate(HUB) is None
    assert left_over(own_folder(HUB).parent) == WANTED - {FIRST, SECOND}
    hub.altered.clear()
    assert is_fetched(fetch_model(HUB))


def test_an_altered_small_file_is_refused_too(hub: Repository) -> None:
    hub.altered.add("tokenizer.json")
    with pytest.raises(DownloadError, match=r"tokenizer\.json .* another hash"):
        fetch_model(HUB)


@pytest.mark.parametrize("flag", ["HIPROBE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_flags_are_honoured(
    hub: Repository, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setenv(flag, "1")
    with pytest.raises(DownloadError, match=r"switched off.*copy the folder.*--backbone FOLDER"):
        fetch_model(HUB)
    assert not hub.asked


def test_without_a_network_it_says_how_to_bring_the_model(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DownloadError) as raised:
        fetch_model(HUB)
    text = str(raised.value)
    assert f"hiprobe backbones get {HUB}" in text
    assert str(own_folder(HUB)) in text
    assert "--backbone FOLDER" in text
    assert left_over(cache) == set()


def test_an_unknown_model_a_wrong_revision_and_a_gate(hub: Repository) -> None:
    with pytest.raises(DownloadError, match=r"no model somebody/else.*hf auth login"):
        fetch_model("somebody/else")
    with pytest.raises(DownloadError, match="no such revision"):
        fetch_model(HUB, revision="v9")
    hub.status = 403
    with pytest.raises(DownloadError, match="licence to be accepted"):
        fetch_model(HUB)


def test_pickled_weights_alone_are_refused(hub: Repository) -> None:
    for name in [n for n in hub.files if n.endswith(".safetensors")]:
        del hub.files[name]
    with pytest.raises(DownloadError, match=r"no \*\.safetensors.*pytorch_model\.bin.*run code"):
        fetch_model(HUB)
    del hub.files["config.json"]
    with pytest.raises(DownloadError, match=r"no config\.json"):
        fetch_model(HUB)


def test_an_index_that_names_a_missing_file_is_refused(hub: Repository) -> None:
    hub.files["model.safetensors.index.json"] = json.dumps(
        {"weight_map": {"x": "model-00003-of-00002.safetensors"}}
    ).encode()
    with pytest.raises(DownloadError, match="names a file that is not there"):
        fetch_model(HUB)
    assert not own_folder(HUB).exists()


def test_a_disk_that_is_too_small_is_told_before_the_weights_are_asked_for(
    hub: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.backbones.hub._SPARE_BYTES", 10**18)
    with pytest.raises(StorageError, match="HIPROBE_CACHE"):
        fetch_model(HUB)
    assert not hub.fetched(FIRST)


def test_settings_of_other_models_are_refused(hub: Repository, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--wheels"):
        get_backbone(HUB, wheels=tmp_path)
    with pytest.raises(UsageError, match="--revision"):
        get_backbone("lite", revision="main")
    with pytest.raises(BackboneError, match=r"did you mean internvl2\.5-8b"):
        get_backbone("internvl2.5-8")


def test_a_full_disk_is_told_and_leaves_no_model(hub: Repository) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, hard))
    try:
        with pytest.raises(StorageError, match="free some space"):
            fetch_model(HUB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not own_folder(HUB).exists()
    assert is_fetched(fetch_model(HUB))


def test_two_processes_do_not_fetch_the_same_model(hub: Repository) -> None:
    from filelock import FileLock

    lock = own_folder(HUB).parent / ".partial" / f"{own_folder(HUB).name}.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(DownloadError, match="another process is fetching"):
        fetch_model(HUB)
    assert is_fetched(fetch_model(HUB))


def test_what_a_killed_run_moved_aside_is_put_back(hub: Repository) -> None:
    folder = fetch_model(HUB)
    aside = folder.parent / ".partial" / folder.name / "replaced"
    aside.parent.mkdir(parents=True)
    folder.replace(aside)
    hub.status = 403
    with pytest.raises(DownloadError):
        fetch_model(HUB)
    assert is_fetched(folder)


def test_a_new_revision_takes_over_what_did_not_change(hub: Repository) -> None:
    folder = fetch_model(HUB)
    hub.asked.clear()
    hub.files["config.json"] = b'{"model_type": "internvl", "changed": true}'
    hub.revision = "b" * 40
    hub.altered.add("config.json")
    with pytest.raises(DownloadError, match=r"config\.json"):
        fetch_model(HUB, revision="main")
    assert is_fetched(folder)  # the old one, until the new one is whole
    hub.altered.clear()
    fetch_model(HUB, revision="main")
    record = read_record(folder)
    assert record is not None
    assert record.revision == "b" * 40
    assert {file for _, file, _ in hub.asked} == {"config.json"}
