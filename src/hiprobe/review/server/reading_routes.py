"""Routes that read: videos, events, pictures, curves, reasons, the probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from hiprobe import __version__
from hiprobe.review.event_queue import EventOrder
from hiprobe.review.server import review_answers as a
from hiprobe.review.server.access import Role
from hiprobe.review.server.desk import Desk, TheDesk, desk_of, route
from hiprobe.review.server.guard import Refusal
from hiprobe.review.server.jobs import Job
from hiprobe.review.server.media import THUMBNAILS, thumbnail_seconds

router = APIRouter(prefix="/api")

# How often a stream looks for news of its job, which runs in a thread outside of the event loop.
_LISTEN_SECONDS = 0.1
# Pictures of a queue that is scrolled back and forth are not asked for again. A video is, since a
# playable copy may have taken the file's place at the same address.
_KEPT = {"cache-control": "private, max-age=86400"}
_ASKED_AGAIN = {"cache-control": "private, no-cache"}

AnId = Annotated[str, Path(pattern=a.ID_PATTERN)]
Score = Annotated[float | None, Query(allow_inf_nan=False)]
Word = Annotated[str | None, Query(max_length=200)]


@route(router, "GET", "/health", role=None, response_model=a.HealthAnswer)
def health() -> Any:
    """That the server is there."""
    return {"version": __version__}


@route(router, "GET", "/videos", role=Role.VIEWER, response_model=a.VideosAnswer)
def videos(desk: TheDesk) -> Any:
    """All videos."""
    return {"videos": desk.library.videos()}


@route(router, "GET", "/events", role=Role.VIEWER, response_model=a.EventsAnswer)
def events(
    desk: TheDesk,
    sort: EventOrder = "certain",
    reviewed: bool | None = None,
    video: Annotated[str | None, Query(pattern=a.ID_PATTERN)] = None,
    camera: Word = None,
    day: Annotated[str | None, Query(pattern=r"^\d{4}-\d\d-\d\d$")] = None,
    label: Annotated[str | None, Query(max_length=100)] = None,
    min_score: Score = None,
    max_score: Score = None,
    explained: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Word = None,
) -> Any:
    """One page of the queue, filtered and sorted."""
    return desk.library.events(
        sort=sort,
        reviewed=reviewed,
        video=video,
        camera=camera,
        day=day,
        label=label,
        min_score=min_score,
        max_score=max_score,
        explained=explained,
        limit=limit,
        cursor=cursor,
    )


@route(router, "GET", "/events/{event_id}", role=Role.VIEWER, response_model=a.EventAnswer)
def event(desk: TheDesk, event_id: AnId) -> Any:
    """An event."""
    return desk.library.event(event_id)


@route(
    router,
    "GET",
    "/events/{event_id}/thumbnails",
    role=Role.VIEWER,
    response_model=a.ThumbnailsAnswer,
)
def thumbnails(desk: TheDesk, event_id: AnId) -> Any:
    """Moments of which there are pictures."""
    found = desk.library.event(event_id)
    seconds = thumbnail_seconds(found.start_seconds, found.end_seconds)
    return {"count": len(seconds), "seconds": seconds}


@route(
    router,
    "GET",
    "/events/{event_id}/thumbnails/{number}.jpg",
    role=Role.VIEWER,
    response_class=FileResponse,
)
def thumbnail(
    desk: TheDesk, event_id: AnId, number: Annotated[int, Path(ge=0, lt=THUMBNAILS)]
) -> Any:
    """The picture of one moment, as JPEG."""
    found = desk.library.event(event_id)
    moment = thumbnail_seconds(found.start_seconds, found.end_seconds)[number]
    picture = desk.media.thumbnail(desk.library.video_path(found.video_id), moment)
    return FileResponse(picture, media_type="image/jpeg", headers=_KEPT)


@route(router, "GET", "/videos/{video_id}/curve", role=Role.VIEWER, response_model=a.CurveAnswer)
def curve(desk: TheDesk, video_id: AnId) -> Any:
    """The scores of a video with its events, and truth where it is known."""
    timeline = desk.library.timeline(video_id)
    return {
        "video_id": video_id,
        "start_seconds": timeline.start_seconds,
        "end_seconds": timeline.end_seconds,
        "raw": timeline.scores,
        "smoothed": timeline.smoothed,
        "threshold": timeline.threshold,
        "truth": desk.library.video(video_id).truth,
        "events": desk.library.resegment(video_id, timeline.threshold),
    }


@route(router, "GET", "/videos/{video_id}/media/state", role=Role.VIEWER)
def media_state(desk: TheDesk, video_id: AnId) -> a.MediaState:
    """Whether the video can be played now."""
    job = desk.jobs.of_purpose(f"media {video_id}")
    ready = desk.media.ready(desk.library.video_path(video_id)) is not None
    return a.MediaState(ready=ready, job=None if job is None else job.id)


@route(
    router,
    "GET",
    "/videos/{video_id}/media",
    role=Role.VIEWER,
    response_class=Response,
)
def media(desk: TheDesk, video_id: AnId) -> Any:
    """The video, or 202 with the job that makes a copy which browsers can play."""
    path = desk.library.video_path(video_id)
    file = desk.media.ready(path)
    if file is not None:
        return FileResponse(file, media_type="video/mp4", headers=_ASKED_AGAIN)
    seconds = desk.library.video(video_id).duration_seconds

    def work(job: Job) -> dict[str, Any]:
        desk.media.make_copy(path, duration_seconds=seconds, progress=job.progress)
        return {"result_id": video_id}

    job = desk.jobs.start(work, purpose=f"media {video_id}")
    return JSONResponse({"job": job.id}, status_code=202)


@route(
    router,
    "GET",
    "/events/{event_id}/neighbours",
    role=Role.VIEWER,
    response_model=a.NeighboursAnswer,
)
def neighbours(desk: TheDesk, event_id: AnId) -> Any:
    """The three labelled clips whose states are nearest."""
    return {"neighbours": desk.teacher.neighbours(event_id, count=3)}


@route(
    router, "GET", "/events/{event_id}/members", role=Role.VIEWER, response_model=a.MembersAnswer
)
def members(desk: TheDesk, event_id: AnId) -> Any:
    """How the members of the committee voted."""
    return {"members": desk.teacher.members(event_id)}


@route(router, "GET", "/labels", role=Role.VIEWER, response_model=a.LabelsAnswer)
def labels(desk: TheDesk) -> Any:
    """All labels."""
    return {"labels": desk.library.labels()}


@route(router, "GET", "/probe", role=Role.VIEWER, response_model=a.ProbeAnswer)
def probe(desk: TheDesk) -> Any:
    """The probe in use."""
    return desk.library.probe()


@route(router, "GET", "/probe/versions", role=Role.VIEWER, response_model=a.VersionsAnswer)
def versions(desk: TheDesk) -> Any:
    """All versions of the probe."""
    return {"versions": desk.teacher.versions()}


@route(router, "GET", "/probe/gain", role=Role.VIEWER, response_model=a.GainAnswer)
def gain(desk: TheDesk) -> Any:
    """What labels have gained so far."""
    steps = desk.teacher.gain()
    return {"gain": [{"label_count": count, "cv_auc": auc} for count, auc in steps]}


@route(router, "GET", "/refits/{refit_id}", role=Role.VIEWER, response_model=a.RefitAnswer)
def refit(desk: TheDesk, refit_id: AnId) -> Any:
    """What a refit would change."""
    return desk.teacher.find(refit_id)


@route(router, "GET", "/exports", role=Role.VIEWER, response_model=a.FormatsAnswer)
def formats(desk: TheDesk) -> Any:
    """All formats of export."""
    return {"formats": desk.exports.formats()}


def _job_of(desk: Annotated[Desk, Depends(desk_of)], job_id: AnId) -> Job:
    job = desk.jobs.find(job_id)
    if job is None:
        raise Refusal(404, "not_found", "there is no such job; start it again")
    return job


@route(router, "GET", "/jobs/{job_id}/stream", role=Role.VIEWER, response_class=EventSourceResponse)
async def stream(
    request: Request, job: Annotated[Job, Depends(_job_of)]
) -> AsyncIterable[ServerSentEvent]:
    """What a job says, from its beginning or from where this listener was cut off."""
    # A browser that was cut off connects again by itself, and says what it heard last.
    last = request.headers.get("last-event-id", "")
    known = last.isascii() and last.isdigit() and len(last) < 10
    told = min(int(last) + 1, len(job.heard)) if known else 0
    while True:
        # Read before what was heard: a word in between is then sent in the next round, and not lost
        # behind the end.
        ended = job.ended
        for kind, content in job.heard[told:]:
            yield ServerSentEvent(data=content, event=kind, id=str(told))
            told += 1
        if ended:
            return
        await asyncio.sleep(_LISTEN_SECONDS)
