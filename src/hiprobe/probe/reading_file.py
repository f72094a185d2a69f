"""`reading.json` in a probe folder: what `hiprobe fit` read and what it left out, for people.

How the clips were read stands in `probe.json`, which `Probe.save` writes; in folders of earlier
versions it stands here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import read_json
from hiprobe.documents.probe_schemas import ReadingDocument
from hiprobe.errors import ProbeFolderError, UsageError
from hiprobe.objects import remove_file
from hiprobe.provenance import Provenance
from hiprobe.segment import Cut
from hiprobe.spec import BackboneSpec
from hiprobe.store.text_files import json_text, write_text

FILE_NAME = "reading.json"
FORMAT = "hiprobe-reading"
VERSION = 1


@dataclass(frozen=True)
class ReadingRecord:
    """What `hiprobe fit` read.

    Attributes:
        backbone: name or folder, as the user gave it.
        segment_seconds: None for segments of 24 frames.
        failures: clips that could not be used, as file and reason; for people and scripts.
    """

    backbone: str
    segment_seconds: float | None
    failures: tuple[tuple[str, str], ...] = ()


def write_record(folder: Path, record: ReadingRecord) -> None:
    """Write the record into a probe folder.

    Raises:
        StorageError: the folder cannot be written.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "backbone": record.backbone,
        "segment_seconds": record.segment_seconds,
        "failures": [{"video": video, "reason": reason} for video, reason in record.failures],
    }
    write_text(folder / FILE_NAME, json_text(document, indent=1) + "\n")


def recorded_provenance(folder: Path) -> Provenance | None:
    """How the clips of a probe of an earlier version were read; None where nothing says it.

    Raises:
        ProbeFolderError: the record is damaged or of another version.
    """
    record = read_record(folder)
    if record is None:
        return None
    # all that those versions wrote down; for the rest the defaults are the best guess
    backbone = BackboneSpec(record.backbone)
    try:
        return Provenance(backbone=backbone, cut=Cut(segment_seconds=record.segment_seconds))
    except UsageError as error:
        raise ProbeFolderError(f"{folder / FILE_NAME} is damaged: {error}") from error


def remove_record(folder: Path) -> None:
    """Remove the record of a probe folder, if there is one.

    Raises:
        StorageError: it cannot be removed.
    """
    remove_file(folder / FILE_NAME)


def read_record(folder: Path) -> ReadingRecord | None:
    """The record of a probe folder; None where the probe was saved from Python, without one.

    Raises:
        ProbeFolderError: the record is damaged or of another version.
    """
    path = folder / FILE_NAME
    try:
        document: dict[str, Any] = read_json(path, ReadingDocument, names=True)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ValueError(f"format {document['format']}, version {document['version']}")
        seconds = document["segment_seconds"]
        return ReadingRecord(
            backbone=str(document["backbone"]),
            segment_seconds=None if seconds is None else float(seconds),
            # records of the first releases have no such list
            failures=tuple((f["video"], f["reason"]) for f in document.get("failures", ())),
        )
    # no error: `Probe.save` from Python writes no record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProbeFolderError(
            f"{path} is damaged or of another version ({error}); fit the probe again"
        ) from error
