"""The annotation that comes with MSAD: frame counts and one span for each anomalous video.

Frames are counted from 1 there and the end frame belongs to the event: a video of 515 frames that
is abnormal throughout has the span 1 to 515. So the authors' own truth array of their benchmark
has it, in which the span 20 to 200 marks the frames 19 to 199 counted from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hiprobe.datasets.manifest_row import Spans
from hiprobe.datasets.table_text import read_table
from hiprobe.datasets.video_facts import VideoFacts
from hiprobe.datasets.video_files import without_ending
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.walk import files_below

ANNOTATION = "anomaly_annotation.csv"

WEAKLY_SUPERVISED = {"train": 480, "test": 240}
"""Counts of the split of the authors' lists (their protocol ii)."""

END: EndConvention = "inclusive"
"""How published ends are read."""

_COLUMNS = (
    "name",
    "total frames",
    "starting frame of anomaly",
    "ending frame of anomaly",
)


def msad_facts(
    root: Path, splits: Mapping[str, str], *, end: EndConvention
) -> dict[tuple[str, str], VideoFacts]:
    """Frame counts and half-open spans from 0 by (split, name), of every table below `root`.

    Args:
        splits: split by name; a video without one is for testing, as in protocol i.

    Raises:
        DatasetError: a table lacks a column, holds no numbers, or counts from 0.
    """
    facts = {}
    for file in sorted(p for p in files_below(root) if p.name == ANNOTATION):
        for row in read_table(file, error=DatasetError).rows:
            name, frames, start, stop = _row(row.cells, file, row.line)
            first, last = start - 1, stop - (end == "half-open")
            # one that holds no frame is kept here: the check names it where it leaves it out
            spans: Spans = ((first, last),) if first >= 0 else ()
            facts[splits.get(name, "test"), name] = VideoFacts(frames, spans)
    return facts


def _row(cells: Mapping[str, str], file: Path, number: int) -> tuple[str, int, int, int]:
    try:
        name = without_ending(cells[_COLUMNS[0]])
        frames, start, stop = (int(float(cells[c])) for c in _COLUMNS[1:])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{file}, line {number}: {error!r}; the columns are name, scenario, total "
            "frames, starting frame of anomaly, ending frame of anomaly"
        ) from error
    if start == 0:
        raise DatasetError(
            f"{file}, line {number}: {name} is abnormal from frame 0, but the published table "
            "counts from 1; take the table that comes with the set, or add 1 to all its frames"
        )
    return name, frames, start, stop
