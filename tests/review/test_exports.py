"""Labels leave a review, and another one takes them in."""

import csv
import json
from pathlib import Path

import pytest
from results_folder import write_result

from hiprobe.errors import UsageError
from hiprobe.review.exports import LibraryExports
from hiprobe.review.library import Library


def exported(library: Library, out: Path) -> dict[str, object]:
    LibraryExports(library).write("json", out)
    found: dict[str, object] = json.loads(out.read_text())
    return found


def test_another_review_takes_the_labels_in_once(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"content")
    (tmp_path / "copy.mp4").write_bytes(b"content")
    write_result(tmp_path / "r", video=str(tmp_path / "a.mp4"))
    write_result(tmp_path / "other", video=str(tmp_path / "copy.mp4"))
    with Library.open([tmp_path / "r"]) as library:
        event = library.events(sort="time").events[1]
        library.label(
            event_id=event.id, kind="class", class_name="fall", note="=1+1", reviewer="ann"
        )
        library.label(
            video_id=event.video_id, start_seconds=0, end_seconds=1, kind="normal", reviewer="bob"
        )
        document = exported(library, tmp_path / "out.json")
        LibraryExports(library).write("csv", tmp_path / "out.csv")
        own = library.labels()
    with Library.open([tmp_path / "other"]) as other:
        assert other.import_labels(document, "eve") == 2
        assert other.import_labels(document, "eve") == 0
        assert [(one.id, one.reviewer) for one in other.labels()] == [
            (one.id, one.reviewer) for one in own
        ]
        fall = other.events(sort="time").events[1].label
        assert fall is not None and fall.class_name == "fall"
        assert other.videos()[0].name == "copy.mp4"
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["", "class", "normal"]
    assert rows[1]["note"] != "=1+1"  # no spreadsheet takes it for a formula


def test_labels_of_unknown_videos_are_kept(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    write_result(tmp_path / "other", video="in/b.mp4")
    with Library.open([tmp_path / "r"]) as library:
        library.label(event_id=library.events().events[0].id, kind="normal", reviewer="ann")
        document = exported(library, tmp_path / "out.json")
    with Library.open([tmp_path / "other"]) as other:
        assert other.import_labels(document, "eve") == 1
        assert len(other.labels()) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other"}, "labels export"),
        ({"version": 9}, "version 9"),
        ({"labels": [{"video": 3}]}, "damaged"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        document = exported(library, tmp_path / "out.json") | change
        with pytest.raises(UsageError, match=told):
            library.import_labels(document, "eve")
        with pytest.raises(UsageError, match="json, csv"):
            LibraryExports(library).write("xml", tmp_path / "x")
