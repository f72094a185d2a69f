"""Events and labels in formats of other programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.failures import Failure
from hiprobe.report.documents import write_json
from hiprobe.review.annotation_tools import write_cvat, write_fiftyone, write_label_studio
from hiprobe.review.label_clips import write_activitynet, write_clips
from hiprobe.review.label_documents import LABEL_COLUMNS, label_rows, labels_document
from hiprobe.review.library import Library
from hiprobe.store.text_files import path_cell, write_table


@dataclass(frozen=True)
class ExportFormat:
    """A format of export.

    Attributes:
        extension: with the dot.
        about: what it is good for, for people.
        write: writes all of it to a path, and returns the videos that cannot be read and were left
            out; None where the format needs no videos.
    """

    name: str
    extension: str
    about: str
    write: Callable[[Library, Path], tuple[Failure, ...] | None]


def _write_json(library: Library, out: Path) -> None:
    write_json(labels_document(library), out)


def _write_csv(library: Library, out: Path) -> None:
    rows = ([path_cell(row[0]), *row[1:]] for row in label_rows(library))
    write_table(out, LABEL_COLUMNS, rows)


EXPORTS = {
    one.name: one
    for one in (
        ExportFormat(
            "json", ".json", "all labels and events; another review can import it", _write_json
        ),
        ExportFormat("csv", ".csv", "one row for each event, for spreadsheets", _write_csv),
        ExportFormat(
            "activitynet",
            ".json",
            "anomalies and classes as temporal annotations, in the layout of ActivityNet 1.3",
            write_activitynet,
        ),
        ExportFormat(
            "fiftyone",
            ".zip",
            "a FiftyOneTemporalDetectionDataset: labels, and events with their scores",
            write_fiftyone,
        ),
        ExportFormat(
            "cvat",
            ".zip",
            "a file of CVAT for video 1.1 for each video, labels as tracks of the whole picture",
            write_cvat,
        ),
        ExportFormat(
            "labelstudio",
            ".zip",
            "tasks for Label Studio with timeline labels, events as predictions",
            write_label_studio,
        ),
        ExportFormat(
            "clips", ".zip", "labelled stretches as MP4, in a folder for each label", write_clips
        ),
    )
}


@dataclass(frozen=True)
class LibraryExports:
    """The exports of one library."""

    library: Library

    def formats(self) -> tuple[ExportFormat, ...]:
        """All formats."""
        return tuple(EXPORTS.values())

    def write(self, name: str, out: Path) -> tuple[Failure, ...]:
        """Write events and labels in a format, whole or not at all.

        Returns:
            Videos that cannot be read and were left out.

        Raises:
            UsageError: there is no such format, or nothing to write in it.
            VideoError: it needs the videos, and none of them can be read.
            StorageError: the file cannot be written.
        """
        if name not in EXPORTS:
            raise UsageError(f"there is no format {name!r}; choose one of {', '.join(EXPORTS)}")
        return EXPORTS[name].write(self.library, out) or ()
