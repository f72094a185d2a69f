"""Routes that change something: sessions, labels, thresholds, refits, words, exports."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from hiprobe.review.server import review_answers as a
from hiprobe.review.server.access import ReviewSession, Role
from hiprobe.review.server.desk import Desk, TheDesk, TheSession, route
from hiprobe.review.server.guard import COOKIE, Refusal
from hiprobe.review.server.jobs import Job
from hiprobe.review.server.reading_routes import AnId
from hiprobe.review.server.words_of_model import tell_in_words

router = APIRouter(prefix="/api")


def _told(session: ReviewSession) -> a.SessionAnswer:
    role: Any = session.role.name.lower()
    return a.SessionAnswer(role=role, reviewer=session.reviewer, csrf=session.csrf)


@route(router, "POST", "/session", role=None, response_model=a.SessionAnswer)
def log_in(request: Request, desk: TheDesk, given: a.LogIn) -> Any:
    """Exchange a token, or a name and a password, for a session in a cookie."""
    address = request.client.host if request.client else ""
    if given.token is not None and given.user is None and given.password is None:
        secret, session = desk.access.log_in_by_token(given.token, address=address)
    elif given.token is None and given.user is not None and given.password is not None:
        secret, session = desk.access.log_in(given.user, given.password, address=address)
    else:
        raise Refusal(400, "log_in", "give either token, or user and password")
    response = JSONResponse(_told(session).model_dump())
    # Behind a proxy that speaks HTTPS, what arrives here is HTTP. The browser's Origin says which
    # of the two it speaks; a secure cookie over HTTP would be dropped.
    is_https = request.headers.get("origin", "").startswith("https://")
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=is_https)
    return response


@route(router, "GET", "/session", role=Role.VIEWER, response_model=a.SessionAnswer)
def session_now(session: TheSession) -> Any:
    """Who is logged in."""
    return _told(session)


@route(router, "DELETE", "/session", role=Role.VIEWER, status_code=204)
def log_out(request: Request, desk: TheDesk) -> Response:
    """End the session."""
    desk.access.log_out(request.scope["state"]["cookie"] or "")
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@route(router, "POST", "/labels", role=Role.REVIEWER, response_model=a.LabelAnswer)
def label(desk: TheDesk, session: TheSession, given: a.NewLabel) -> Any:
    """Label an event, or a stretch of a video."""
    stretch = (given.video_id, given.start_seconds, given.end_seconds)
    is_stretch = None not in stretch and given.event_id is None
    is_event = given.event_id is not None and stretch == (None, None, None)
    if not (is_stretch or is_event):
        raise Refusal(
            400, "label", "give either event_id, or video_id with start_seconds and end_seconds"
        )
    start, end = given.start_seconds, given.end_seconds
    if start is not None and end is not None and end <= start:
        raise Refusal(400, "label", f"end_seconds {end} is not after start_seconds {start}")
    _check_class(given)
    return desk.library.label(**given.model_dump(), reviewer=session.reviewer)


def _check_class(given: a.NewLabel | a.NewLabels) -> None:
    if (given.kind == "class") != (given.class_name is not None):
        raise Refusal(400, "label", "class_name goes with the kind class, and with no other")


@route(router, "POST", "/labels/bulk", role=Role.REVIEWER, response_model=a.LabelsAnswer)
def label_many(desk: TheDesk, session: TheSession, given: a.NewLabels) -> Any:
    """Give several events the same label; if one of them is unknown, none is labelled."""
    _check_class(given)
    return {"labels": desk.library.label_events(**given.model_dump(), reviewer=session.reviewer)}


@route(router, "POST", "/labels/undo", role=Role.REVIEWER, response_model=a.UndoneAnswer)
def undo(desk: TheDesk, session: TheSession) -> Any:
    """Take back what this reviewer labelled last; several events labelled at once count as one."""
    return {"undone": desk.library.undo(session.reviewer)}


@route(router, "POST", "/labels/import", role=Role.ADMIN, response_model=a.ImportedAnswer)
def import_labels(
    desk: TheDesk, session: TheSession, given: Annotated[dict[str, Any], Body()]
) -> Any:
    """Take in labels as they were exported in JSON."""
    return {"imported": desk.library.import_labels(given, session.reviewer)}


@route(router, "DELETE", "/labels/{label_id}", role=Role.REVIEWER, status_code=204)
def unlabel(desk: TheDesk, label_id: AnId) -> None:
    """Take a label back."""
    desk.library.unlabel(label_id)


@route(router, "PUT", "/events/{event_id}/seen", role=Role.REVIEWER, status_code=204)
def seen(desk: TheDesk, session: TheSession, event_id: AnId, given: a.Seen) -> None:
    """Keep whether this reviewer has seen an event."""
    desk.library.set_seen(event_id, session.reviewer, seen=given.seen)


@route(
    router,
    "POST",
    "/videos/{video_id}/resegment",
    role=Role.VIEWER,
    response_model=a.ResegmentedAnswer,
)
def resegment(desk: TheDesk, video_id: AnId, given: a.NewThreshold) -> Any:
    """Events at another threshold; nothing is kept."""
    found = desk.library.resegment(video_id, given.threshold)
    spans = [(e.start_seconds, e.end_seconds) for e in found]
    own = [one for one in desk.library.labels() if one.video_id == video_id]
    kept = sum(any(s < one.end_seconds and one.start_seconds < e for s, e in spans) for one in own)
    return {
        "events": found,
        "alarms": desk.library.alarm_rate(given.threshold, video_id=video_id),
        "kept_labels": kept,
        "lost_labels": len(own) - kept,
    }


@route(
    router, "PUT", "/videos/{video_id}/threshold", role=Role.ADMIN, response_model=a.VersionAnswer
)
def set_threshold(desk: TheDesk, session: TheSession, video_id: AnId, given: a.NewThreshold) -> Any:
    """Keep a threshold for one video; the probe stays as it is."""
    return desk.library.set_threshold(video_id, given.threshold, session.reviewer)


@route(router, "PUT", "/probe/threshold", role=Role.ADMIN, response_model=a.VersionAnswer)
def set_probe_threshold(desk: TheDesk, session: TheSession, given: a.NewThreshold) -> Any:
    """Keep a threshold for all videos, as a new version of the probe."""
    return desk.library.set_threshold(None, given.threshold, session.reviewer)


@route(
    router,
    "POST",
    "/probe/versions/{number}/restore",
    role=Role.ADMIN,
    response_model=a.VersionAnswer,
)
def restore(
    desk: TheDesk, session: TheSession, number: Annotated[int, Path(ge=1, le=10**9)]
) -> Any:
    """Bring a version of the probe back."""
    return desk.teacher.restore(number, session.reviewer)


@route(router, "POST", "/refits", role=Role.REVIEWER, status_code=202)
def start_refit(desk: TheDesk) -> a.JobAnswer:
    """Fit on all labels; `done` carries the id of the refit."""
    job = desk.jobs.start(
        lambda job: {"result_id": desk.teacher.refit(job.progress).id}, purpose="refit"
    )
    return a.JobAnswer(job=job.id)


@route(
    router,
    "POST",
    "/refits/{refit_id}/accept",
    role=Role.ADMIN,
    response_model=a.VersionAnswer,
)
def accept(desk: TheDesk, session: TheSession, refit_id: AnId) -> Any:
    """Take a refit as the probe in use."""
    return desk.teacher.accept(refit_id, session.reviewer)


@route(router, "DELETE", "/refits/{refit_id}", role=Role.REVIEWER, status_code=204)
def discard(desk: TheDesk, refit_id: AnId) -> None:
    """Throw a refit away."""
    desk.teacher.discard(refit_id)


@route(router, "GET", "/proposals", role=Role.REVIEWER, response_model=a.ProposalsAnswer)
def proposals(desk: TheDesk, count: Annotated[int, Query(ge=1, le=100)] = 8) -> Any:
    """What is most worth labelling next."""
    return {"proposals": desk.teacher.proposals(count)}


@route(router, "POST", "/events/{event_id}/explain", role=Role.REVIEWER, status_code=202)
def explain(desk: TheDesk, event_id: AnId) -> a.JobAnswer:
    """Ask the model about an event; its words come as events of the job."""
    desk.library.event(event_id)

    def work(job: Job) -> dict[str, Any]:
        tell_in_words(event_id, desk.library, desk.model, job)
        return {"result_id": event_id}

    # A second click while the model is busy listens to the first answer.
    return a.JobAnswer(job=desk.jobs.start(work, purpose=f"explain {event_id}").id)


@route(router, "POST", "/exports", role=Role.REVIEWER, status_code=202)
def start_export(desk: TheDesk, given: a.NewExport) -> a.JobAnswer:
    """Write an export; `done` carries its id, and why which videos are left out."""
    known = {one.name: one.extension for one in desk.exports.formats()}
    if given.format not in known:
        raise Refusal(400, "format", f"there is no such format; choose from {', '.join(known)}")
    return a.JobAnswer(job=desk.jobs.start(lambda job: _export(desk, given.format, known)).id)


def _export(desk: Desk, name: str, known: dict[str, str]) -> dict[str, Any]:
    export_id = secrets.token_hex(8)
    file = desk.media.export_path(export_id, known[name])
    left_out = desk.exports.write(name, file)
    # Reasons name the path of the video, which stays on the server.
    reasons = [one.reason.replace(str(one.video), one.video.name) for one in left_out]
    return {"result_id": export_id, "left_out": reasons}


@route(router, "GET", "/exports/{export_id}/file", role=Role.REVIEWER, response_class=FileResponse)
def export_file(desk: TheDesk, export_id: AnId) -> Any:
    """A finished export."""
    file = desk.media.exported(export_id)
    if file is None:
        raise Refusal(404, "not_found", "there is no such export; start it again")
    return FileResponse(file, filename=f"hiprobe-review{file.suffix}")
