"""What every request passes first: host, origin, session, CSRF token and size; and the headers."""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiprobe.review.server.access import Access

COOKIE = "hiprobe_session"
# The largest body is an export of labels that is imported: some fifty thousand labels.
MOST_BODY_BYTES = 16 * 1024 * 1024

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_LOG_IN = ("POST", "/api/session")

# The page loads nothing from elsewhere and has no scripts or styles within its HTML. So what a
# file's name or a note might smuggle into it is not run, and can send nothing out.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Refusal(Exception):  # noqa: N818 - an answer to a request, not a failure of ours
    """A request that goes no further."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> dict[str, dict[str, str]]:
        """What the client gets."""
        return {"error": {"code": self.code, "message": self.message}}


class Guard:
    """ASGI middleware around the whole application.

    A page of another site can make a browser send requests here, and can point its own name at this
    address (DNS rebinding). But it cannot choose the `Host` and `Origin` that the browser writes,
    and it cannot read the CSRF token.

    Args:
        hosts: names under which the page is opened, without ports, in small letters.
        any_address: accept IP addresses as `Host` as well, where the server listens at several. DNS
            rebinding needs a name, so these are safe.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, hosts: frozenset[str], any_address: bool = False
    ) -> None:
        self._app, self._access = app, access
        self._hosts, self._any_address = hosts, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            # There are no websockets here; the server's start and end pass.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = _with_headers(send, is_api=scope["path"].startswith("/api/"))
        try:
            self._check(scope)
        except Refusal as refusal:
            await _refuse(answer, refusal)
            return
        await self._app(scope, _limited(receive), answer)

    def _check(self, scope: Scope) -> None:
        headers = _single(scope, self._access.proxy_header)
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise Refusal(
                421, "host", "this server does not go by that name; open the address it printed"
            )
        origin = headers.get("origin")
        # Other programs on this machine are "same-site": a site is a name without its port.
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        writes = scope["method"] not in _SAFE_METHODS
        if (origin is not None and _authority(origin) != host.lower()) or (
            foreign and (writes or scope["path"].startswith("/api/"))
        ):
            raise Refusal(403, "origin", "requests of other sites' pages are not answered")
        # A number of thousands of digits would be slow to read, hence the limit on its length.
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise Refusal(400, "headers", "the header content-length is not a number of bytes")
        if int(length) > MOST_BODY_BYTES:
            raise _too_large()
        client = scope.get("client") or ("", 0)
        secret = cookie_of(headers)
        session = self._access.session_of(secret, headers=headers, address=client[0])
        scope.setdefault("state", {})["session"] = session
        scope["state"]["cookie"] = secret
        if writes and (scope["method"], scope["path"]) != _LOG_IN and session is not None:
            given = headers.get("x-csrf-token", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, session.csrf.encode()):
                raise Refusal(
                    403, "csrf", "the header X-CSRF-Token is missing or old; load the page again"
                )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        if not self._any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _authority(origin: str) -> str:
    """Host and port of an origin; empty for "null" and for what is not an address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def cookie_of(headers: Mapping[str, str]) -> str | None:
    """The secret that the session's cookie holds; None where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _single(scope: Scope, proxy_header: str | None) -> dict[str, str]:
    """Headers by name; those that a check relies on may be given only once.

    Of two, a proxy in front may look at the first and we at the last.
    """
    decide = ("host", "origin", "x-csrf-token", "content-length", proxy_header)
    found: dict[str, str] = {}
    for key, value in scope["headers"]:
        name = key.decode("latin-1").lower()
        if name in found and name in decide:
            raise Refusal(400, "headers", f"the header {name} is given twice; send it once")
        found[name] = value.decode("latin-1")
    return found


def _too_large() -> Refusal:
    return Refusal(413, "too_large", f"a request may have {MOST_BODY_BYTES:,} bytes; send less")


def _limited(receive: Receive) -> Receive:
    """Count a body as it is read: one that is sent in chunks does not declare its length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BODY_BYTES:
            raise _too_large()
        return message

    return counted


def _with_headers(send: Send, *, is_api: bool) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = dict(_HEADERS)
            names = {name.lower() for name, _ in message["headers"]}
            # The page's files are asked for again each time, or a browser would mix those of two
            # versions of HiProbe. Answers of the API hold names and labels: no disk keeps them.
            if b"cache-control" not in names:
                own["cache-control"] = "no-store" if is_api else "no-cache"
            added = [(name.encode(), value.encode()) for name, value in own.items()]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return with_headers


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps(refusal.body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
