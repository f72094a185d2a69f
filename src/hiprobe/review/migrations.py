"""How the file of a review came to its tables, step by step."""

from __future__ import annotations

# Statements that bring a store from version n to n + 1; never changed once released.
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
    """
    CREATE TABLE given_thresholds (
        video_id TEXT PRIMARY KEY REFERENCES videos, threshold REAL NOT NULL);
    """,
    """
    ALTER TABLE labels ADD COLUMN action TEXT;
    UPDATE labels SET action = id;
    """,
)
