"""The store of a review keeps what was committed, whatever else happens."""

import signal
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from hiprobe.errors import StorageError, UsageError
from hiprobe.review import database
from hiprobe.review.database import MIGRATIONS
from hiprobe.review.store import ReviewStore
from hiprobe.review.values import KeptEvent, Label
from hiprobe.timeline import Event

WRITER = """
import sys
from pathlib import Path
from hiprobe.review.store import ReviewStore
from hiprobe.review.values import Label
with ReviewStore.open(Path(sys.argv[1])) as store:
    video = store.add_videos([("a.mp4", None)])[0]
    for number in range(int(sys.argv[3])):
        label = Label(video_id=video, start_seconds=number, end_seconds=number + 1,
                      kind="normal", reviewer=sys.argv[2])
        store.put_labels([label])
        print(label.id, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def event(start: float, end: float, peak: float = 0.9) -> Event:
    return Event(start, end, int(start), int(end), peak, peak, (start + end) / 2)


def put(store: ReviewStore, video: str, *found: Event) -> tuple[KeptEvent, ...]:
    store.put_events({video: found})
    return store.events(video)


def test_labels_survive_kill(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with writer(path, "ann", 1_000_000) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().split()
    with ReviewStore.open(path) as store:
        assert {id_ for id_ in told if len(id_) == 16} <= {label.id for label in store.labels()}


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with writer(path, "ann", 40) as one, writer(path, "bob", 40) as two:
        one.communicate()
        two.communicate()
    assert (one.returncode, two.returncode) == (0, 0)
    with ReviewStore.open(path) as store:
        reviewers = [label.reviewer for label in store.labels()]
    assert (reviewers.count("ann"), reviewers.count("bob")) == (40, 40)


def test_newer_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    ReviewStore.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StorageError, match="use the HiProbe that wrote it"):
        ReviewStore.open(path)


def test_full_disk_keeps_what_was_saved(tmp_path: Path) -> None:
    with ReviewStore.open(tmp_path / "store.sqlite") as store:
        video = store.add_videos([("a.mp4", None)])[0]
        said = partial(Label, video_id=video, start_seconds=0, end_seconds=1, reviewer="ann")
        kept = said(kind="anomaly")
        store.put_labels([kept])
        store.database.connection().execute("PRAGMA max_page_count = 1")  # SQLite's own "disk full"
        with pytest.raises(StorageError, match="room"):
            store.put_labels([said(kind="normal", note="x" * 1_000_000)])
        assert store.labels() == (kept,)


def test_ids_stay_by_overlap_and_return(tmp_path: Path) -> None:
    with ReviewStore.open(tmp_path / "store.sqlite") as store:
        video = store.add_videos([("a.mp4", None)])[0]
        first, second = put(store, video, event(0, 4), event(10, 14))
        label = Label(
            video_id=video,
            event_id=second.id,
            start_seconds=10,
            end_seconds=14,
            kind="class",
            class_name="fall",
            reviewer="ann",
        )
        store.put_labels([label])
        assert [e.id for e in put(store, video, event(1, 3))] == [first.id]
        back = put(store, video, event(0, 5), event(11, 13), event(20, 22))
        assert [e.id for e in back[:2]] == [first.id, second.id]
        assert back[1].label is not None and back[1].label.class_name == "fall"
        store.remove_label(back[1].label.id)
        assert store.labels() == ()
        with pytest.raises(UsageError, match="taken back"):
            store.remove_label(back[1].label.id)


def test_foreign_file_and_unknown_video_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no store" * 200)
    with pytest.raises(StorageError, match="review store"):
        ReviewStore.open(tmp_path / "notes.txt")
    with (
        ReviewStore.open(tmp_path / "store.sqlite") as store,
        pytest.raises(UsageError, match="'x'"),
    ):
        store.put_events({"x": []})


def test_older_store_is_brought_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    with monkeypatch.context() as former:
        former.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        with ReviewStore.open(path) as store:
            (video,) = store.add_videos([("a.mp4", None)])
            for name in ("older000", "newer000"):
                store.database.connection().execute(
                    "INSERT INTO labels VALUES (NULL, ?, NULL, ?, 0, 1, 'normal', NULL, '', 'ann', "
                    "'2026-01-01T00:00:00+00:00', NULL)",
                    (name, video),
                )
    with ReviewStore.open(path) as store:
        store.set_threshold(video, 0.4, "ann")
        assert store.thresholds() == {video: 0.4}
        assert [label.id for label in store.labels()] == ["older000", "newer000"]
        assert [label.id for label in store.undo("ann")] == ["newer000"]


def test_videos_are_known_by_their_content(tmp_path: Path) -> None:
    with ReviewStore.open(tmp_path / "store.sqlite") as store:
        (first,) = store.add_videos([("a.mp4", None)])
        assert store.add_videos([("a.mp4", "c1"), ("moved.mp4", "c1")]) == [first, first]
        (other,) = store.add_videos([("moved.mp4", "c2")])
        assert other != first  # another file under the old name
        assert store.add_videos([("moved.mp4", None)]) == [other]
