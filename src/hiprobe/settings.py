"""What the environment says: folders, threads and processors. Read here and nowhere else."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.names import is_object

# A thread that waits sleeps, in GNU's OpenMP and in Intel's and LLVM's: by default it spins, and
# takes the processor from whatever else runs on the machine.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

# Of numpy and OpenCV, which by themselves take as many as there are processors.
_OTHER_THREADS = ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")

# As FFmpeg takes by itself: each holds pictures of its own.
MAX_DECODING_THREADS = 16

_TRUE = {"1", "true", "yes", "on"}

_Quota = Callable[[Path], float | None]

_V1_FOLDERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def cache_folder() -> Path:
    """Folder for weights and states: `HIPROBE_CACHE`, else the user's cache folder.

    It is always one of this machine: where `HIPROBE_CACHE` is the address of an object store, that
    is for states, and the rest stays in the user's cache folder. It is not created here.
    """
    chosen = _chosen_cache()
    if chosen and not is_object(chosen):
        return Path(chosen).expanduser().absolute()
    import platformdirs  # only where the default is asked for: keeps `import hiprobe` light

    return Path(platformdirs.user_cache_dir("hiprobe", appauthor=False))


def states_folder() -> Path:
    """Folder of the cached states, which may lie in an object store."""
    chosen = _chosen_cache()
    return (Path(chosen) if is_object(chosen) else cache_folder()) / "states"


def _chosen_cache() -> str:
    return os.environ.get("HIPROBE_CACHE", "").strip()


def backbones_folder() -> Path:
    """Folder of the backbones' weights."""
    return cache_folder() / "backbones"


def copies_folder() -> Path:
    """Folder of the local copies of what lies in object stores."""
    return cache_folder() / "copies"


def arrays_folder() -> Path:
    """Folder of the files without a name that hold what is too large for memory."""
    return cache_folder() / "arrays"


def copies_limit_bytes() -> int:
    """Bytes that those copies may take: `HIPROBE_COPIES_GB`, else 20 GB.

    Raises:
        UsageError: it is no number above 0.
    """
    text = os.environ.get("HIPROBE_COPIES_GB", "").strip() or "20"
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e6:
        raise UsageError(f"HIPROBE_COPIES_GB is {text!r}; give a number of GB above 0")
    return int(limit * 1e9)


def object_store_settings(scheme: str) -> tuple[str | None, str | None]:
    """Endpoint and region of an object store, as the usual variables name them; None for its own.

    Those are `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `AWS_REGION` and `AWS_DEFAULT_REGION` for
    `s3`, and `STORAGE_EMULATOR_HOST` for `gs`. Credentials are left to the library, which finds
    them in variables, in files of the user or on the machine.
    """

    def first(*names: str) -> str | None:
        return next((found for name in names if (found := os.environ.get(name, "").strip())), None)

    if scheme == "gs":
        return first("STORAGE_EMULATOR_HOST"), None
    return (
        first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        first("AWS_REGION", "AWS_DEFAULT_REGION"),
    )


def offline() -> bool:
    """True where no network may be used.

    That is where `HIPROBE_OFFLINE`, `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` is set to 1.
    """
    return any(
        os.environ.get(name, "").strip().lower() in _TRUE
        for name in ("HIPROBE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def review_password() -> str | None:
    """Password of `admin` in a review: `HIPROBE_REVIEW_PASSWORD`; None where it is not set."""
    return os.environ.get("HIPROBE_REVIEW_PASSWORD") or None


def share_processors(root: Path = Path("/")) -> None:
    """Let torch share the machine: to be called before torch is loaded.

    OpenMP reads these variables once, when it is loaded. So they are set here, for this process
    and its children, unless the user has set one of their kind. Where torch is loaded already, by
    a program that uses HiProbe as a library, nothing is changed: its threads are that program's.

    Args:
        root: where `proc` and `sys` lie, from which the number of threads is read.
    """
    if "torch" in sys.modules:
        return
    if not any(os.environ.get(name) for name in _WAITING):
        os.environ.update(_WAITING)
    if not any(os.environ.get(name) for name in _THREADS):
        os.environ[_THREADS[0]] = str(usable_processors(root))


def use_threads(count: int) -> None:
    """Let torch, numpy, OpenCV and decoders use `count` threads each, here and in child processes.

    Torch, numpy and OpenCV read this when they are loaded.
    """
    os.environ.update(dict.fromkeys((*_THREADS, *_OTHER_THREADS), str(count)))


def threads_in_use(root: Path = Path("/")) -> int:
    """Threads that this process works with: as many as `use_threads` or `OMP_NUM_THREADS` says.

    Where neither does, as many as there are usable processors.

    Args:
        root: where `proc` and `sys` lie.
    """
    told = os.environ.get(_THREADS[0], "").strip()
    count = int(told) if told.isascii() and told.isdigit() else 0
    return count or usable_processors(root)


def decoding_threads(root: Path = Path("/")) -> int:
    """Threads that decode a video: those in use, at most `MAX_DECODING_THREADS`.

    Args:
        root: where `proc` and `sys` lie.
    """
    return min(threads_in_use(root), MAX_DECODING_THREADS)


def ray_address() -> str | None:
    """The Ray cluster that `RAY_ADDRESS` names."""
    return os.environ.get("RAY_ADDRESS", "").strip() or None


def silence_ray() -> None:
    """Keep what a cluster says from stdout, where Ray prints it and which is for results.

    Ray offers no other way. To be called before Ray is loaded; a program that has loaded it itself
    keeps its own way.
    """
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")


def usable_processors(root: Path = Path("/")) -> int:
    """Processors that this process may use, at least 1.

    The least of: those it may run on, the quotas of its control groups (of version 1 and 2, its
    own and those above it; one and a half count as two), and the machine's cores, for a second
    thread on a core does not make a matrix product faster.

    Args:
        root: where `proc` and `sys` lie.
    """
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux alone has it
    allowed = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quotas = [math.ceil(share) for share in _quotas(root)]
    cores = _cores(root / "proc" / "cpuinfo")
    return max(1, min([allowed, *quotas, *([cores] if cores else [])]))


def _quotas(root: Path) -> Iterator[float]:
    """Processors' worth of time that each control group of this process may have."""
    groups = root / "sys" / "fs" / "cgroup"
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if not kinds:
            yield from _up(groups, path, _quota_v2)
        elif "cpu" in kinds.split(","):
            for folder in _V1_FOLDERS:
                yield from _up(groups / folder, path, _quota_v1)


def _up(top: Path, path: str, quota: _Quota) -> Iterator[float]:
    """Quotas of a group and of all above it.

    In a container the path is often that of the host, where the group itself is the top one here:
    folders that are not there are skipped.
    """
    here = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(here), -1, -1):
        found = quota(top.joinpath(*here[:depth]))
        if found is not None:
            yield found


def _quota_v2(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split()  # "150000 100000", or "max 100000"
    return _share(words[0], words[1]) if len(words) == 2 else None


def _quota_v1(folder: Path) -> float | None:
    return _share(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float | None:
    try:
        used, of = int(quota), int(period)
    except ValueError:  # "max", or no such file
        return None
    return used / of if used > 0 and of > 0 else None  # -1: no quota


def _cores(cpu_info: Path) -> int | None:
    """Cores of the machine as Linux lists them; None where it does not say."""
    found, place = set(), ""
    for line in _text(cpu_info).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "physical id":
            place = value.strip()
        elif name.strip() == "core id":
            found.add((place, value.strip()))
    return len(found) or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
