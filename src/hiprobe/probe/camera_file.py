"""`calibration.json` in a probe folder: the thresholds that normal footage of cameras gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiprobe.calibration import AlarmPromise
from hiprobe.documents.checked import file_sha256, read_json
from hiprobe.documents.probe_schemas import CalibrationDocument
from hiprobe.errors import ProbeFolderError
from hiprobe.localize import Smoothing
from hiprobe.store.atomic import alone_in_new
from hiprobe.store.text_files import json_text, write_text

CALIBRATION_NAME = "calibration.json"
FORMAT = "hiprobe-calibration"
VERSION = 1
PROBE_NAME = "probe.json"


@dataclass(frozen=True, kw_only=True)
class CalibratedCamera:
    """What normal footage of one camera gave.

    Attributes:
        promise: the threshold, and what it promises.
        maxima: highest causal score of each block, in order of time, for telling drift.
        ema_weight: of the exponential mean that smoothed the scores.
        segment_seconds, segment_frames: length of a segment; None for both for what the probe was
            fitted with.
        hop_seconds: how often one begins; None for what the probe was fitted with.
        skip_still: whether still segments had the score of the one before; `detect` reads so too.
        footage: where the states of each file lie, in order of time: the key in the cache, or the
            path of a file of states. Empty where they were not kept.
    """

    promise: AlarmPromise
    maxima: tuple[float, ...]
    ema_weight: float
    segment_seconds: float | None = None
    segment_frames: int | None = None
    hop_seconds: float | None = None
    skip_still: bool = False
    footage: tuple[str, ...] = ()

    @property
    def smoothing(self) -> Smoothing:
        """The smoothing that the threshold was calibrated with."""
        return Smoothing(kind="ema", ema_weight=self.ema_weight)


def write_camera(folder: Path, name: str, camera: CalibratedCamera) -> None:
    """Keep a camera's calibration in a probe folder; others of the same probe stay.

    Args:
        name: of the camera; its earlier calibration is replaced.

    Raises:
        ProbeFolderError: the file that is there is damaged or of another version.
        StorageError: it cannot be written.
    """
    with alone_in_new(folder):  # two cameras calibrated at once: both are kept
        digest = file_sha256(folder / PROBE_NAME)
        known = _read(folder)
        # thresholds for a probe that was here before mean nothing for this one: they go
        cameras = known["cameras"] if known is not None and known["probe_sha256"] == digest else {}
        _write(folder, {**cameras, name: asdict(camera)})


def carry_cameras(source: Path, target: Path) -> None:
    """Keep the calibrations of a probe for one that gives the same scores at another threshold.

    Raises:
        ProbeFolderError: they are damaged or of another version.
        StorageError: they cannot be written.
    """
    found = read_cameras(source)
    if found:
        _write(target, {name: asdict(camera) for name, camera in found.items()})


def _write(folder: Path, cameras: Mapping[str, Any]) -> None:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "probe_sha256": file_sha256(folder / PROBE_NAME),
        "cameras": cameras,
    }
    write_text(folder / CALIBRATION_NAME, json_text(document, indent=1) + "\n")


def read_cameras(folder: Path) -> dict[str, CalibratedCamera]:
    """All calibrations of the probe that lies in a folder now; none where it was fitted again.

    Raises:
        ProbeFolderError: the file is damaged or of another version.
    """
    document = _read(folder)
    if document is None or document["probe_sha256"] != file_sha256(folder / PROBE_NAME):
        return {}
    return {name: _camera(values) for name, values in sorted(document["cameras"].items())}


def read_camera(folder: Path, name: str) -> CalibratedCamera:
    """A camera's calibration.

    Raises:
        ProbeFolderError: there is none of that name, it was made for a probe that lay here before,
            or the file is damaged or of another version.
    """
    document = _read(folder)
    known: Mapping[str, Any] = {} if document is None else document["cameras"]
    remedy = f"calibrate it: hiprobe calibrate {folder} FOOTAGE --camera {name}"
    if document is None or name not in known:
        there = f"; there are {', '.join(sorted(known))}" if known else ""
        raise ProbeFolderError(f"{folder} knows no camera {name!r}{there}; {remedy}")
    # By its bytes and not its date, so that a copied folder keeps its calibrations.
    if document["probe_sha256"] != file_sha256(folder / PROBE_NAME):
        raise ProbeFolderError(
            f"camera {name!r} was calibrated before the probe in {folder} was fitted again, and "
            f"its threshold means nothing for the new one; {remedy}"
        )
    return _camera(known[name])


def _camera(found: Mapping[str, Any]) -> CalibratedCamera:
    return CalibratedCamera(
        promise=AlarmPromise(**found["promise"]),
        maxima=tuple(found["maxima"]),
        ema_weight=found["ema_weight"],
        segment_seconds=found["segment_seconds"],
        # what is asked for by `get` came later: files of earlier versions lack it
        segment_frames=found.get("segment_frames"),
        hop_seconds=found.get("hop_seconds"),
        skip_still=found.get("skip_still", False),
        footage=tuple(found.get("footage", ())),
    )


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / CALIBRATION_NAME
    try:
        document: dict[str, Any] = read_json(path, CalibrationDocument, names=True)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ValueError(f"format {document['format']}, version {document['version']}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise ProbeFolderError(
            f"{path} is damaged or of another version ({error}); remove it and calibrate again"
        ) from error
    return document
