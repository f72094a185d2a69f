"""What `hiprobe data` prints."""

from __future__ import annotations

import re
from collections import Counter

import click

from hiprobe.cli.text import print_table
from hiprobe.datasets.catalog import known_sets
from hiprobe.datasets.findings import HEADINGS, CheckReport, Finding
from hiprobe.datasets.manifest_row import Manifest


def list_rows() -> list[tuple[str, ...]]:
    """A row for each known data set."""
    rows = []
    for known in known_sets():
        counts = [str(known.counts.get(s, "-")) for s in ("train", "val", "test")]
        if "" in known.counts:
            counts = ["-", "-", f"{known.counts['']} in all"]
        spans = f"{known.truth_split} split" if known.truth else "none"
        names = " or ".join((known.name, *known.aliases))
        rows.append((names, *counts, spans, known.title))
    return rows


def print_report(report: CheckReport, *, limit: int | None) -> None:
    """Counts, then findings by kind, `limit` of each; faults before remarks."""
    _print_counts(report)
    for kind, heading in HEADINGS.items():
        found = report.of(kind)
        if not found:
            continue
        word = "" if found[0].is_fault else "remark: "
        click.echo(f"\n{word}{heading}: {len(found)}")
        for f in found[:limit]:
            click.echo(f"  {f.video}: {f.text}" if f.video not in f.text else f"  {f.text}")
        if limit is not None and len(found) > limit:
            click.echo(f"  and {len(found) - limit} more (--all lists them)")
        if kind == "frames":
            click.echo(f"  in short: {_in_short(found)}")
    folders = sum(r.video.is_dir() for r in (report.manifest.rows if report.manifest else ()))
    if folders:
        click.echo(
            f"\n{folders} videos are folders of pictures; `hiprobe data pack` makes video files "
            "of them, which the other commands read"
        )
    faults = sum(f.is_fault for f in report.findings)
    how = "packets counted, not every frame decoded" if report.quick else "every frame decoded"
    click.echo(f"\n{'no faults' if not faults else f'{faults} faults'} ({how})")


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
                str(sum(r.frame_count or 0 for r in own)),
                str(sum(b - a for r in own for a, b in r.spans)),
            )
        )
    head = ("split", "videos", "published", "normal", "anomalous", "with spans", "frames")
    print_table((*head, "abnormal frames"), rows)
    places = ", ".join(f"{name} ({n})" for name, n in sorted(report.folders.items())[:12])
    more = len(report.folders) - 12
    click.echo(f"folders: {places}{f' and {more} more' if more > 0 else ''}")


def _in_short(found: tuple[Finding, ...]) -> str:
    """How many videos differ by how much."""
    steps = Counter(m[1] for f in found if (m := re.search(r"\(([+-]\d+)\)", f.text)))
    return ", ".join(f"{n} by {step}" for step, n in steps.most_common(5))
