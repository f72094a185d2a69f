"""Rows of the manifest: what was found and read, with what is published of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from hiprobe.datasets.files_found import Found
from hiprobe.datasets.findings import Finding
from hiprobe.datasets.known import KnownSet
from hiprobe.datasets.lists import Published
from hiprobe.datasets.manifest_row import ManifestRow, Spans
from hiprobe.datasets.measure import Measured, frame_seconds
from hiprobe.datasets.own_spans import (
    NAME,
    OwnSpan,
    OwnSpans,
    beyond_words,
    read_own_spans,
    to_frames,
)
from hiprobe.datasets.sort_out import Entry
from hiprobe.datasets.video_facts import VideoFacts
from hiprobe.path_text import path_text, text_path


def build_rows(
    known: KnownSet,
    root: Path,
    entries: Sequence[Entry],
    measured: Mapping[Found, Measured],
    facts: Published,
) -> tuple[list[ManifestRow], list[Finding]]:
    """A row for each video that can be read, and what does not fit.

    Spans are those published, cut at the last frame that the file has.

    Raises:
        LabelError: the user's own spans cannot be read.
    """
    own = read_own_spans(root) if known.truth is None else {}
    rows: list[ManifestRow] = []
    findings = [
        Finding("missing", name, f"{NAME} names it")
        for name in own
        if not (root / text_path(name)).exists()
    ]
    for entry in entries:
        read, where = measured[entry.found], path_text(str(entry.found.relative))
        if read.frame_count is None:
            findings.append(Finding("unreadable", where, read.problem))
            continue
        stated = _stated(entry, facts)
        findings += _of_frames(where, read, stated)
        spans = _spans(entry, stated, own)
        late = _beyond(spans, read, own.get(where, []))
        findings += [Finding("beyond", where, text) for text in late]
        kept = _cut(spans, read.frame_count) if entry.identity.label else ()
        if len(kept) != len(spans):
            findings.append(Finding("spans", where, _why(spans, read.frame_count, entry)))
        rows.append(_row(known, entry, read, kept))
    return rows, findings


def _row(known: KnownSet, entry: Entry, read: Measured, spans: Spans) -> ManifestRow:
    identity = entry.identity
    return ManifestRow(
        video=entry.found.path,
        name=identity.name,
        class_name=identity.class_name,
        label=identity.label,
        split=identity.split,
        source=identity.source,
        frame_count=read.frame_count,
        fps=round(read.fps, 6) if read.fps is not None else known.fps,
        spans=spans,
    )


def _stated(entry: Entry, facts: Published) -> VideoFacts | None:
    """Published frame count and spans; those of the user's manifest count as published."""
    row = entry.stated
    if row is None:
        return facts.facts.get(entry.key)
    return VideoFacts(row.frame_count, row.spans)


def _of_frames(where: str, read: Measured, stated: VideoFacts | None) -> list[Finding]:
    expected = stated.frame_count if stated else None
    found = []
    # A header may promise more than there ever was: what has its published frames is whole.
    if read.problem and read.frame_count != expected:
        found.append(Finding("damaged", where, read.problem))
    if expected is not None and read.frame_count is not None and expected != read.frame_count:
        text = f"{read.frame_count} frames, published {expected} ({read.frame_count - expected:+d})"
        found.append(Finding("frames", where, text))
    return found


def _spans(entry: Entry, stated: VideoFacts | None, own: OwnSpans) -> Spans:
    mine = own.get(path_text(str(entry.found.relative)))
    if mine:
        return to_frames(mine, cache(lambda: frame_seconds(entry.found.path)))
    return stated.spans if stated else ()


def _beyond(spans: Spans, read: Measured, own: OwnSpan) -> list[str]:
    """What of the spans ends after the video, with the numbers that were given."""
    count = read.frame_count or 0
    if own:
        return beyond_words(own, frame_count=count, seconds=count / read.fps if read.fps else None)
    return [
        f"span {start}-{end} ends after the last of {count} frames"
        for start, end in spans
        if start < count < end
    ]


def _cut(spans: Spans, frame_count: int) -> Spans:
    return tuple((a, min(b, frame_count)) for a, b in spans if a < min(b, frame_count))


def _why(spans: Spans, frame_count: int, entry: Entry) -> str:
    listed = ", ".join(f"{a}-{b}" for a, b in spans)
    if not entry.identity.label:
        return f"it is normal, but has the spans {listed}"
    return f"spans {listed} of {frame_count} frames; those that hold no frame are left out"
