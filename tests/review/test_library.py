"""Results of a detection as a library with lasting events."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from results_folder import SCORES, write_result

from hiprobe.errors import StorageError, UsageError
from hiprobe.review.library import Library
from hiprobe.review.values import UnknownIdError


def test_labels_and_ids_outlast_opening_again(tmp_path: Path) -> None:
    write_result(tmp_path / "results")
    with Library.open([tmp_path / "results"]) as first:
        (video,) = first.videos()
        events = first.events(sort="time").events
        assert [(e.start_seconds, e.end_seconds) for e in events] == [(1, 3), (4, 5)]
        label = first.label(event_id=events[1].id, kind="normal", reviewer="ann")
    with Library.open([tmp_path / "results"]) as again:
        assert [e.id for e in again.events(sort="time").events] == [e.id for e in events]
        assert again.event(events[1].id).label == label
        assert again.video_path(video.id) == Path("in/a.mp4")


def test_another_threshold_is_tried_and_then_kept(tmp_path: Path) -> None:
    write_result(tmp_path / "results")
    with Library.open([tmp_path / "results"]) as library:
        (video,) = library.videos()
        first, second = library.events(sort="time").events
        library.label(event_id=second.id, kind="normal", reviewer="ann")
        assert [e.id for e in library.resegment(video.id, 0.7)] == [first.id]
        assert library.events().total == 2
        with pytest.raises(UsageError, match=r"1\.5"):
            library.resegment(video.id, 1.5)
        library.set_threshold(video.id, 0.7, "ann")
        assert [e.id for e in library.events().events] == [first.id]
    with Library.open([tmp_path / "results"]) as again:
        assert again.video(video.id).threshold == 0.7
        assert [e.id for e in again.events().events] == [first.id]
        again.set_threshold(video.id, 0.5, "ann")
        assert again.event(second.id).label is not None


def test_queue_is_filtered_and_sorted(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_result(folder)
    write_result(folder, name="b", video="north/20240501_235959.mp4")
    with Library.open([folder]) as library:
        assert [e.score for e in library.events().events] == [0.9, 0.9, 0.6, 0.6]
        assert [e.score for e in library.events(sort="uncertain").events] == [0.6, 0.6, 0.9, 0.9]
        assert library.events(min_score=0.7, camera="north").total == 1
        north = library.events(camera="north", sort="time").events
        assert library.events(day="2024-05-02").events == north  # both begin after midnight
        library.label(event_id=north[0].id, kind="class", class_name="fall", reviewer="ann")
        library.set_seen(north[1].id, "bob")
        library.set_explanation(north[1].id, "a dog")
        assert library.events(reviewed=True).total == 2
        assert library.events(label="fall").total == library.events(explained=True).total == 1
        assert library.events(label="none").total == 3
        library.set_seen(north[1].id, "bob", seen=False)
        assert library.events(reviewed=False).total == 3
        with pytest.raises(UnknownIdError):
            library.event("nobody00")
        with pytest.raises(UsageError, match="certain"):
            library.events(sort="best")  # type: ignore[arg-type]


def test_pages_follow_each_other_while_labels_come_in(tmp_path: Path) -> None:
    for name in "abcde":
        write_result(tmp_path / "r", name=name, video=f"in/{name}.mp4")
    with Library.open([tmp_path / "r"]) as library:
        page = library.events(limit=3)
        found = list(page.events)
        while page.next_cursor is not None:
            library.label(event_id=page.events[0].id, kind="unsure", reviewer="ann")
            page = library.events(limit=3, cursor=page.next_cursor)
            found += page.events
        assert len({e.id for e in found}) == len(found) == page.total == 10
        first = library.events(limit=3).next_cursor
        with pytest.raises(UsageError, match="another list"):
            library.events(limit=3, sort="time", cursor=first)
        with pytest.raises(UsageError, match="load the list again"):
            library.events(cursor="%%%")


def test_undo_takes_back_the_own_last_label(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        first, second = library.events(sort="time").events
        library.label(event_id=first.id, kind="anomaly", reviewer="ann")
        own = library.label(event_id=second.id, kind="normal", reviewer="ann")
        other = library.label(event_id=second.id, kind="anomaly", reviewer="bob")
        assert library.undo("ann") == (own,)
        assert library.event(second.id).label == other
        assert library.undo("ann")
        assert library.undo("ann") == ()
        assert library.labels() == (other,)


def test_events_are_labelled_together_or_not_at_all(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        first, second = (e.id for e in library.events(sort="time").events)
        with pytest.raises(UnknownIdError):
            library.label_events([first, "nobody00"], kind="normal", reviewer="ann")
        stop = f"WHEN NEW.event_id = '{second}' BEGIN SELECT RAISE(ABORT, 'stopped'); END"
        library.store.database.connection().execute(
            f"CREATE TRIGGER t BEFORE INSERT ON labels {stop}"
        )
        with pytest.raises(StorageError, match="stopped"):
            library.label_events([first, second], kind="normal", reviewer="ann")
        assert library.labels() == ()
        library.store.database.connection().execute("DROP TRIGGER t")
        made = library.label_events([first, second, first], kind="normal", reviewer="ann")
        assert [one.event_id for one in made] == [first, second]
        assert library.labels() == made


def test_undo_takes_back_at_once_what_was_labelled_at_once(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        first, second = (e.id for e in library.events(sort="time").events)
        before = library.label(event_id=first, kind="anomaly", reviewer="ann")
        made = library.label_events([first, second], kind="normal", reviewer="ann")
        library.unlabel(made[0].id)
        assert library.undo("ann") == made[1:], "what was taken back by hand stays so"
        assert library.labels() == (before,)
        again = library.label_events([first, second], kind="unsure", reviewer="ann")
        stop = f"WHEN OLD.event_id = '{second}' BEGIN SELECT RAISE(ABORT, 'stopped'); END"
        library.store.database.connection().execute(
            f"CREATE TRIGGER t BEFORE UPDATE ON labels {stop}"
        )
        with pytest.raises(StorageError, match="stopped"):
            library.undo("ann")
        assert library.labels() == (before, *again), "all of them or none"
        library.store.database.connection().execute("DROP TRIGGER t")
        assert library.undo("ann") == again
        assert library.undo("ann") == (before,)


def test_undo_passes_over_labels_that_were_brought_in(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        first, second = (e.id for e in library.events(sort="time").events)
        own = library.label(event_id=first, kind="anomaly", reviewer="ann")
        brought = replace(own, id="brought000000000", event_id=second)
        assert library.store.put_labels([brought]) == 1
        assert library.undo("ann") == (own,)
        assert library.undo("ann") == ()
        assert library.labels() == (brought,)


def test_alarms_are_counted_where_the_truth_is_known(tmp_path: Path) -> None:
    write_result(tmp_path / "r")
    with Library.open([tmp_path / "r"]) as library:
        assert library.alarm_rate() is None
    write_result(tmp_path / "r", truth=[(1.0, 2.0)])
    with Library.open([tmp_path / "r"]) as library:
        rate = library.alarm_rate()
        assert rate is not None and rate.per_hour == pytest.approx(600)  # one in six seconds
        assert rate.footage == "0.0017 hours of 1 video whose events are known"
        strict = library.alarm_rate(0.7)
        assert strict is not None and strict.per_hour == 0


def test_a_moved_video_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"content")
    write_result(tmp_path / "r", video=str(tmp_path / "a.mp4"))
    with Library.open([tmp_path / "r"]) as library:
        (video,) = library.videos()
    (tmp_path / "a.mp4").rename(tmp_path / "b.mp4")
    write_result(tmp_path / "r", video=str(tmp_path / "b.mp4"))
    with Library.open([tmp_path / "r"]) as library:
        assert [v.id for v in library.videos()] == [video.id]
        assert library.video(video.id).name == "b.mp4"


def test_many_events_take_time_in_proportion(tmp_path: Path) -> None:
    def seconds(times: int) -> float:
        folder = tmp_path / str(times)
        write_result(folder, SCORES * times)
        began = time.process_time()
        for _ in range(2):  # the second time with old events to match
            with Library.open([folder]) as library:
                assert library.events().total == 2 * times
        return time.process_time() - began

    assert seconds(5000) < 40 * seconds(500)  # ten times the events; all pairs would take 100


def test_folder_without_timelines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--format json"):
        Library.open([tmp_path])
