"""What a review keeps: videos, events and labels, safe from crashes and other writers."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hiprobe.review.database import ReviewDatabase, one_row
from hiprobe.review.values import KeptEvent, Label, UnknownIdError, new_id, utc_now
from hiprobe.timeline import Event

STORE_NAME = "hiprobe-review.sqlite"

_LABEL = (
    "id, event_id, video_id, start_seconds, end_seconds, kind, class_name, note, reviewer, "
    "made_at_utc"
)
# Old events in the order in which they may claim a new one of equal overlap: those that the last
# scoring found come first.
_OLD_EVENTS = (
    "SELECT id, start_seconds, end_seconds FROM events WHERE video_id = ? ORDER BY present DESC, id"
)
# The model's words outlive a new scoring, which has none of its own.
_PUT_EVENT = (
    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET "
    "start_seconds = excluded.start_seconds, end_seconds = excluded.end_seconds, peak_seconds = "
    "excluded.peak_seconds, score = excluded.score, present = 1, "
    "explanation = coalesce(excluded.explanation, explanation)"
)
# Events, each with the last label on it that was not taken back.
_EVENTS = (
    "SELECT e.id, e.video_id, e.start_seconds, e.end_seconds, e.peak_seconds, e.score, "
    "e.explanation, "
    + ", ".join(f"l.{name} AS label_{name}" for name in _LABEL.split(", "))
    + " FROM events e LEFT JOIN labels l ON l.number = (SELECT max(number) FROM labels "
    "WHERE event_id = e.id AND removed_at_utc IS NULL)"
)


class ReviewStore:
    """The store of a review; threads may share it."""

    def __init__(self, database: ReviewDatabase) -> None:
        self.database, self.path = database, database.path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a store, made where there is none, and bring it to this version.

        Raises:
            StorageError: it cannot be opened or written, is not a store, or is of a newer version.
        """
        return cls(ReviewDatabase.open(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def add_videos(
        self, found: Sequence[tuple[str, str | None]], *, keep_paths: bool = False
    ) -> list[str]:
        """The ids of videos, which are entered where they are not known.

        A video is known by its content, so that it may be moved; without that, by its path.

        Args:
            found: path and SHA-256 of each; None where the content is not known.
            keep_paths: leave the path of a known video as it is. Without this, it moves to the
                path that was found.

        Returns:
            An id for each of `found`, in its order.
        """
        with self.database.writing() as connection:
            return [_video_id(connection, path, content, keep_paths) for path, content in found]

    def put_events(self, found: Mapping[str, Sequence[Event]]) -> None:
        """Replace the events of videos; each takes the id of the old one that it overlaps most.

        An event that is no longer found stays in the file with its labels, and gets its id back
        when it is found again.

        Args:
            found: the events of each video, by its id, in order of time.

        Raises:
            UnknownIdError: a video is not in this store.
        """
        with self.database.writing() as connection:
            for video_id, events in found.items():
                self._check_video(connection, video_id)
                # Nothing is deleted: labels belong to events, and a threshold that was set too high
                # would cost the labels of all events below it for good.
                old = connection.execute(_OLD_EVENTS, (video_id,)).fetchall()
                connection.execute("UPDATE events SET present = 0 WHERE video_id = ?", (video_id,))
                for event, kept in zip(events, _kept_ids(old, events), strict=True):
                    connection.execute(
                        _PUT_EVENT,
                        (
                            *(kept or new_id(), video_id, event.start_seconds, event.end_seconds),
                            *(event.peak_seconds, event.peak, event.explanation),
                        ),
                    )

    def matched(self, video_id: str, found: Sequence[Event]) -> tuple[KeptEvent, ...]:
        """The events that `put_events` would make of these; nothing is saved.

        Args:
            found: events in order of time. One that matches none of the store gets an id that is
                not kept.
        """
        with self.database.reading() as connection:
            old = connection.execute(_OLD_EVENTS, (video_id,)).fetchall()
            rows = connection.execute(f"{_EVENTS} WHERE e.video_id = ?", (video_id,)).fetchall()
        known = {row["id"]: _event(row) for row in rows}
        made = []
        for event, kept in zip(found, _kept_ids(old, found), strict=True):
            before = known.get(kept or "")
            made.append(
                KeptEvent(
                    id=kept or new_id(),
                    video_id=video_id,
                    start_seconds=event.start_seconds,
                    end_seconds=event.end_seconds,
                    peak_seconds=event.peak_seconds,
                    score=event.peak,
                    label=before.label if before else None,
                    explanation=before.explanation if before else event.explanation,
                )
            )
        return tuple(made)

    def events(self, video_id: str | None = None) -> tuple[KeptEvent, ...]:
        """The events of a video, or of all, in order of time, each with its last label."""
        where = "e.present" if video_id is None else "e.present AND e.video_id = ?"
        with self.database.reading() as connection:
            rows = connection.execute(
                f"{_EVENTS} WHERE {where} ORDER BY e.video_id, e.start_seconds",
                () if video_id is None else (video_id,),
            ).fetchall()
        return tuple(map(_event, rows))

    def event(self, event_id: str) -> KeptEvent:
        """An event with its last label, also where it is no longer found.

        Raises:
            UnknownIdError: there is no such event.
        """
        with self.database.reading() as connection:
            row = one_row(connection, f"{_EVENTS} WHERE e.id = ?", (event_id,))
        if row is None:
            raise UnknownIdError(f"event {event_id!r} is not in {self.path}; list the events again")
        return _event(row)

    def explain(self, event_id: str, words: str) -> None:
        """Keep the model's words on an event.

        Raises:
            UnknownIdError: there is no such event.
        """
        self.event(event_id)
        with self.database.writing() as connection:
            connection.execute("UPDATE events SET explanation = ? WHERE id = ?", (words, event_id))

    def set_seen(self, event_id: str, reviewer: str, *, seen: bool) -> None:
        """Keep whether a reviewer has seen an event.

        Raises:
            UnknownIdError: there is no such event.
        """
        self.event(event_id)
        change = (
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING"
            if seen
            else "DELETE FROM seen WHERE event_id = ? AND reviewer = ?"
        )
        with self.database.writing() as connection:
            connection.execute(change, (event_id, reviewer))

    def seen_events(self) -> frozenset[str]:
        """Events that somebody has seen."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT DISTINCT event_id FROM seen").fetchall()
        return frozenset(row[0] for row in rows)

    def contents(self) -> dict[str, tuple[str, str | None]]:
        """Path and SHA-256 of every video of the store, by its id."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT id, path, content FROM videos").fetchall()
        return {row["id"]: (row["path"], row["content"]) for row in rows}

    def thresholds(self) -> dict[str, float]:
        """Thresholds that were set for single videos."""
        with self.database.reading() as connection:
            return dict(map(tuple, connection.execute("SELECT * FROM thresholds").fetchall()))

    def set_threshold(self, video_id: str, threshold: float, reviewer: str) -> None:
        """Keep the threshold of one video.

        Raises:
            UnknownIdError: there is no such video.
        """
        with self.database.writing() as connection:
            self._check_video(connection, video_id)
            connection.execute(
                "INSERT OR REPLACE INTO thresholds VALUES (?, ?)", (video_id, threshold)
            )
            _note(connection, reviewer, f"threshold {threshold:g}", video_id)

    def take_given_thresholds(self, given: Mapping[str, float]) -> None:
        """Take over the thresholds that `detect` was given for single videos, each one once.

        One that was dropped or replaced in the review since then does not come back when the same
        results are opened again. One that differs from the last one given replaces what was set.

        Args:
            given: threshold by the id of the video.

        Raises:
            UnknownIdError: a video is not in this store.
        """
        known = "SELECT threshold FROM given_thresholds WHERE video_id = ?"
        with self.database.writing() as connection:
            for video_id, threshold in given.items():
                self._check_video(connection, video_id)
                before = one_row(connection, known, (video_id,))
                if before is None or before[0] != threshold:
                    values = (video_id, threshold)
                    # The first one that is given does not replace what a reviewer has set: a store
                    # older than this table does not say which of the two it was.
                    put = "INSERT OR IGNORE" if before is None else "INSERT OR REPLACE"
                    connection.execute(f"{put} INTO thresholds VALUES (?, ?)", values)
                    connection.execute(
                        "INSERT OR REPLACE INTO given_thresholds VALUES (?, ?)", values
                    )

    def drop_thresholds(self, reviewer: str) -> None:
        """Forget the thresholds of single videos, because one was set for all of them."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM thresholds")
            _note(connection, reviewer, "threshold for all", "")

    def audit(self, reviewer: str, action: str, subject: str) -> None:
        """Note who did what, and to what."""
        with self.database.writing() as connection:
            _note(connection, reviewer, action, subject)

    def setting(self, name: str) -> str | None:
        """A value that is kept under a name; None where there is none."""
        with self.database.reading() as connection:
            row = one_row(connection, "SELECT value FROM settings WHERE name = ?", (name,))
        return None if row is None else str(row[0])

    def keep_setting(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        with self.database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def put_labels(self, labels: Sequence[Label], *, action: str | None = None) -> int:
        """Write labels, all or none; they are on disk when this returns.

        A label that was taken back here stays taken back.

        Args:
            action: a new id; `undo` takes back all labels of one action together. None for labels
                that were imported, which it leaves alone.

        Returns:
            How many were not there yet.

        Raises:
            UnknownIdError: the video or event of a label is not in this store.
            StorageError: they could not be written; nothing was changed.
        """
        fields = _LABEL.split(", ")
        marks = ", ".join("?" * (len(fields) + 1))
        count = 0
        with self.database.writing() as connection:
            for label in labels:
                # SQLite would refuse them too, without saying which id it did not know.
                self._check_video(connection, label.video_id)
                where = "SELECT 1 FROM events WHERE id = ? AND video_id = ?"
                pair = (label.event_id, label.video_id)
                if label.event_id is not None and not one_row(connection, where, pair):
                    raise UnknownIdError(
                        f"event {label.event_id!r} is not in {self.path}; list the events again"
                    )
                count += connection.execute(
                    f"INSERT INTO labels ({_LABEL}, action) VALUES ({marks}) "
                    "ON CONFLICT (id) DO NOTHING",
                    [*(getattr(label, name) for name in fields), action],
                ).rowcount
        return count

    def remove_label(self, label_id: str) -> None:
        """Take a label back; its row stays in the file, marked as such.

        Raises:
            UnknownIdError: there is no such label.
        """
        with self.database.writing() as connection:
            done = connection.execute(
                "UPDATE labels SET removed_at_utc = ? WHERE id = ? AND removed_at_utc IS NULL",
                (utc_now(), label_id),
            )
            if not done.rowcount:
                raise UnknownIdError(f"label {label_id!r} is not in {self.path}, or was taken back")

    def undo(self, reviewer: str) -> tuple[Label, ...]:
        """Take back what a reviewer labelled last, all labels of one action together.

        Returns:
            The labels that were taken back; empty where there is nothing to undo.
        """
        own = "reviewer = ? AND removed_at_utc IS NULL AND action"
        with self.database.writing() as connection:
            last = f"SELECT action FROM labels WHERE {own} IS NOT NULL ORDER BY number DESC"
            row = one_row(connection, last, (reviewer,))
            if row is None:
                return ()
            taken = _labels(connection, f"{own} = ?", (reviewer, row[0]))
            connection.execute(
                f"UPDATE labels SET removed_at_utc = ? WHERE {own} = ?",
                (utc_now(), reviewer, row[0]),
            )
        return taken

    def labels(self) -> tuple[Label, ...]:
        """All labels that stand, in the order in which they were given."""
        with self.database.reading() as connection:
            return _labels(connection, "removed_at_utc IS NULL")

    def _check_video(self, connection: sqlite3.Connection, video_id: str) -> None:
        if not one_row(connection, "SELECT 1 FROM videos WHERE id = ?", (video_id,)):
            raise UnknownIdError(f"video {video_id!r} is not in {self.path}; add it first")


def _labels(
    connection: sqlite3.Connection, where: str, values: tuple[Any, ...] = ()
) -> tuple[Label, ...]:
    rows = connection.execute(f"SELECT {_LABEL} FROM labels WHERE {where} ORDER BY number", values)
    return tuple(Label(**dict(zip(row.keys(), row, strict=True))) for row in rows)


def _event(row: sqlite3.Row) -> KeptEvent:
    values = dict(zip(row.keys(), row, strict=True))
    said = {n: values.pop(f"label_{n}") for n in _LABEL.split(", ")}
    return KeptEvent(**values, label=None if said["id"] is None else Label(**said))


def _video_id(
    connection: sqlite3.Connection, path: str, content: str | None, keep_path: bool
) -> str:
    """The id of one video, which is entered where it is not known.

    A video without a known content takes over the id of its path; one with another content under
    the same path is another video.
    """
    same = "SELECT id FROM videos WHERE content = ?"
    row = one_row(connection, same, (content,)) if content else None
    if row is None:
        # Two videos may have lain at one path, one after the other; the newer one is meant.
        unknown = "content IS NULL" if content else "TRUE"
        same = f"SELECT id FROM videos WHERE path = ? AND {unknown} ORDER BY rowid DESC"
        row = one_row(connection, same, (path,))
    if row is None:
        made = new_id()
        connection.execute("INSERT INTO videos VALUES (?, ?, ?)", (made, path, content))
        return made
    connection.execute(
        "UPDATE videos SET path = CASE WHEN ? THEN path ELSE ? END, "
        "content = coalesce(?, content) WHERE id = ?",
        (keep_path, path, content, row[0]),
    )
    return str(row[0])


def _note(connection: sqlite3.Connection, reviewer: str, action: str, subject: str) -> None:
    values = (utc_now(), reviewer, action, subject)
    names = "made_at_utc, reviewer, action, subject"
    connection.execute(f"INSERT INTO audit ({names}) VALUES (?, ?, ?, ?)", values)


def _kept_ids(old: Sequence[Any], found: Sequence[Event]) -> list[str | None]:
    """For each new event the id of an old one, or None; the longest overlaps choose first.

    Args:
        old: rows of id, start and end in seconds, in any order.
        found: events in order of time.
    """
    starts = [event.start_seconds for event in found]
    ends = [event.end_seconds for event in found]
    pairs = []
    for event_id, start, end in old:
        # New events do not overlap each other, so those that this one meets stand in a row. All
        # pairs of ten thousand events would take most of a minute.
        for number in range(bisect_right(ends, start), bisect_left(starts, end)):
            overlap = min(ends[number], end) - max(starts[number], start)
            pairs.append((overlap, number, event_id))
    kept: dict[int, str] = {}
    taken: set[str] = set()
    for _, number, event_id in sorted(pairs, key=lambda pair: -pair[0]):
        if number not in kept and event_id not in taken:
            kept[number] = event_id
            taken.add(event_id)
    return [kept.get(number) for number in range(len(found))]
