"""Check a data set on disk against what is published of it, and make its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hiprobe.datasets.catalog import FOLDER, known_set
from hiprobe.datasets.compare import compare_all
from hiprobe.datasets.files_found import Found, find_all
from hiprobe.datasets.findings import CheckReport, by_kind
from hiprobe.datasets.known import KnownSet
from hiprobe.datasets.lists import published
from hiprobe.datasets.manifest_row import Manifest
from hiprobe.datasets.measured_file import kept_file, measure_all
from hiprobe.datasets.rows import build_rows
from hiprobe.datasets.sort_out import sort_out
from hiprobe.errors import DatasetError
from hiprobe.evaluation.truth import EndConvention
from hiprobe.path_text import shown
from hiprobe.pipeline.progress import Progress


def check_dataset(
    name: str,
    root: Path | str,
    *,
    quick: bool = False,
    spans: str | None = None,
    end: EndConvention | None = None,
    splits: Sequence[str] = (),
    kept: Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> CheckReport:
    """Look at every video of a data set.

    Args:
        name: one of `known_sets()`, or another name of it.
        root: the folder it lies in; files are found by name at any depth.
        quick: count packets instead of decoding; see `measure`.
        spans: set of spans, `official` or (UCF-Crime) `alternative`.
        end: how published end frames are read; None takes the set's own convention.
        splits: look at these only; empty for all.
        kept: folder for measurements, so that a check goes on where it was interrupted; None
            takes the user's cache.
        say: told how many files are passed over, since HiProbe wrote them.

    Raises:
        UsageError: no such data set.
        DatasetError: `root` holds nothing of it.
    """
    from hiprobe.settings import cache_folder

    known, folder = known_set(name), Path(root)
    facts = published(known, folder, spans=spans, end=end)
    files = find_all(folder, say=say)
    sorted_out = sort_out(known, folder, files, facts, splits=splits)
    if not sorted_out.entries:
        raise DatasetError(*_nothing(known, folder, files).split("\n"))
    measured = measure_all(
        [e.found for e in sorted_out.entries],
        kept=kept_file(folder, folder=kept or cache_folder() / "data-checks"),
        quick=quick,
        progress=progress,
    )
    rows, findings = build_rows(known, folder, sorted_out.entries, measured, facts)
    findings += sorted_out.findings
    findings += compare_all(known, rows, measured, sorted_out, facts, splits=splits)
    manifest = Manifest(known.name, tuple(rows), facts.span_set, facts.end) if rows else None
    return CheckReport(
        manifest=manifest,
        findings=by_kind(findings),
        folders=Counter(_first_folder(e.found) for e in sorted_out.entries),
        counts=Counter(e.split for e in sorted_out.entries),
        published={s: n for s, n in facts.counts.items() if not splits or s in splits},
        quick=quick,
    )


def _first_folder(found: Found) -> str:
    return found.relative.parts[0] if len(found.relative.parts) > 1 else "."


def _nothing(known: KnownSet, root: Path, files: Sequence[Found]) -> str:
    pictures = sum(bool(f.pictures) for f in files)
    extracts = (
        f" ({pictures} are folders of pictures: extracts that mix videos or keep every tenth frame "
        "are in circulation, and cannot stand for the videos)"
    )
    place = "\n  ".join(known.place).replace("ROOT", str(root))
    there = ", ".join(shown(f.relative) for f in files[:3])
    return (
        f"{root} holds nothing of {known.title}: none of its {len(files)} videos is named as "
        f"there{extracts if pictures else ''}{f'; it has {there}' if there else ''}.\n"
        f"The set is had at {known.ask}, and placed as\n  {place}\n"
        f"Videos in folders of your own: hiprobe data check {FOLDER} {root}"
    )
