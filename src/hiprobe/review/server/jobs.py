"""Work that takes longer than a request: it runs in a thread, and what it says is kept."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hiprobe.errors import HiProbeError
from hiprobe.progress import ProgressEvent

# Ended jobs that are remembered: a page that was reloaded asks for the result of its job again.
_MOST_FINISHED = 200
# More would hide a queue of many minutes behind a page that only says "waiting".
_MOST_WAITING = 32
# Between two reports of progress: nobody can read faster ones, and each is kept until the job is
# forgotten.
_LEAST_SECONDS = 0.2

# Kind (`progress`, `words`, `done`, `failed`) and content of something that a job says.
Heard = tuple[str, dict[str, Any]]


class TooManyJobsError(HiProbeError):
    """More work is waiting than will be done soon."""


@dataclass
class Job:
    """A piece of work and everything that it has said so far.

    `heard` only grows, at its end, so other threads can read it without a lock.
    """

    id: str
    heard: list[Heard] = field(default_factory=list)
    ended: bool = False
    last_progress: float = -1e9

    def say(self, kind: str, content: dict[str, Any]) -> None:
        """Keep something for those who listen."""
        self.heard.append((kind, content))

    def progress(self, event: ProgressEvent) -> None:
        """Say how far the work is, not too often."""
        now = time.monotonic()
        if now - self.last_progress < _LEAST_SECONDS and event.done != event.total:
            return
        self.last_progress = now
        said = {"done": event.done, "total": event.total, "text": event.name}
        self.say("progress", {**said, "seconds_left": event.eta_seconds})


class Jobs:
    """Runs jobs, two at a time, and finds them by id.

    Args:
        on_failure: is called with an error that nobody expected. The page is only told that there
            was one, since its text may name files.
    """

    def __init__(self, *, on_failure: Callable[[Exception], None]) -> None:
        # Two, so that a refit of seconds does not wait behind the copy of a long video. More would
        # take the processor from the page.
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="review-job")
        self._jobs: dict[str, Job] = {}
        self._by_purpose: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._on_failure = on_failure

    def start(self, work: Callable[[Job], dict[str, Any]], *, purpose: str | None = None) -> Job:
        """Start some work; its result is what `done` carries.

        Args:
            purpose: what it is for. While a job of this purpose runs, that one is returned and no
                second one is started; None always starts one.

        Raises:
            TooManyJobsError: too many are waiting.
        """
        with self._lock:
            running = self._by_purpose.get(purpose) if purpose else None
            if running is not None and not running.ended:
                return running
            if sum(not job.ended for job in self._jobs.values()) >= _MOST_WAITING:
                raise TooManyJobsError(f"{_MOST_WAITING} jobs are waiting; try again later")
            job = Job(secrets.token_hex(8))
            self._jobs[job.id] = job
            if purpose:
                self._by_purpose[purpose] = job
            self._forget_oldest()
        self._pool.submit(self._run, job, work)
        return job

    def find(self, job_id: str) -> Job | None:
        """The job of an id; None where it is unknown or long ended."""
        with self._lock:
            return self._jobs.get(job_id)

    def of_purpose(self, purpose: str) -> Job | None:
        """The job of a purpose that runs now; None where there is none."""
        with self._lock:
            job = self._by_purpose.get(purpose)
        return None if job is None or job.ended else job

    def close(self) -> None:
        """Start no further work; Python waits at its end for what is running."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: Job, work: Callable[[Job], dict[str, Any]]) -> None:
        try:
            job.say("done", work(job))
        except HiProbeError as error:
            job.say("failed", {"error": {"code": type(error).__name__, "message": str(error)}})
        except Exception as error:  # a job's thread would swallow it
            self._on_failure(error)
            words = "something unexpected failed; the window of `hiprobe review` says what"
            job.say("failed", {"error": {"code": "unexpected", "message": words}})
        finally:
            job.ended = True

    def _forget_oldest(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.ended]
        for job_id in ended[: max(0, len(ended) - _MOST_FINISHED)]:
            del self._jobs[job_id]
        self._by_purpose = {p: j for p, j in self._by_purpose.items() if not j.ended}
