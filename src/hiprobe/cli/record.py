"""How a probe's clips were read, kept beside it so that `detect` and `fit --add` read alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.errors import ProbeFolderError
from hiprobe.store.text_files import json_text, write_text

FILE_NAME = "reading.json"
FORMAT = "hiprobe-reading"
VERSION = 1


@dataclass(frozen=True)
class ReadingRecord:
    """What the fingerprint does not hold.

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


def read_record(folder: Path) -> ReadingRecord | None:
    """The record of a probe folder; None where the probe was saved from Python, without one.

    Raises:
        ProbeFolderError: the record is damaged or of another version.
    """
    path = folder / FILE_NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ValueError(f"format {document['format']}, version {document['version']}")
        seconds = document["segment_seconds"]
        return ReadingRecord(
            backbone=str(document["backbone"]),
            segment_seconds=None if seconds is None else float(seconds),
            failures=tuple((f["video"], f["reason"]) for f in document.get("failures", ())),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProbeFolderError(
            f"{path} is damaged or of another version ({error}); fit the probe again"
        ) from error
