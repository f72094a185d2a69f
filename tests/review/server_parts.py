"""A review in memory behind a real server, so that what the server adds is tested by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from hiprobe.errors import BackboneError, UsageError
from hiprobe.failures import Failure
from hiprobe.progress import Progress, ProgressEvent
from hiprobe.review.server.access import Access, Account, Role, hash_password
from hiprobe.review.server.desk import Desk
from hiprobe.review.server.jobs import Jobs
from hiprobe.review.server.media import MediaCache
from hiprobe.review.server.review_app import make_app
from hiprobe.review.server.serve import ServeOptions, listen, server_of

TOKEN = "canary-token-5b1c"
VIDEO, OTHER_VIDEO, EVENT, LABEL, REFIT = (
    "video0001",
    "video0002",
    "event0001",
    "label0001",
    "refit0001",
)
VERSION = SimpleNamespace(
    number=1,
    made_at_utc="2026-01-01T00:00:00Z",
    reason="fit",
    cv_auc=0.9,
    threshold=0.5,
    label_count=8,
    current=True,
)


@dataclass
class MemoryLibrary:
    """Two videos and one event; labels in a list."""

    paths: Mapping[str, Path]
    kept: dict[str, Any] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def videos(self) -> Sequence[Any]:
        return [
            SimpleNamespace(
                id=name,
                name=path.name,
                path=path,
                camera=None,
                duration_seconds=2.0,
                threshold=0.5,
                kappa=1.0,
                start_clock=None,
                truth=((0.5, 1.0),),
            )
            for name, path in self.paths.items()
        ]

    def events(self, *, cursor: str | None, **_: Any) -> Any:
        if cursor is not None:
            raise UsageError("this cursor is of another list; load the list again")
        return SimpleNamespace(events=[self.event(EVENT)], next_cursor=None, total=1)

    def event(self, event_id: str, /) -> Any:
        if event_id != EVENT:
            raise LookupError(event_id)
        words = self.words.get(event_id)
        return SimpleNamespace(
            id=EVENT,
            video_id=VIDEO,
            start_seconds=0.4,
            end_seconds=1.6,
            peak_seconds=1.0,
            score=0.8,
            label=next((o for o in self.kept.values() if o.event_id == EVENT), None),
            explanation=words,
            explained=words is not None,
        )

    def video(self, video_id: str, /) -> Any:
        self.video_path(video_id)
        return next(video for video in self.videos() if video.id == video_id)

    def timeline(self, video_id: str, /) -> Any:
        self.video_path(video_id)
        smoothed = [0.2, 0.8, float("nan"), 0.1]
        starts, ends = [0.0, 0.5, 1.0, 1.5], [0.5, 1.0, 1.5, 2.0]
        return SimpleNamespace(
            start_seconds=starts,
            end_seconds=ends,
            scores=smoothed,
            smoothed=smoothed,
            threshold=0.5,
        )

    def resegment(self, video_id: str, threshold: float, /) -> Sequence[Any]:
        self.video_path(video_id)
        return [self.event(EVENT)] if threshold < 0.8 and video_id == VIDEO else []

    def alarm_rate(self, threshold: float, /, *, video_id: str | None = None) -> Any:
        return None

    def set_threshold(self, video_id: str | None, threshold: float, reviewer: str, /) -> Any:
        if video_id is not None:
            self.video_path(video_id)
        return VERSION

    def label(self, *, event_id: str | None, video_id: str | None, **given: Any) -> Any:
        if event_id is not None:
            event = self.event(event_id)
            video_id = event.video_id
            given |= {"start_seconds": event.start_seconds, "end_seconds": event.end_seconds}
        else:
            self.video_path(video_id or "")
        with self.lock:
            made = SimpleNamespace(
                id=f"label{len(self.kept) + 1:04}",
                event_id=event_id,
                video_id=video_id,
                made_at_utc="2026-01-01T00:00:00Z",
                **given,
            )
            self.kept[made.id] = made
        return made

    def label_events(self, event_ids: Sequence[str], **given: Any) -> Sequence[Any]:
        for event_id in event_ids:
            self.event(event_id)
        return [self.label(event_id=one, video_id=None, **given) for one in event_ids]

    def unlabel(self, label_id: str, /) -> None:
        del self.kept[label_id]

    def undo(self, reviewer: str, /) -> Any:
        own = [o for o in self.kept.values() if o.reviewer == reviewer]
        return [self.kept.pop(own[-1].id)] if own else []

    def labels(self) -> Sequence[Any]:
        return list(self.kept.values())

    def import_labels(self, document: Mapping[str, Any], reviewer: str, /) -> int:
        if "labels" not in document:
            raise UsageError("this is no export of labels; give one written by this review")
        return 0

    def video_path(self, video_id: str, /) -> Path:
        return self.paths[video_id]

    def set_seen(self, event_id: str, reviewer: str, /, *, seen: bool) -> None:
        self.event(event_id)
        self.seen.add((event_id, reviewer))

    def set_explanation(self, event_id: str, words: str, /) -> None:
        self.words[event_id] = words

    def probe(self) -> Any:
        layers = [SimpleNamespace(layer=1, saliency=0.1, cv_auc=0.8)]
        return SimpleNamespace(
            name="probe",
            recipe="paper",
            layer=1,
            cv_auc=0.9,
            threshold=0.5,
            layers=layers,
            classes=["normal", "fight"],
        )


class MemoryTeacher:
    """One refit that changes nothing."""

    def refit(self, progress: Progress, /) -> Any:
        progress(ProgressEvent(1, 1, 0.0, 0.1))
        return self.find(REFIT)

    def find(self, refit_id: str, /) -> Any:
        if refit_id != REFIT:
            raise LookupError(refit_id)
        figures = SimpleNamespace(cv_auc=0.9, threshold=0.5, label_count=8)
        return SimpleNamespace(
            id=REFIT,
            before=figures,
            after=figures,
            appearing=[],
            vanishing=[],
            alarms_before=None,
            alarms_after=None,
            stale_cameras=[],
            doubtful=[],
            seconds=0.1,
        )

    def accept(self, refit_id: str, reviewer: str, /) -> Any:
        self.find(refit_id)
        return VERSION

    def discard(self, refit_id: str, /) -> None:
        self.find(refit_id)

    def versions(self) -> Sequence[Any]:
        return [VERSION]

    def restore(self, number: int, reviewer: str, /) -> Any:
        if number != 1:
            raise LookupError(number)
        return VERSION

    def proposals(self, count: int, /) -> Sequence[Any]:
        place = {"event_id": EVENT, "video_id": VIDEO, "start_seconds": 0.4, "end_seconds": 1.6}
        return [SimpleNamespace(**place, why="near the threshold", score=0.5)]

    def gain(self) -> Sequence[tuple[int, float | None]]:
        return [(8, 0.9)]

    def neighbours(self, event_id: str, /, count: int = 3) -> Sequence[Any]:
        if event_id != EVENT:
            raise LookupError(event_id)
        return [SimpleNamespace(name="a.mp4", label="normal", class_name=None, distance=1.0)]

    def members(self, event_id: str, /) -> Sequence[Any]:
        return []


class TextExports:
    """One format."""

    def formats(self) -> Sequence[Any]:
        return [SimpleNamespace(name="csv", extension="csv", about="a table")]

    def write(self, name: str, out: Path, /) -> Sequence[Any]:
        out.write_text("id\n", encoding="utf-8")
        gone = Path("/home/ann/gone.mp4")
        return [Failure(gone, f"{gone}: there is no such file")]


class NoModel:
    """A model that is not at hand."""

    def describe(self, video: Path, start_seconds: float, end_seconds: float, /) -> str:
        raise BackboneError("no model is at hand")


class SayingModel:
    """A model that says which stretch it was shown."""

    def describe(self, video: Path, start_seconds: float, end_seconds: float, /) -> str:
        return f"{video.name} {start_seconds:.2f} {end_seconds:.2f}"


@dataclass(frozen=True)
class Running:
    """A server that answers at an address."""

    address: str
    desk: Desk
    failures: list[Exception]

    @contextmanager
    def client(self, **session: str) -> Iterator[httpx.Client]:
        """Somebody who has logged in with a token, or as a user; nobody without words."""
        with httpx.Client(base_url=self.address, timeout=20) as client:
            if session:
                answer = client.post("/api/session", json=session)
                answer.raise_for_status()
                client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            yield client


PASSWORDS = {role: f"canary-password-{role.name.lower()}" for role in Role}


def accounts() -> dict[str, Account]:
    return {
        role.name.lower(): Account(role.name.lower(), role, hash_password(secret))
        for role, secret in PASSWORDS.items()
    }


@contextmanager
def running(
    desk: Desk, *, options: ServeOptions | None = None, page: Path | None = None
) -> Iterator[Running]:
    """A real server on a free port for the time of a block."""
    options = options or ServeOptions()
    failures: list[Exception] = []
    more = {} if page is None else {"page": page}
    app = make_app(desk, hosts=options.hosts, on_failure=failures.append, **more)
    with listen(options) as listening:
        listening.listen()
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            port = listening.getsockname()[1]
            yield Running(f"http://127.0.0.1:{port}", desk, failures)
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            desk.jobs.close()


def make_desk(paths: Mapping[str, Path], folder: Path, **other: Any) -> Desk:
    failures: list[Exception] = []
    desk = Desk(
        access=Access(token=TOKEN, token_reviewer="own", accounts=accounts()),
        library=MemoryLibrary(paths),
        teacher=MemoryTeacher(),
        exports=TextExports(),
        model=NoModel(),
        media=MediaCache(folder),
        jobs=Jobs(on_failure=failures.append),
    )
    return replace(desk, **other)


def heard(client: httpx.Client, job: str, **headers: str) -> list[tuple[str, str]]:
    """Kind and content of all that a job says."""
    said: list[tuple[str, str]] = []
    with client.stream("GET", f"/api/jobs/{job}/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                said.append((kind, value))
    return said
