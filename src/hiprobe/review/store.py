"""The SQLite file of a review: videos, events and labels, safe from crashes and other writers."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from hiprobe.errors import StorageError, UsageError
from hiprobe.review.values import KeptEvent, Label, LabelKind
from hiprobe.timeline import Event

STORE_NAME = "hiprobe-review.sqlite"
WAIT_SECONDS = 30.0

MIGRATIONS = (
    """
    CREATE TABLE videos (id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE);
    CREATE TABLE events (
        id TEXT PRIMARY KEY, video_id TEXT NOT NULL REFERENCES videos, start_seconds REAL NOT NULL,
        end_seconds REAL NOT NULL, peak_seconds REAL NOT NULL, score REAL NOT NULL,
        explanation TEXT, present INTEGER NOT NULL DEFAULT 1);
    CREATE INDEX events_of_video ON events (video_id, start_seconds);
    CREATE TABLE labels (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        event_id TEXT REFERENCES events, video_id TEXT NOT NULL REFERENCES videos,
        start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, kind TEXT NOT NULL,
        class_name TEXT, note TEXT NOT NULL, reviewer TEXT NOT NULL, made_at_utc TEXT NOT NULL,
        removed_at_utc TEXT);
    CREATE INDEX labels_of_event ON labels (event_id, number);
    """,
)
"""Statements that bring a store from version n to n + 1; never changed once released."""

_LABEL = (
    "id, event_id, video_id, start_seconds, end_seconds, kind, class_name, note, reviewer, "
    "made_at_utc"
)


class ReviewStore:
    """The store of a review; threads may share it, each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a store, made where there is none, and bring it to this version.

        Raises:
            StorageError: it cannot be opened or written, is no store, or is of a newer version.
        """
        store = cls(path)
        try:
            with store._writing() as connection:
                _migrate(connection, path)
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._guard:
            while self._connections:
                self._connections.pop().close()
            self._local = threading.local()

    def add_video(self, path: str) -> str:
        """The id of a video, which is entered where it is not known."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO videos VALUES (?, ?) ON CONFLICT DO NOTHING", (_new_id(), path)
            )
            return str(_one(connection, "SELECT id FROM videos WHERE path = ?", (path,))[0])

    def put_events(self, video_id: str, found: Sequence[Event]) -> tuple[KeptEvent, ...]:
        """Replace a video's events; one keeps the id of the old one that it overlaps most.

        An event that is no longer found stays in the file with its labels, and gets its id back
        when it is found again.

        Raises:
            UsageError: the video is not in this store.
        """
        with self._writing() as connection:
            self._check_video(connection, video_id)
            old = connection.execute(
                "SELECT id, start_seconds, end_seconds FROM events WHERE video_id = ? "
                "ORDER BY present DESC, id",
                (video_id,),
            ).fetchall()
            connection.execute("UPDATE events SET present = 0 WHERE video_id = ?", (video_id,))
            for event, kept in zip(found, _kept_ids(old, found), strict=True):
                connection.execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO UPDATE "
                    "SET start_seconds = excluded.start_seconds, end_seconds = "
                    "excluded.end_seconds, peak_seconds = excluded.peak_seconds, score = "
                    "excluded.score, present = 1, "
                    "explanation = coalesce(excluded.explanation, explanation)",
                    (
                        *(kept or _new_id(), video_id, event.start_seconds, event.end_seconds),
                        *(event.peak_seconds, event.peak, event.explanation),
                    ),
                )
        return self.events(video_id)

    def events(self, video_id: str) -> tuple[KeptEvent, ...]:
        """The events of a video in order of time, each with its last label."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT id, video_id, start_seconds, end_seconds, peak_seconds, score, explanation "
                "FROM events WHERE video_id = ? AND present ORDER BY start_seconds",
                (video_id,),
            ).fetchall()
            last = {label.event_id: label for label in _labels(connection)}
        return tuple(
            KeptEvent(
                **dict(zip(row.keys(), row, strict=True)),
                label=last.get(row["id"]),
            )
            for row in rows
        )

    def add_label(
        self,
        *,
        video_id: str,
        start_seconds: float,
        end_seconds: float,
        kind: LabelKind,
        reviewer: str,
        event_id: str | None = None,
        class_name: str | None = None,
        note: str = "",
    ) -> Label:
        """Write a label; it is on disk when this returns.

        Raises:
            UsageError: the label is not sound, or its video or event is not in this store.
            StorageError: it could not be written; nothing was changed.
        """
        label = Label(
            id=_new_id(),
            event_id=event_id,
            video_id=video_id,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            kind=kind,
            class_name=class_name,
            note=note,
            reviewer=reviewer,
            made_at_utc=datetime.now(UTC).isoformat(),
        )
        with self._writing() as connection:
            self._check_video(connection, video_id)
            where = "SELECT 1 FROM events WHERE id = ? AND video_id = ?"
            if event_id is not None and not _one(connection, where, (event_id, video_id)):
                raise UsageError(f"event {event_id!r} is not in {self.path}; list the events again")
            values = [getattr(label, name) for name in _LABEL.split(", ")]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO labels ({_LABEL}) VALUES ({marks})", values)
        return label

    def remove_label(self, label_id: str) -> None:
        """Take a label back; its row stays in the file.

        Raises:
            UsageError: there is no such label.
        """
        with self._writing() as connection:
            done = connection.execute(
                "UPDATE labels SET removed_at_utc = ? WHERE id = ? AND removed_at_utc IS NULL",
                (datetime.now(UTC).isoformat(), label_id),
            )
            if not done.rowcount:
                raise UsageError(f"label {label_id!r} is not in {self.path}, or was taken back")

    def labels(self) -> tuple[Label, ...]:
        """All labels that stand, in the order in which they were given."""
        with self._reading() as connection:
            return _labels(connection)

    def _check_video(self, connection: sqlite3.Connection, video_id: str) -> None:
        if not _one(connection, "SELECT 1 FROM videos WHERE id = ?", (video_id,)):
            raise UsageError(f"video {video_id!r} is not in {self.path}; add it first")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept or none."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends it by itself
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except sqlite3.Error as error:
            raise StorageError(
                f"{self.path}: {error}; what was saved before is kept. Check that the disk has "
                "room, that the file is a review store and may be written, and try again"
            ) from error

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(
                self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            with self._guard:
                self._connections.append(found)
            found.row_factory = sqlite3.Row
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                found.execute(f"PRAGMA {setting}")
            self._local.connection = found
        return found


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = int(_one(connection, "PRAGMA user_version", ())[0])
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path} has version {version}, this HiProbe knows up to {len(MIGRATIONS)}: "
            "use the HiProbe that wrote it, or a newer one; the file was not changed"
        )
    for statements in MIGRATIONS[version:]:
        for statement in statements.split(";"):  # executescript would commit in between
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _labels(connection: sqlite3.Connection) -> tuple[Label, ...]:
    rows = connection.execute(
        f"SELECT {_LABEL} FROM labels WHERE removed_at_utc IS NULL ORDER BY number"
    )
    return tuple(Label(**dict(zip(row.keys(), row, strict=True))) for row in rows)


def _kept_ids(old: Sequence[Any], found: Sequence[Event]) -> list[str | None]:
    """For each new event the id of an old one, the longest overlaps first, each id once."""
    pairs = [
        (min(event.end_seconds, end) - max(event.start_seconds, start), number, event_id)
        for number, event in enumerate(found)
        for event_id, start, end in old
    ]
    kept: dict[int, str] = {}
    for overlap, number, event_id in sorted(pairs, key=lambda pair: -pair[0]):
        if overlap > 0 and number not in kept and event_id not in kept.values():
            kept[number] = event_id
    return [kept.get(number) for number in range(len(found))]


def _one(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Any:
    return connection.execute(query, values).fetchone()


def _new_id() -> str:
    return uuid.uuid4().hex[:16]
