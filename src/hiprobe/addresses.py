"""Names that are no file: addresses of streams, pipes and devices, and the passwords in them."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_SCHEMES = (
    "rtsp|rtsps|rtspu|rtspt|rtmp|rtmps|rtmpe|rtmpt|rtp|srtp|udp|udplite|tcp|tls|sctp|srt|"
    "rist|mms|mmsh|mmst|http|https|hls|ftp|ftps|sftp|smb|nfs|s3|gs|file|data|concat|pipe|"
    "ws|wss|whep|whip|onvif"
)

# A path object makes one slash of two, so one is enough behind a scheme that is known.
_ADDRESS = re.compile(rf"^\s*(?:(?:{_SCHEMES}):/|[a-z][a-z0-9+.-]+://)", re.IGNORECASE)

_USER = re.compile(
    r"([a-z][a-z0-9+.-]+:/{1,2})(?:[^/\s:@]*:(?!\d+(?:[/?#\s]|$))\S*@|[^/\s]*@)", re.IGNORECASE
)
"""Up to the @ before the host. Cameras have passwords with @, : and / in them, so where the text
behind the first colon is no port, everything up to the last @ of the word goes."""

_SECRET = re.compile(
    r"((?:password|passwd|passphrase|pwd|pass|user|username|login|token|secret|auth|key|sig"
    r"|signature|access_token|api_?key)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)

_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/{1,2}[^\s'\"<>]+", re.IGNORECASE)


def is_address(name: object) -> bool:
    """Whether a name is the address of something on a network, not the path of a file."""
    return _ADDRESS.match(str(name)) is not None and not os.path.lexists(str(name))


def hide_credentials(text: str) -> str:
    """The text without user names and passwords of the addresses in it.

    `rtsp://user:password@camera/1?token=x` becomes `rtsp://camera/1?token=...`.
    """
    if ":/" not in text:
        return text
    text = _USER.sub(r"\1", text)
    return _IN_ADDRESS.sub(lambda found: _SECRET.sub(r"\1...", found[0]), text)


def why_no_file(name: object) -> str:
    """What a name is where it is no file to read from, and what to do; empty for all else.

    A folder and a name that does not exist are left to the caller.
    """
    text = str(name)
    if is_address(name):
        shown = hide_credentials(re.sub(r"^(\s*[\w+.-]+:)/+", r"\1//", text))
        if shown.lower().startswith("file:"):
            return f"{shown} is an address; give the path alone, without file://"
        return (
            f"{shown} is the address of a stream, and streams are not read yet; save some of it to "
            "a file first and give that (for a camera: ffmpeg -i ADDRESS -c copy -t 600 saved.mkv)"
        )
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    return (
        f"{text} is {kind}, not a file; a video is read more than once, so save it to a file first "
        "and give that"
    )
