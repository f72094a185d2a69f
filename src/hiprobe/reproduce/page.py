"""Result folders joined to one page of the documentation, with copies of the pictures."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiprobe.errors import StorageError, UsageError
from hiprobe.path_text import utf8_text
from hiprobe.reproduce.document import FORMAT, VERSION, row_of
from hiprobe.reproduce.markdown import result_markdown
from hiprobe.reproduce.registry import EXPERIMENTS
from hiprobe.reproduce.result import ExperimentResult, Figure, Findings
from hiprobe.reproduce.writer import JSON_NAME
from hiprobe.store.atomic import atomic_path
from hiprobe.store.documents import read_json
from hiprobe.store.inside import inside
from hiprobe.store.schemas import ExperimentDocument

FIGURES = "figures/results"

HEAD = """# Results

<!-- Written by `hiprobe reproduce ... --docs`; run the commands below to write it anew. -->

Every table says what it was fitted and tested on, over what its intervals are, and which command
gives it. Numbers are fractions. Brackets hold 95 % intervals; "seeds" is the range of the values
of single seeds. Layer, mode and threshold are chosen inside each training fold; what was chosen
on the test data is called an oracle. Joined videos are made of short real clips: they have cuts,
and a cut is itself a change. Negative results stay in.
"""


def write_page(folders: Sequence[Path], page: Path) -> tuple[str, ...]:
    """Join all results in some folders; returns what was joined.

    Args:
        folders: each holds one folder for each experiment, as `hiprobe reproduce` leaves them.
        page: Markdown file; pictures go to `figures/results` beside it.

    Raises:
        UsageError: no folder holds a result, or one was written by another version.
        StorageError: the page cannot be written.
    """
    found = [(root, path) for root in folders for path in _results(root)]
    if not found:
        raise UsageError(f"no results in {', '.join(map(str, folders))}; run an experiment first")
    pieces = [HEAD]
    for root, folder in found:
        result = read_result(folder)
        target = f"{FIGURES}/{root.name}"
        _copy_pictures(result, folder, page.parent / target)
        pieces.append(result_markdown(_renamed(result), level=2, figures=f"{target}/"))
    with atomic_path(page) as temporary:
        temporary.write_text(utf8_text("\n".join(pieces)), encoding="utf-8")
    return tuple(f"{root.name}/{folder.name}" for root, folder in found)


def read_result(folder: Path) -> ExperimentResult:
    """What `write_result` wrote; its figures are the files beside it.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    path = folder / JSON_NAME
    try:
        document: dict[str, Any] = read_json(path, ExperimentDocument, names=True)
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {document['format']}, version {document['version']}")
        figures = tuple(Figure(f["name"], f["caption"], _drawn) for f in document["figures"])
        rows = tuple(row_of(r) for r in document["rows"])
        return ExperimentResult(
            name=document["experiment"],
            title=document["title"],
            findings=Findings(rows, figures, tuple(document["notes"])),
            command=document["command"],
            machine=document["machine"],
            backbone=document["backbone"],
            data=document["data"],
            seconds=float(document["seconds"]),
            date=document["date"],
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UsageError(f"{path} is no result of this version ({error}); run it again") from error


def _results(root: Path) -> list[Path]:
    """Folders of finished experiments, in the order of the registry."""
    order = {e.name: number for number, e in enumerate(EXPERIMENTS)}
    found = [path.parent for path in root.glob(f"*/{JSON_NAME}")]
    return sorted(found, key=lambda p: (order.get(p.name, len(order)), p.name))


def _copy_pictures(result: ExperimentResult, source: Path, target: Path) -> None:
    for figure in result.findings.figures:
        for kind in ("png", "svg"):
            picture = inside(source, f"{figure.name}.{kind}")
            copied = inside(target, f"{result.name}-{figure.name}.{kind}")
            try:
                with atomic_path(copied) as temporary:
                    shutil.copyfile(picture, temporary)
            except OSError as error:
                raise StorageError(f"cannot copy {picture}: {error}; run it again") from error


def _renamed(result: ExperimentResult) -> ExperimentResult:
    """With the names that the copied pictures have."""
    from dataclasses import replace

    figures = tuple(replace(f, name=f"{result.name}-{f.name}") for f in result.findings.figures)
    return replace(result, findings=replace(result.findings, figures=figures))


def _drawn(figure: Any, theme: Any) -> None:
    """Stands for a drawing that is a file by now."""
    raise UsageError("this figure was read back; its picture lies beside the result")
