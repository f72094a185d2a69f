"""What has a name among the files and is none: reading it would wait, or never end."""

from __future__ import annotations

import stat
from pathlib import Path

from hiprobe.errors import VideoError

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a disk",
}


def refuse_special(path: Path) -> None:
    """Refuse a pipe, a socket or a device, also behind a link; what is not there passes.

    Raises:
        VideoError: it is one.
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:  # told by whoever opens it
        return
    if kind:
        raise VideoError(f"{path} is {kind}, not a file; write the video to a file and give that")
