"""The application: routes, the page's files, and what each error is answered with."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp

from hiprobe import __version__
from hiprobe.errors import HiProbeError, StorageError, UsageError
from hiprobe.review.server import reading_routes, writing_routes
from hiprobe.review.server.access import AccessDenied
from hiprobe.review.server.desk import Desk
from hiprobe.review.server.guard import Guard, Refusal
from hiprobe.review.server.jobs import TooManyJobsError

PAGE = Path(__file__).resolve().parent.parent / "static"
# Windows' registry may say otherwise, and browsers refuse a module of another type.
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}


def make_app(
    desk: Desk,
    *,
    hosts: frozenset[str],
    any_address: bool = False,
    on_failure: Callable[[Exception], None],
    page: Path = PAGE,
) -> ASGIApp:
    """The whole server behind its guard.

    Args:
        hosts, any_address: as for `Guard`.
        on_failure: is called with errors that nobody expected.
        page: folder with `index.html` and what belongs to it.
    """
    app = FastAPI(
        title="HiProbe review",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's pages on the API load scripts from the internet
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = desk
    app.include_router(reading_routes.router)
    app.include_router(writing_routes.router)
    _serve_page(app, page)
    _answer_errors(app, on_failure)
    return Guard(app, access=desk.access, hosts=hosts, any_address=any_address)


def _serve_page(app: FastAPI, page: Path) -> None:
    """The page's files by name, read once: no path of a request reaches the file system."""
    files = {
        file.relative_to(page).as_posix(): file.read_bytes()
        for file in sorted(page.rglob("*"))
        if file.is_file()
    }

    def answer(name: str) -> Response:
        if name not in files:
            raise Refusal(404, "not_found", "there is no such file of the page")
        suffix = Path(name).suffix
        kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], media_type=kind)

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return answer("index.html")

    @app.get("/static/{name:path}", include_in_schema=False)
    def static(name: str) -> Response:
        return answer(name)


def _answer_errors(app: FastAPI, on_failure: Callable[[Exception], None]) -> None:
    def refused(_: Request, error: Any) -> JSONResponse:
        return JSONResponse(error.body(), status_code=error.status)

    def denied(_: Request, error: Any) -> JSONResponse:
        many = error.wait_seconds > 0
        headers = {"retry-after": str(error.wait_seconds)} if many else None
        return _error(429 if many else 401, "log_in", str(error), headers=headers)

    def invalid(_: Request, error: Any) -> JSONResponse:
        # Only Pydantic's place and reason: the rest of its message repeats the input, which may be
        # a password.
        found = [".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors()[:5]]
        return _error(422, "invalid", "; ".join(found))

    def unknown(_: Request, error: Any) -> JSONResponse:
        return _error(404, "not_found", "there is nothing with this id; load the list again")

    def known(_: Request, error: Any) -> JSONResponse:
        # An unknown id is a wrong input elsewhere; asked over HTTP it is a page that is not there.
        if isinstance(error, LookupError):
            return unknown(_, error)
        # 409 for all others: the request was fine, but the state of files or probe does not allow
        # it.
        kinds = ((TooManyJobsError, 429), (UsageError, 400), (StorageError, 503))
        status = next((status for kind, status in kinds if isinstance(error, kind)), 409)
        return _error(status, type(error).__name__, str(error))

    def of_http(_: Request, error: Any) -> JSONResponse:
        return _error(error.status_code, "http", str(error.detail), headers=error.headers)

    def unexpected(_: Request, error: Exception) -> JSONResponse:
        on_failure(error)
        return _error(
            500, "unexpected", "something unexpected failed; see the window of `hiprobe review`"
        )

    handlers: dict[Any, Callable[[Request, Any], JSONResponse]] = {
        Refusal: refused,
        AccessDenied: denied,
        RequestValidationError: invalid,
        HiProbeError: known,
        LookupError: unknown,
        HTTPException: of_http,
        Exception: unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _error(status: int, code: str, message: str, *, headers: Any = None) -> JSONResponse:
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)
