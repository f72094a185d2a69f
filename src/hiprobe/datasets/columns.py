"""Columns of a table of clips: which are read, and what a user may have meant by another one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

READ = (
    "video",
    "label",
    "class",
    "source",
    "split",
    "start_seconds",
    "end_seconds",
    "start_frame",
    "end_frame",
)
"""What a fit takes from a table."""

_OF_MANIFESTS = ("name", "frames", "fps", "spans", "dataset", "span_set", "end", "note", "format")
"""What a manifest of `hiprobe data` has besides; its evaluation reads them."""

_SECONDS_OR_FRAME = ("{}_seconds", "{}_frame")

_MEANT = {
    "video": "file path filename filepath videoname videopath videofile clip clippath uri url",
    "class": "category type kind classname event eventtype anomalytype action",
    "label": "target y classlabel labels annotation groundtruth isanomaly anomaly abnormal",
    "source": "group groupid scene sceneid camera cameraid cam recording sourceid origin sequence"
    " place location session site",
    "split": "fold set subset partition phase usage traintest",
    "start_seconds": "starts startsec startsecs starttime starttimes tstart begintime beginseconds"
    " fromseconds startsecond",
    "end_seconds": "ends endsec endsecs endtime tend stoptime stopseconds toseconds endsecond",
    "start_frame": "startframes framestart firstframe beginframe fromframe startindex startidx",
    "end_frame": "endframes frameend lastframe stopframe toframe endindex endidx",
}

_BOTH = {
    "start": ("start", "begin", "from", "onset"),
    "end": ("end", "stop", "to", "offset", "until"),
}
"""Words that do not say whether they count seconds or frames."""


def unused_words(columns: Iterable[str], table: Path) -> list[str]:
    """A sentence on columns that are not read, with what each may have meant; none where none."""
    there = list(columns)
    known = {*READ, *(_OF_MANIFESTS if "format" in there else ())}
    unused = [name for name in there if name not in known]
    if not unused:
        return []
    told = []
    for name in unused:
        meant = [m for m in meant_by(name) if m not in there]
        told.append(f"{name} (did you mean {' or '.join(meant)}?)" if meant else name)
    what = "1 column is" if len(unused) == 1 else f"{len(unused)} columns are"
    return [f"{table}: {what} not used: {', '.join(told)}"]


def meant_by(name: str) -> tuple[str, ...]:
    """Columns that a name may stand for, by its meaning first, then by its spelling."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    for bound, words in _BOTH.items():
        if plain in words:
            return tuple(pattern.format(bound) for pattern in _SECONDS_OR_FRAME)
    by_meaning = [column for column, words in _MEANT.items() if plain in words.split()]
    if by_meaning:
        return tuple(by_meaning)
    spelled = {column.replace("_", ""): column for column in READ}
    close = difflib.get_close_matches(plain, spelled, n=1, cutoff=0.8)
    return tuple(spelled[c] for c in close)
