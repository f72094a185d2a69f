"""What all tables of videos share: columns, the video and the class of a row.

A table of labelled clips and a manifest of `hiprobe data` are the same kind of table: one row for
each video, with the columns `video` and `label`. `clips` reads it for fitting, where a row may be
a stretch of a video; `manifest` reads it for evaluation, where each row is a whole video.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from hiprobe.datasets.table_text import TableRow, TextTable
from hiprobe.errors import LabelError
from hiprobe.names import beside, text_path

# What a fit takes from a table.
CLIP_COLUMNS = (
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

# What a manifest says of each video.
MANIFEST_COLUMNS = ("video", "name", "split", "class", "label", "source", "frames", "fps", "spans")

# The same in every row: a comment line would break other readers, and names contain `#`.
SET_COLUMNS = ("dataset", "span_set", "end", "note", "format")

# The two ways to write where a stretch begins and ends.
SECONDS_OR_FRAMES = {
    "seconds": ("start_seconds", "end_seconds"),
    "frames": ("start_frame", "end_frame"),
}

# Other names of each column, in lower case, without spaces and underscores.
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

# Words that do not say whether they count seconds or frames.
_WITHOUT_UNIT = {
    "start": ("start", "begin", "from", "onset"),
    "end": ("end", "stop", "to", "offset", "until"),
}


def video_and_class(
    row: TableRow, table: TextTable, *, class_is_enough: bool
) -> tuple[Path, str, int | None]:
    """The video of a row, the class of what happens in it, and its label where the row has one.

    Without a class of its own, a row's label is the name of its class.

    Args:
        class_is_enough: accept a row that has a class and no label.

    Returns:
        Path of the video from the folder of the table, name of the class, and 0 or 1 where
        `label` is that, else None.

    Raises:
        LabelError: the video or the label is empty.
    """
    text, label = row.cells.get("video", ""), row.cells.get("label", "")
    class_name = row.cells.get("class", "") or label
    needed = class_name if class_is_enough else label
    if not text or not needed:
        raise LabelError(
            f"{table.where(row)}: video {text!r}, label {needed!r}; both must be filled in"
        )
    stated = int(label) if label in ("0", "1") else None
    return beside(table.path.parent, text_path(text)), class_name, stated


def unused_words(columns: Iterable[str], table: Path) -> list[str]:
    """A sentence on the columns that a fit does not read, with what each may have meant.

    The columns of a manifest are left out of it: its evaluation reads them.
    """
    there = list(columns)
    known = {*CLIP_COLUMNS}
    if "format" in there:
        known.update(MANIFEST_COLUMNS, SET_COLUMNS)
    unused = [name for name in there if name not in known]
    if not unused:
        return []
    named = []
    for name in unused:
        meant = [m for m in meant_by(name) if m not in there]
        named.append(f"{name} (did you mean {' or '.join(meant)}?)" if meant else name)
    what = "1 column is" if len(unused) == 1 else f"{len(unused)} columns are"
    return [f"{table}: {what} not used: {', '.join(named)}"]


def meant_by(name: str) -> tuple[str, ...]:
    """Columns that a name may stand for, by its meaning first, then by its spelling."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    for bound, words in _WITHOUT_UNIT.items():
        if plain in words:
            return f"{bound}_seconds", f"{bound}_frame"
    by_meaning = [column for column, words in _MEANT.items() if plain in words.split()]
    if by_meaning:
        return tuple(by_meaning)
    spelled = {column.replace("_", ""): column for column in CLIP_COLUMNS}
    close = difflib.get_close_matches(plain, spelled, n=1, cutoff=0.8)
    return tuple(spelled[c] for c in close)
