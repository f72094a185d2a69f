"""Result folders of `hiprobe detect`, read as videos with their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import files_below
from hiprobe.errors import UsageError, VideoError
from hiprobe.names import text_path
from hiprobe.report.documents import FORMAT, read_document, timeline_of
from hiprobe.store.content_hash import content_hash
from hiprobe.store.text_files import RESULTS, Owner, read_owners
from hiprobe.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class ResultVideo:
    """One result: a video, its scores and what was known of it.

    Attributes:
        path: of the video, as text; absolute if the folder's register names it.
        content: SHA-256 of the video; None where it is not registered and the file is gone.
        probe: facts about the probe that scored it, as in the result file.
        truth: known events, half-open in seconds; None where they are not known.
    """

    path: str
    content: str | None
    timeline: Timeline
    probe: Mapping[str, Any]
    truth: tuple[tuple[float, float], ...] | None

    @property
    def given_threshold(self) -> float | None:
        """The threshold that `detect` was told to use; None where it used the probe's."""
        threshold = self.timeline.threshold
        return None if self.probe.get("threshold", threshold) == threshold else threshold


def result_videos(folder: Path, *, hashes: Path | None = None) -> list[ResultVideo]:
    """The results in a folder, in the order of their names.

    Args:
        hashes: folder in which hashes of files are remembered; None hashes them each time.

    Raises:
        UsageError: the folder holds no timelines, or one of them is damaged.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give one that `hiprobe detect` wrote")
    files = [file for file in files_below(folder) if file.suffix == ".json" and _is_timeline(file)]
    if not files:
        raise UsageError(f"{folder} holds no timelines; run `hiprobe detect` with --format json")
    # The folder's register of which video has which result. Folders of before it was kept, and
    # results that were copied elsewhere, have the path in the document alone.
    owners = {owner.name: owner for owner in read_owners(folder) or () if owner.kind == RESULTS}
    return [_result(file, owners.get(_name(file, folder)), hashes) for file in sorted(files)]


def _result(file: Path, owner: Owner | None, hashes: Path | None) -> ResultVideo:
    document = read_document(file)
    path = owner.video if owner else str(document["video"])
    truth = document["truth_spans"]
    return ResultVideo(
        path=path,
        content=owner.sha256 if owner else _content(text_path(path), hashes),
        timeline=timeline_of(document, path=file),
        probe=document["probe"],
        truth=None if truth is None else tuple((float(s), float(e)) for s, e in truth),
    )


def _content(path: Path, hashes: Path | None) -> str | None:
    """SHA-256 of a video; None where the file is gone, since scores can be reviewed without it."""
    try:
        return content_hash(path, remembered_in=hashes)
    except VideoError:
        return None


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix().removesuffix(".json")


def _is_timeline(file: Path) -> bool:
    """Whether a file says that it is a timeline; one of another version is refused later."""
    # Other documents lie in the folder too, and a timeline of a day has tens of megabytes. The
    # format stands at its beginning.
    with file.open("rb") as opened:
        return f'"format": "{FORMAT}"'.encode() in opened.read(4096)
