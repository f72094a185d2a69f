"""The SQLite file of a review: connections, transactions, and how it came to its tables."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from hiprobe.errors import StorageError

# Another program may hold the file for the time of a transaction, which takes milliseconds. Half a
# minute is for a network disk, or a copy of the folder that is being made.
WAIT_SECONDS = 30.0

# Statements that bring a file from version n to n + 1. One that was released is never changed:
# files of that version exist, and they would miss the change.
MIGRATIONS = (
    """
    CREATE TABLE videos (id TEXT PRIMARY KEY, path TEXT NOT NULL, content TEXT UNIQUE);
    CREATE INDEX videos_by_path ON videos (path);
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
    """
    CREATE TABLE thresholds (video_id TEXT PRIMARY KEY REFERENCES videos, threshold REAL NOT NULL);
    CREATE TABLE seen (
        event_id TEXT NOT NULL REFERENCES events, reviewer TEXT NOT NULL,
        PRIMARY KEY (event_id, reviewer)) WITHOUT ROWID;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT, made_at_utc TEXT NOT NULL,
        reviewer TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL);
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    # What detection was given is kept apart from what a reviewer set. Otherwise a threshold that
    # was dropped in the review would be back when the same results are opened again.
    """
    CREATE TABLE given_thresholds (
        video_id TEXT PRIMARY KEY REFERENCES videos, threshold REAL NOT NULL);
    """,
    # Undo takes back everything that one key press labelled. Labels of before then were single.
    """
    ALTER TABLE labels ADD COLUMN action TEXT;
    UPDATE labels SET action = id;
    """,
)


class ReviewDatabase:
    """An open file; threads may share it, each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, made where there is none, and bring it to this version.

        Raises:
            StorageError: it cannot be opened or written, is not a review, or is of a newer version.
        """
        database = cls(path)
        try:
            # Two programs that open an old file at once must not both migrate it: the version is
            # read within the transaction that changes it.
            with database.writing() as connection:
                _migrate(connection, path)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._guard:
            while self._connections:
                self._connections.pop().close()
            self._local = threading.local()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept, or nothing.

        Raises:
            StorageError: it could not be written.
        """
        with self.reading() as connection:
            # IMMEDIATE, since a transaction that reads first and writes later fails at once, and
            # does not wait, where another one wrote in between.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends it by itself
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose errors say what to do.

        Raises:
            StorageError: it could not be read.
        """
        try:
            yield self.connection()
        except sqlite3.Error as error:
            raise StorageError(
                f"{self.path}: {error}; what was saved before is kept. Check that the disk has "
                "room, that the file is a review store and may be written, and try again"
            ) from error

    def connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            # Python's own transactions are switched off: they would begin where none was asked for.
            # The check of threads is off for `close`, which one thread calls for all.
            found = sqlite3.connect(
                self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            with self._guard:
                self._connections.append(found)
            found.row_factory = sqlite3.Row
            # With WAL, readers do not wait for a writer. NORMAL, which often goes with it, may lose
            # the last transactions when the power fails; we promise that a saved label is on disk.
            # Foreign keys are checked only on connections that ask for it.
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                found.execute(f"PRAGMA {setting}")
            self._local.connection = found
        return found


def one_row(connection: sqlite3.Connection, query: str, values: tuple[Any, ...] = ()) -> Any:
    """The first row of an answer; None where there is none."""
    return connection.execute(query, values).fetchone()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = int(one_row(connection, "PRAGMA user_version")[0])
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path} has version {version}, this HiProbe knows up to {len(MIGRATIONS)}: "
            "use the HiProbe that wrote it, or a newer one; the file was not changed"
        )
    for statements in MIGRATIONS[version:]:
        for statement in statements.split(";"):  # executescript would commit in between
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
