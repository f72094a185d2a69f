"""Manifests: what a data set holds, in one table that every command takes.

A manifest is to a data set what `LabelledClip` is to a fit and `Truth` to an evaluation: it knows
the files as well as the frames, and gives both (`manifest_clips`, `manifest_truth`).
"""

from __future__ import annotations

from pathlib import Path

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.manifest_csv import absolute, read_csv, write_csv
from hiprobe.datasets.manifest_parquet import read_parquet, write_parquet
from hiprobe.datasets.manifest_row import Manifest, ManifestRow
from hiprobe.errors import EvaluationError, LabelError, UsageError
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.path_text import path_text
from hiprobe.store.atomic import atomic_path

__all__ = [
    "Manifest",
    "ManifestRow",
    "check_suffix",
    "manifest_clips",
    "manifest_truth",
    "read_manifest",
    "write_manifest",
]

SUFFIXES = (".csv", ".parquet")


def read_manifest(*, path: Path | str) -> Manifest:
    """A manifest of a `.parquet` or `.csv` file, or of a folder with a `manifest.csv`.

    Paths in it are relative to the file. A table of one's own with the columns `video` and
    `label` is read too: see `docs/datasets.md`.

    Raises:
        LabelError: it is not there, not readable, of another version, or contradicts itself.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "manifest.csv"
    if not file.is_file():
        raise LabelError(f"{file} does not exist; `hiprobe data check` writes a manifest")
    try:
        return read_parquet(file) if file.suffix.lower() == ".parquet" else read_csv(file)
    except LabelError as error:
        if str(file) in str(error):
            raise
        raise LabelError(f"{file}: {error}") from error


def write_manifest(manifest: Manifest, *, path: Path | str) -> None:
    """Write as Parquet or CSV, by the ending of `path`, whole or not at all.

    Videos below the folder of `path` are named relative to it, so that both can be moved
    together; others by their full path.

    Raises:
        UsageError: another ending.
        StorageError: it cannot be written.
    """
    file = Path(path)
    check_suffix(file)
    folder = absolute(file.parent)
    paths = {row.video: _path_text(row.video, folder) for row in manifest.rows}
    write = write_parquet if file.suffix.lower() == ".parquet" else write_csv
    with atomic_path(file) as temporary:
        write(manifest, temporary, paths=paths)


def check_suffix(path: Path) -> None:
    """Refuse a path that does not end in .csv or .parquet.

    Raises:
        UsageError: another ending.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} ends in {path.suffix!r}; a manifest ends in .csv or .parquet")


def manifest_clips(manifest: Manifest, *, split: str | None = None) -> tuple[LabelledClip, ...]:
    """The videos as labelled clips for fitting; all of them, or those of one split."""
    return tuple(
        LabelledClip(r.video, r.label, r.class_name, r.source, None, None, r.name, r.split)
        for r in manifest.rows
        if split is None or r.split == split
    )


def manifest_truth(manifest: Manifest, *, split: str | None = None) -> Truth:
    """Frame-level truth of the videos; all of them, or those of one split.

    The nominal frame rate is the one most videos have.

    Raises:
        EvaluationError: no such videos, or one without a frame count or without spans.
    """
    rows = [r for r in manifest.rows if split is None or r.split == split]
    if not rows:
        raise EvaluationError(f"{manifest.dataset} has no videos in the split {split!r}")
    for row in rows:
        if row.frame_count is None or not row.annotated:
            lacks = "frame count" if row.frame_count is None else "spans"
            raise EvaluationError(f"{row.name} has no {lacks}; frame-level metrics need both")
    rates = [r.fps for r in rows if r.fps is not None]
    return Truth(
        name=manifest.dataset,
        videos=tuple(VideoTruth(r.name, r.frame_count or 0, r.spans, r.classes) for r in rows),
        spans=manifest.span_set,
        fps=max(sorted(set(rates)), key=rates.count) if rates else 30.0,
        source=f"manifest; the ends of its spans were read as {manifest.end}",
        split=split or "",
    )


def _path_text(video: Path, folder: Path) -> str:
    full = absolute(video)
    return path_text(full.relative_to(folder).as_posix() if full.is_relative_to(folder) else full)
