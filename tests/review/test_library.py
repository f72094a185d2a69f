"""Results of a detection as a library with lasting events."""

from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.localize import find_events
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.review.library import Library
from hiprobe.timeline import Timeline


def write_result(folder: Path) -> Timeline:
    start, score = np.arange(6.0), np.array([0.1, 0.9, 0.8, 0.2, 0.6, 0.1])
    events = find_events(start, start + 1, score, 0.5)
    timeline = Timeline(start, start + 1, score, score, 0.5, 0.5, events)
    folder.mkdir()
    write_json(timeline_document(timeline, video="in/a.mp4", probe={}), folder / "a.json")
    write_json({"format": "other"}, folder / "run.json")
    return timeline


def test_labels_and_ids_outlast_opening_again(tmp_path: Path) -> None:
    write_result(tmp_path / "results")
    first = Library.open([tmp_path / "results"])
    (video,) = first.video_ids()
    events = first.events(video)
    assert [(e.start_seconds, e.end_seconds) for e in events] == [(1, 3), (4, 5)]
    label = first.store.add_label(
        video_id=video,
        event_id=events[1].id,
        start_seconds=4,
        end_seconds=5,
        kind="normal",
        reviewer="ann",
    )
    first.store.close()
    again = Library.open([tmp_path / "results"])
    assert [e.id for e in again.events(video)] == [e.id for e in events]
    assert again.events(video)[1].label == label
    assert again.video_path(video) == Path("in/a.mp4")
    again.store.close()


def test_another_threshold_is_tried_without_saving(tmp_path: Path) -> None:
    write_result(tmp_path / "results")
    library = Library.open([tmp_path / "results"])
    (video,) = library.video_ids()
    assert [e.start_seconds for e in library.resegment(video, 0.7)] == [1]
    assert len(library.events(video)) == 2
    with pytest.raises(UsageError, match=r"1\.5"):
        library.resegment(video, 1.5)
    library.store.close()


def test_folder_without_timelines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--format json"):
        Library.open([tmp_path])
