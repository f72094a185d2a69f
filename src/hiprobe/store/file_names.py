"""Names of files that are written: always valid, never too long."""

from __future__ import annotations

import hashlib

from hiprobe.path_text import shown

NAME_BYTES = 255
"""Longest name of one file on the usual file systems."""

LONGEST_ENDING = len("-9999.event-9999.mp4")
"""What is added to a video's name in its results, with a number where names repeat."""


def fits_file_name(name: str, suffix_room: int = LONGEST_ENDING) -> str:
    """A name that can be written with `suffix_room` more bytes; the same where it can already.

    Half characters, control characters and backslashes become `_`. A changed or shortened name
    ends in a hash of the whole, so that two names stay two, and the same name gets the same one
    each time.
    """
    plain = "".join(c if shown(c) == c != "\\" else "_" for c in name)
    room = NAME_BYTES - suffix_room
    if plain == name and len(name.encode()) <= room:
        return name
    mark = "~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return plain.encode()[: room - len(mark)].decode("utf-8", "ignore") + mark
