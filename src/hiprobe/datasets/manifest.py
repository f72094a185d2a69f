"""Manifests: what a data set holds, in one table that every command takes.

A manifest is a table of whole videos, as `hiprobe data check` writes it. Any table of labelled
videos that has no stretches can be read as one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast, get_args

from hiprobe.datasets.clips import LabelledClip, looks_normal
from hiprobe.datasets.stretches import Spans
from hiprobe.datasets.table_text import TableRow, TextTable, read_table
from hiprobe.datasets.video_tables import MANIFEST_COLUMNS, SET_COLUMNS, video_and_class
from hiprobe.documents.arrays import read_parquet_table
from hiprobe.documents.checked import DocumentError, check_schema, parse_json
from hiprobe.documents.schemas import ManifestAbout, ManifestCells
from hiprobe.errors import EvaluationError, LabelError, UsageError
from hiprobe.evaluation.frame_scores import MAX_FRAMES
from hiprobe.evaluation.truth import NORMAL, EndConvention, Truth, VideoTruth
from hiprobe.names import absolute, path_text, text_path
from hiprobe.store.atomic import atomic_path
from hiprobe.store.text_files import path_cell, write_rows

FORMAT = "hiprobe-manifest"
VERSION = 1
SUFFIXES = (".csv", ".parquet")

# Where a Parquet file holds the facts of the set, in the metadata of its schema.
_KEY = b"hiprobe"

_OTHER_VERSION = (
    f"{{}} is {{}}; this version reads {FORMAT} {VERSION}: write it again with `hiprobe data check`"
)

# Empty where a data set has no split.
SPLITS = ("", "train", "val", "test")


@dataclass(frozen=True)
class ManifestRow:
    """One video of a data set: where it is, what happens in it and when.

    Attributes:
        video: path of the file (or, where a set ships so, of the folder with its frames).
        name: what the published lists call it; joins it to truth and scores.
        class_name: what happens in it, as the data set says it; several joined by `+`.
        label: 0 normal, 1 anomalous.
        split: one of `SPLITS`.
        source: the recording it comes from; folds and subsets never split a source.
        frame_count: frames that the video has; None where nobody has counted.
        fps: frames a second; None where unknown.
        spans: abnormal stretches, half-open, in frames counted from 0. A normal video has none;
            an anomalous one without any is not annotated.
    """

    video: Path
    name: str
    class_name: str
    label: int
    split: str = ""
    source: str = ""
    frame_count: int | None = None
    fps: float | None = None
    spans: Spans = ()

    def __post_init__(self) -> None:
        if not self.name or not self.class_name:
            raise LabelError(f"{self.video}: name {self.name!r}, class {self.class_name!r}: empty")
        if self.label not in (0, 1) or self.split not in SPLITS:
            raise LabelError(
                f"{self.name}: label {self.label!r}, split {self.split!r}; labels are 0 (normal) "
                "and 1 (anomalous), splits train, val, test or empty"
            )
        if self.frame_count is not None and not 1 <= self.frame_count <= MAX_FRAMES:
            raise LabelError(
                f"{self.name}: {_short(self.frame_count)} frames; a video has 1 to {MAX_FRAMES:,}"
            )
        if "\0" in str(self.video):
            raise LabelError(f"{self.name}: {str(self.video)!r} cannot be the name of a file")
        if self.fps is not None and not (isfinite(self.fps) and self.fps > 0):
            raise LabelError(f"{self.name}: {self.fps} frames a second; it must be above 0")
        self._check_spans()
        if not self.source:
            # the only way to fill in a field of a frozen dataclass; without a source each video is
            # its own
            object.__setattr__(self, "source", self.name)

    def _check_spans(self) -> None:
        if self.spans and not self.label:
            raise LabelError(f"{self.name} is normal, but has abnormal spans; correct one of them")
        # an unknown count is no licence for any span: a number of thousands of digits would end up
        # in arrays
        most = MAX_FRAMES if self.frame_count is None else self.frame_count
        for start, end in self.spans:
            if not 0 <= start < end <= most:
                raise LabelError(
                    f"{self.name}: span {_short(start)}-{_short(end)} does not fit into "
                    f"{'an unknown number of' if self.frame_count is None else self.frame_count} "
                    "frames; spans are half-open and count from 0"
                )

    @property
    def annotated(self) -> bool:
        """Whether it is known which frames are abnormal."""
        return not self.label or bool(self.spans)

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes one by one; `("normal",)` for a normal video."""
        return tuple(self.class_name.split("+")) if self.label else (NORMAL,)


@dataclass(frozen=True)
class Manifest:
    """All videos of one data set, in a fixed order.

    Attributes:
        dataset: name, such as `ucf-crime`.
        rows: each with its own name and its own path.
        span_set: which of the published sets of spans was taken.
        end: how the published spans were read when they were made half-open.
        note: how these rows were chosen, such as the seed of a draw.
    """

    dataset: str
    rows: tuple[ManifestRow, ...]
    span_set: str = "official"
    end: EndConvention = "half-open"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.rows:
            raise LabelError(f"the manifest of {self.dataset} has no rows; a set has videos")
        for what, values in (
            # a name may come again in another split: UBnormal and XD-Violence number each split by
            # itself
            ("name", [(r.split, r.name) for r in self.rows]),
            ("video", [str(r.video) for r in self.rows]),
        ):
            twice = [v for v, count in Counter(values).items() if count > 1]
            if twice:
                raise LabelError(f"the manifest of {self.dataset} has {what} {twice[0]!r} twice")

    def split(self, *names: str) -> tuple[ManifestRow, ...]:
        """Rows of these splits, in order."""
        return tuple(r for r in self.rows if r.split in names)


def _short(number: int) -> str:
    """A whole number as text; Python refuses to write one of thousands of digits."""
    return str(number) if abs(number) < 10**20 else "more than 10^20"


def read_manifest(*, path: Path | str) -> Manifest:
    """A manifest of a `.parquet` or `.csv` file, or of a folder with a `manifest.csv`.

    Paths in it are relative to the file. Any table with the columns `video` and
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
    rows = [_cells(row, folder) for row in manifest.rows]
    about = {
        "dataset": manifest.dataset,
        "span_set": manifest.span_set,
        "end": manifest.end,
        "note": manifest.note,
    }
    with atomic_path(file) as temporary:
        if file.suffix.lower() == ".parquet":
            _write_parquet(temporary, rows, {"format": FORMAT, "version": VERSION, **about})
        else:
            _write_csv(temporary, rows, (*about.values(), f"{FORMAT} {VERSION}"))


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
        # sorted, so that of two rates that are equally frequent always the same one is taken
        fps=max(sorted(set(rates)), key=rates.count) if rates else 30.0,
        source=f"manifest; the ends of its spans were read as {manifest.end}",
        split=split or "",
    )


def _cells(row: ManifestRow, folder: Path) -> dict[str, Any]:
    """A row by `MANIFEST_COLUMNS`; a video below `folder` is named relative to it."""
    full = absolute(row.video)
    # with forward slashes, so that a manifest written on Windows is read elsewhere
    video = full.relative_to(folder).as_posix() if full.is_relative_to(folder) else full
    return {
        "video": path_text(video),
        "name": row.name,
        "split": row.split,
        "class": row.class_name,
        "label": row.label,
        "source": row.source,
        "frames": row.frame_count,
        "fps": row.fps,
        "spans": row.spans,
    }


def read_csv(path: Path) -> Manifest:
    """A manifest, or anyone's table with the columns `video` and `label`.

    In such a table `label` may be a class name; what is absent is unknown.

    Raises:
        LabelError: it cannot be read, is of another version, or contradicts itself.
    """
    table = read_table(path)
    there = set(table.columns)
    if "video" not in there or not {"label", "class"} & there:
        raise LabelError(
            f"{path} has the columns {', '.join(table.columns) or 'none'}; a manifest needs video "
            f"and label, and may have {', '.join(MANIFEST_COLUMNS)}"
        )
    # a stretch read as a whole video would give the whole of it the stretch's label
    if {"start_seconds", "end_seconds"} & there:
        raise LabelError(
            f"{path} lists stretches of videos; a manifest lists whole videos, with `spans` in "
            "frames. `hiprobe fit` takes such a table as it is"
        )
    rows = tuple(_row_of_csv(row, table) for row in table.rows)
    about = {}
    for name in SET_COLUMNS:
        values = {row.cells.get(name, "") for row in table.rows}
        if len(values) > 1:
            raise LabelError(f"{path}: the column {name} must be the same in every row: {values}")
        about[name] = values.pop() if values else ""
    if about["format"] not in ("", f"{FORMAT} {VERSION}"):
        raise LabelError(_OTHER_VERSION.format(path, repr(about["format"])))
    end = about["end"] or "half-open"
    if end not in get_args(EndConvention):
        raise LabelError(f"{path}: end is {end!r}; it is inclusive or half-open")
    return Manifest(
        dataset=about["dataset"] or (path.parent.name if path.stem == "manifest" else path.stem),
        rows=rows,
        span_set=about["span_set"] or "official",
        end=cast(EndConvention, end),
        note=about["note"],
    )


def _row_of_csv(row: TableRow, table: TextTable) -> ManifestRow:
    where, cells = table.where(row), row.cells
    video, class_name, label = video_and_class(row, table, class_is_enough=True)
    try:
        return ManifestRow(
            video=video,
            name=cells.get("name", "") or Path(cells["video"]).with_suffix("").as_posix(),
            class_name=class_name,
            label=int(not looks_normal(class_name)) if label is None else label,
            split=cells.get("split", ""),
            source=cells.get("source", ""),
            frame_count=int(cells["frames"]) if cells.get("frames") else None,
            fps=float(cells["fps"]) if cells.get("fps") else None,
            spans=_spans_of_text(cells.get("spans", ""), where=where),
        )
    except ValueError as error:
        raise LabelError(f"{where}: {error}; frames and fps are numbers or empty") from error
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from error


def _spans_of_text(text: str, *, where: str) -> Spans:
    """Spans of `60-180;200-220`; spaces may stand between them too."""
    # spreadsheets and people separate them in either way
    parts = (part.partition("-") for part in text.replace(";", " ").split())
    try:
        return tuple((int(start), int(end)) for start, _, end in parts)
    except ValueError:
        raise LabelError(
            f"{where}: spans {text!r}; write them in frames, as 60-180;200-220"
        ) from None


def _write_csv(path: Path, rows: Sequence[dict[str, Any]], about: Sequence[str]) -> None:
    def text(column: str, value: Any) -> str | int:
        if column == "video":
            return path_cell(value)
        if column == "spans":
            return ";".join(f"{start}-{end}" for start, end in value)
        if column in ("frames", "fps"):
            # Frame rates such as 30000/1001 keep the digits by which times are computed.
            return "" if value is None else f"{value:.10g}"
        found: str | int = value
        return found

    lines = ((*(text(name, cells[name]) for name in MANIFEST_COLUMNS), *about) for cells in rows)
    write_rows(path, (*MANIFEST_COLUMNS, *SET_COLUMNS), lines, line_end="\n")


def read_parquet(path: Path) -> Manifest:
    """A manifest that `write_manifest` wrote as Parquet.

    Raises:
        LabelError: it cannot be read, is no manifest or of another version.
    """
    try:
        table = read_parquet_table(path)
    except (OSError, DocumentError) as error:
        raise LabelError(f"cannot read {path} as Parquet: {error}") from error
    try:
        about: dict[str, Any] = parse_json(table.metadata.get(_KEY, b"{}"), dict[str, Any])
    # no JSON in it: anyone's Parquet file, about which the version's message below says what it
    # lacks
    except DocumentError:
        about = {}
    if (about.get("format"), about.get("version")) != (FORMAT, VERSION):
        found = f"{about.get('format', 'no manifest')} {about.get('version', '')}".strip()
        raise LabelError(_OTHER_VERSION.format(path, found))
    try:
        check_schema(about, ManifestAbout)
        rows = tuple(_row_of_parquet(cells, path) for cells in table.rows)
        return Manifest(
            about["dataset"], rows, about["span_set"], about["end"], about.get("note", "")
        )
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LabelError(f"{path} lacks a column, or holds another type: {error}") from error


def _row_of_parquet(cells: Mapping[str, Any], path: Path) -> ManifestRow:
    check_schema(cells, ManifestCells)
    return ManifestRow(
        video=path.parent / text_path(cells["video"]),
        name=cells["name"],
        class_name=cells["class"],
        label=cells["label"],
        split=cells["split"],
        source=cells["source"],
        frame_count=cells["frames"],
        fps=cells["fps"],
        spans=tuple((span["start"], span["end"]) for span in cells["spans"]),
    )


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    span = pa.struct([("start", pa.int64()), ("end", pa.int64())])
    types = {
        # types are given: a column of nothing but None would else have none, and be read as another
        # table's
        "label": pa.int8(),
        "frames": pa.int64(),
        "fps": pa.float64(),
        "spans": pa.list_(span),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in MANIFEST_COLUMNS])
    schema = schema.with_metadata({_KEY: json.dumps(about).encode()})
    plain = [
        {**cells, "spans": [{"start": start, "end": end} for start, end in cells["spans"]]}
        for cells in rows
    ]
    with path.open("wb") as file:  # the library takes no path that is not UTF-8
        pq.write_table(pa.Table.from_pylist(plain, schema=schema), file)
