"""What `hiprobe data` prints."""

from __future__ import annotations

import re
from collections import Counter

from hiprobe.cli.terminal import echo
from hiprobe.cli.text import print_table
from hiprobe.datasets.catalog import known_sets
from hiprobe.datasets.findings import EXIT_WORDS, HEADINGS, SHORT, CheckReport, Finding
from hiprobe.datasets.manifest_row import Manifest
from hiprobe.path_text import shown


def list_rows() -> list[tuple[str, ...]]:
    """A row for each known data set."""
    rows = []
    for known in known_sets():
        counts = [str(known.counts.get(s, "-")) for s in ("train", "val", "test")]
        if "" in known.counts:
            counts = ["-", "-", f"{known.counts['']} in all"]
        spans = f"{known.truth_split} split, as {known.truth}" if known.truth else "none"
        names = " or ".join((known.name, *known.aliases))
        rows.append((names, *counts, spans, known.title))
    return rows


def print_report(report: CheckReport, *, limit: int | None) -> None:
    """Counts, then findings by kind, `limit` of each; faults before remarks; the verdict last."""
    _print_counts(report)
    for kind, heading in HEADINGS.items():
        found = report.of(kind)
        if found:
            _print_findings(heading, found, limit)
    if report.manifest is not None:
        _print_remarks(report.manifest)
    _print_verdict(report)


def _print_findings(heading: str, found: tuple[Finding, ...], limit: int | None) -> None:
    word = "" if found[0].is_fault else "remark: "
    echo(f"\n{word}{heading}: {len(found)}{_by_split(found)}")
    for f in found[:limit]:
        echo(shown(f"  {f.video}: {f.text}" if f.video not in f.text else f"  {f.text}"))
    if limit is not None and len(found) > limit:
        echo(f"  and {len(found) - limit} more (--all lists them)")
    if found[0].kind == "frames":
        echo(f"  in short: {_in_short(found)}")


def _by_split(found: tuple[Finding, ...]) -> str:
    """How many of the missing videos belong to each split."""
    words = Counter(f.text.split()[0] for f in found if f.text.endswith("of the published list"))
    return f" ({', '.join(f'{n} {split}' for split, n in words.items())})" if words else ""


def _print_remarks(manifest: Manifest) -> None:
    rows = manifest.rows
    pictures = sum(r.video.is_dir() for r in rows)
    if pictures:
        echo(
            f"\n{pictures} videos are folders of pictures; `hiprobe data pack` makes video files "
            "of them, which the other commands read"
        )
    if any(r.label for r in rows) and not any(r.spans for r in rows):
        echo(
            "\nno abnormal frames are known here: the videos can be fitted on and tested as whole "
            "clips; frame-level metrics need spans"
        )
    spans = manifest.span_set
    if any(r.spans for r in rows):
        end = "included" if manifest.end == "inclusive" else "not included"
        echo(f"\nspans: {spans}, end frames {end}; half-open from 0 in the manifest")


def _print_verdict(report: CheckReport) -> None:
    faults = Counter(f.kind for f in report.findings if f.is_fault)
    total = sum(faults.values())
    how = "packets counted, not every frame decoded" if report.quick else "every frame decoded"
    kinds = ", ".join(f"{SHORT[kind]} ({n})" for kind, n in faults.items())
    number = "1 fault" if total == 1 else f"{total} faults"
    echo(f"\n{f'{number}: {kinds}' if total else 'no faults'} ({how})")
    if report.exit_code:
        echo(f"exit code {report.exit_code}: {EXIT_WORDS[report.exit_code]}")


def print_classes(manifest: Manifest) -> None:
    """Videos by class."""
    counts = Counter((r.label, r.class_name) for r in manifest.rows)
    rows = [
        (name, "anomalous" if label else "normal", str(n))
        for (label, name), n in sorted(counts.items())
    ]
    print_table(("class", "kind", "videos"), rows)


def _print_counts(report: CheckReport) -> None:
    splits = [
        s for s in ("train", "val", "test", "") if s in report.counts or s in report.published
    ]
    rows = []
    for split in splits:
        own = [r for r in (report.manifest.rows if report.manifest else ()) if r.split == split]
        rows.append(
            (
                split or "no split",
                str(report.counts.get(split, 0)),
                str(report.published.get(split, "-")),
                str(sum(not r.label for r in own)),
                str(sum(r.label for r in own)),
                str(sum(bool(r.spans) for r in own)),
                f"{sum((r.frame_count or 0) / r.fps for r in own if r.fps) / 3600:.2f}",
                str(sum(r.frame_count or 0 for r in own)),
                str(sum(b - a for r in own for a, b in r.spans)),
            )
        )
    head = ("split", "videos", "published", "normal", "anomalous", "with spans", "hours", "frames")
    print_table((*head, "abnormal frames"), rows)
    places = ", ".join(f"{shown(name)} ({n})" for name, n in sorted(report.folders.items())[:12])
    more = len(report.folders) - 12
    echo(f"folders: {places}{f' and {more} more' if more > 0 else ''}")


def _in_short(found: tuple[Finding, ...]) -> str:
    """How many videos differ by how much."""
    steps = Counter(m[1] for f in found if (m := re.search(r"\(([+-]\d+)\)", f.text)))
    return ", ".join(f"{n} by {step}" for step, n in steps.most_common(5))
