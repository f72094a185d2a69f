"""What every route needs: the parts of the review, who asks, and what their role allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from hiprobe.review.exports import LibraryExports
from hiprobe.review.library import Library
from hiprobe.review.server.access import Access, ReviewSession, Role
from hiprobe.review.server.guard import Refusal
from hiprobe.review.server.jobs import Jobs
from hiprobe.review.server.media import MediaCache
from hiprobe.review.server.review_answers import ErrorAnswer
from hiprobe.review.server.words_of_model import LazyModel
from hiprobe.review.teach import Teacher


@dataclass(frozen=True)
class Desk:
    """The parts of one review, shared by all requests."""

    access: Access
    library: Library
    teacher: Teacher
    exports: LibraryExports
    model: LazyModel
    media: MediaCache
    jobs: Jobs


def desk_of(request: Request) -> Desk:
    """The review that a request belongs to."""
    found: Desk = request.app.state.desk
    return found


def session_of(request: Request) -> ReviewSession:
    """Who asks.

    Raises:
        Refusal: nobody is logged in.
    """
    session: ReviewSession | None = request.scope["state"]["session"]
    if session is None:
        raise Refusal(401, "session", "log in first, or open the address that was printed")
    return session


TheDesk = Annotated[Desk, Depends(desk_of)]
TheSession = Annotated[ReviewSession, Depends(session_of)]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

# What a route may answer besides its result. OpenAPI lists them, and the tests that make up
# requests from it take any other status for a fault.
_CODES = (400, 401, 403, 404, 409, 413, 421, 422, 429, 503)


def route(
    router: APIRouter, method: str, path: str, *, role: Role | None, **more: Any
) -> Decorator:
    """A route that needs a role. Every route must name one, so that none is open by oversight.

    Args:
        role: the lowest role that may ask, shown in OpenAPI as `x-role`; None where nobody needs to
            be logged in.
        more: further arguments of FastAPI's `api_route`.
    """

    def allowed(request: Request) -> None:
        if role is not None and session_of(request).role < role:
            raise Refusal(
                403, "role", f"this needs the role {role.name.lower()}; ask an administrator"
            )

    return router.api_route(
        path,
        methods=[method],
        dependencies=[Depends(allowed)],
        openapi_extra={"x-role": "nobody" if role is None else role.name.lower()},
        responses={code: _error_of(**more) for code in _CODES},
        **more,
    )


def _error_of(*, response_class: object = None, **_: object) -> dict[str, Any]:
    """How OpenAPI describes an error.

    Of a route that answers with a file, FastAPI would describe errors as files as well.
    """
    if response_class is None:
        return {"model": ErrorAnswer}
    schema = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    return {"content": {"application/json": {"schema": schema}}}
