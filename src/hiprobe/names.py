"""Names come from strangers: how they are shown and written down, and which are no files."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePath

# A surrogate: Python holds a byte of a name that is no UTF-8 as one, and no file can.
HALF_CHARACTER = re.compile("[\ud800-\udfff]")

_LOOKS_ESCAPED = re.compile(r"\\(?=x(?:[89a-f][0-9a-f]|5c))")
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f]|5c)")
# Control characters, line ends, marks that turn the direction of writing, half characters.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


# Object stores that are read and written; an address there travels as a path, `s3:/bucket/a.mp4`,
# for that is what `Path` makes of it.
OBJECT_SCHEMES = ("s3", "gs")

_OBJECT_STARTS = tuple(f"{scheme}:{slash}" for scheme in OBJECT_SCHEMES for slash in "/\\")

_OBJECT = re.compile(rf"(?<![\w/.-])({'|'.join(OBJECT_SCHEMES)}):[/\\](?=[^/\\\s])")


def is_object(path: PurePath | str) -> bool:
    """Whether a path is an address in an object store (`s3://bucket/a.mp4`)."""
    return str(path).startswith(_OBJECT_STARTS)


def absolute(path: PurePath | str) -> Path:
    """A path from the root, without `..`; links stay. An address in an object store is one."""
    return Path(path) if is_object(path) else Path(os.path.abspath(path))  # noqa: PTH100


def beside(folder: Path, path: Path) -> Path:
    """A path that is meant from a folder, unless it is an address or begins at the root."""
    return path if is_object(path) else folder / path


def whole_addresses(text: str) -> str:
    """The text with both slashes in the addresses of object stores, of which paths keep one."""
    return _OBJECT.sub(r"\1://", text) if ":" in text else text


def path_text(path: PurePath | str) -> str:
    r"""A path for a document, which `text_path` turns back; always valid UTF-8.

    A byte that is not UTF-8 becomes `\xe9`. A backslash that stands before such a text in the name
    itself becomes `\x5c`; every other character stays.
    """
    return utf8_text(_LOOKS_ESCAPED.sub(r"\\x5c", whole_addresses(str(path))))


def text_path(text: str) -> Path:
    """The path that `path_text` wrote."""

    def byte(found: re.Match[str]) -> str:
        number = int(found[1], 16)
        return "\\" if number == ord("\\") else chr(0xDC00 + number)

    return Path(_ESCAPED.sub(byte, text))


def utf8_text(text: str) -> str:
    """Any text without half characters, so that a file can hold it; cannot be turned back."""
    return HALF_CHARACTER.sub(_escape, text)


def shown(text: object) -> str:
    r"""A name, or a sentence that holds one, on one line for a terminal, a page or a chart.

    What cannot be seen is written out: an escape as `\x1b`, a line end as `\n`, a byte that is
    not UTF-8 as `\xe9`, a mark that turns the direction of writing as `\u202e`.
    """
    return _UNSEEN.sub(_escape, str(text))


def named_in_a_line(names: Sequence[str], *, most: int) -> str:
    """The first names as `shown`, and how many more there are."""
    first = ", ".join(map(shown, names[:most]))
    return f"{first} and {len(names) - most} more" if len(names) > most else first


def shown_lines(text: object) -> str:
    """The same for a text of several lines: its line ends stay."""
    return "\n".join(map(shown, str(text).split("\n")))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name, as Python holds it
        number -= 0xDC00
    return _SHORT.get(character) or (rf"\x{number:02x}" if number < 256 else rf"\u{number:04x}")


_SCHEMES = (
    "rtsp|rtsps|rtspu|rtspt|rtmp|rtmps|rtmpe|rtmpt|rtp|srtp|udp|udplite|tcp|tls|sctp|srt|"
    "rist|mms|mmsh|mmst|http|https|hls|ftp|ftps|sftp|smb|nfs|s3|gs|file|data|concat|pipe|"
    "ws|wss|whep|whip|onvif"
)

# A path object makes one slash of two, so one is enough behind a scheme that is known.
_ADDRESS = re.compile(rf"^\s*(?:(?:{_SCHEMES}):/|[a-z][a-z0-9+.-]+://)", re.IGNORECASE)

# Up to the @ before the host. Cameras have passwords with @, : and / in them, so where the text
# behind the first colon is no port, everything up to the last @ of the word goes.
_USER = re.compile(
    r"([a-z][a-z0-9+.-]+:/{1,2})(?:[^/\s:@]*:(?!\d+(?:[/?#\s]|$))\S*@|[^/\s]*@)", re.IGNORECASE
)

_SECRET = re.compile(
    r"((?:password|passwd|passphrase|pwd|pass|user|username|login|token|secret|auth|key|sig"
    r"|signature|access_token|api_?key)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)

_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/{1,2}[^\s'\"<>]+", re.IGNORECASE)


def is_address(name: object) -> bool:
    """Whether a name is the address of something on a network that is read neither as a file nor
    from an object store."""
    text = str(name)
    return bool(_ADDRESS.match(text)) and not is_object(text) and not os.path.lexists(text)


def hide_credentials(text: str) -> str:
    """The text without user names and passwords of the addresses in it.

    `rtsp://user:password@camera/1?token=x` becomes `rtsp://camera/1?token=...`. Addresses of
    object stores get both their slashes.
    """
    if ":/" not in text:
        return text
    text = whole_addresses(text)
    text = _USER.sub(r"\1", text)
    return _IN_ADDRESS.sub(lambda found: _SECRET.sub(r"\1...", found[0]), text)


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def other_than_file(mode: int) -> str:
    """What has this `st_mode`, where it is no regular file ("a pipe"); empty where it is one."""
    if stat.S_ISREG(mode):
        return ""
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no file")


def why_no_file(name: object) -> str:
    """What a name is where it is no file to read a video from, and what to do; empty for all else.

    A folder and a name that does not exist are left to the caller.
    """
    text = str(name)
    if is_address(name):
        address = hide_credentials(re.sub(r"^(\s*[\w+.-]+:)/+", r"\1//", text))
        if address.lower().startswith("file:"):
            return f"{address} is an address; give the path alone, without file://"
        return (
            f"{address} is the address of a stream, and streams are not read yet; save some of it "
            "to a file first and give that (for a camera: ffmpeg -i ADDRESS -c copy -t 600 "
            "saved.mkv)"
        )
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):
        return ""
    kind = other_than_file(mode)
    if not kind or stat.S_ISDIR(mode):
        return ""
    return (
        f"{text} is {kind}, not a file; a video is read more than once, so save it to a file first "
        "and give that"
    )


# Longest name of one file on the usual file systems.
NAME_BYTES = 255

# What is added to a video's name in its results, with a number where names repeat.
LONGEST_ENDING = len("-9999.event-9999.mp4")

ON_WINDOWS = sys.platform == "win32"

# Windows takes a colon for a stream within a file, cuts off a last dot or space, and opens a device
# for `con` and its kind, whatever ending follows.
_NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*]|[. ]$|^(?=(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$))', re.IGNORECASE
)


def fits_file_name(name: str, suffix_room: int = LONGEST_ENDING) -> str:
    """A name that can be written with `suffix_room` more bytes; the same where it can already.

    Half characters, control characters and backslashes become `_`, and on Windows what cannot
    stand in a name there. A changed or shortened name ends in a hash of the whole, so that two
    names stay two, and the same name gets the same one each time.
    """
    plain = "".join(c if shown(c) == c != "\\" else "_" for c in name)
    if ON_WINDOWS:
        plain = _NOT_ON_WINDOWS.sub("_", plain)
    room = NAME_BYTES - suffix_room
    if plain == name and len(name.encode()) <= room:
        return name
    mark = "~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return plain.encode()[: room - len(mark)].decode("utf-8", "ignore") + mark


_CLOCK = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[T_ .-]{1,3}(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?!\d)"
)


def clock_in_name(name: str) -> datetime | None:
    """The time that a recorder wrote into a name, as in `cam_20240501_123000.mp4`."""
    for found in _CLOCK.finditer(name):
        try:
            return datetime(*map(int, found.groups()))  # type: ignore[arg-type]
        except ValueError:  # digits that are no date
            continue
    return None
