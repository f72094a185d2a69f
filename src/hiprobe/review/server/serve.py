"""Where the review listens, who may open it, and the server that runs until it is stopped."""

from __future__ import annotations

import getpass
import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from hiprobe.errors import UsageError
from hiprobe.review.server.access import (
    Access,
    Account,
    ProxyTrust,
    Role,
    hash_password,
    plain_address,
    read_accounts,
)

# How long Ctrl-C waits for answers under way. A page that listens to a job would keep its stream
# open for as long as the job runs.
_STOP_SECONDS = 3
_ANY = ("0.0.0.0", "::")
_THIS_MACHINE = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class ServeOptions:
    """How the review is reached.

    Attributes:
        host, port: where it listens; port 0 takes any that is free.
        password_file: people and passwords, as `read_accounts` takes them.
        password: password of the person `admin`, from the environment.
        proxy_user_header: header in which a reverse proxy names the person; None where no proxy is
            trusted.
        proxy_addresses: from where that header is believed; empty for this machine.
        names: further names under which the page is opened, such as that of a proxy.

    Raises:
        UsageError: the port is not one, or other machines can reach a review without passwords.
    """

    host: str = "127.0.0.1"
    port: int = 0
    password_file: Path | None = None
    password: str | None = None
    proxy_user_header: str | None = None
    proxy_addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port} does not exist; give one from 0 to 65535")
        guarded = self.password_file or self.password or self.proxy_user_header
        if not self.is_loopback and not guarded:
            raise UsageError(
                f"{self.host} can be reached from other machines; give --password-file, or "
                "the variable HIPROBE_REVIEW_PASSWORD, or --trust-header, as well"
            )
        if self.proxy_addresses and self.proxy_user_header is None:
            raise UsageError("--trust-from goes with --trust-header; give both, or neither")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> frozenset[str]:
        """Names that the header `Host` may give."""
        own = {self.host.lower(), *(name.lower() for name in self.names)}
        if self.is_loopback:
            own |= {"127.0.0.1", "localhost", "::1"}
        elif self.host in _ANY:
            own |= {socket.gethostname().lower(), "localhost"}
        return frozenset(own - set(_ANY))

    def access(self) -> tuple[Access, str | None]:
        """Who may do what, and the token of the printed address.

        The token is None where people log in by name, or a proxy names them.

        Raises:
            UsageError: the password file cannot be used, or the proxy's header or address is wrong.
        """
        proxy = None
        if self.proxy_user_header is not None:
            trusted = {plain_address(one) or one for one in self.proxy_addresses}
            proxy = ProxyTrust(self.proxy_user_header.lower(), frozenset(trusted or _THIS_MACHINE))
        accounts: dict[str, Account] = {}
        if self.password_file is not None:
            accounts = read_accounts(self.password_file, behind_proxy=proxy is not None)
        if self.password:
            accounts["admin"] = Account("admin", Role.ADMIN, hash_password(self.password))
        # A token is for the owner of this machine. Where others may come, it would be an admin's
        # password that lies in a terminal.
        open_here = self.is_loopback and not accounts and proxy is None
        token = secrets.token_urlsafe(32) if open_here else None
        reviewer = _own_name()
        access = Access(token=token, token_reviewer=reviewer, accounts=accounts, proxy=proxy)
        return access, token


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no entry
        return "local"


def listen(options: ServeOptions) -> socket.socket:
    """A socket at host and port.

    Raises:
        UsageError: the host is unknown, or the port is taken.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM
        )[0]
        found = socket.socket(kind, socket.SOCK_STREAM)
        # Otherwise a port stays taken for a minute after the last review ended.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {options.host} port {options.port} ({error.strerror}); "
            "choose another --port, or 0 for any that is free"
        ) from error
    return found


def address_of(options: ServeOptions, listening: socket.socket, token: str | None) -> str:
    """The address to open, with the token in its fragment, which browsers send to nobody."""
    host = "localhost" if options.host in _ANY else options.host
    shown = f"[{host}]" if ":" in host else host
    fragment = f"#token={token}" if token else ""
    return f"http://{shown}:{listening.getsockname()[1]}/{fragment}"


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server that names no version, keeps no access log and believes no forwarded address."""
    # The access log would fill the terminal with one line a picture. Forwarded addresses are not
    # believed, since anybody can send that header; what a proxy says is checked in `Access`.
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def serve(app: ASGIApp, listening: socket.socket, *, ready: Callable[[], None]) -> None:
    """Answer until Ctrl-C.

    Args:
        ready: is called once requests are taken in, so that a browser may be opened.
    """
    listening.listen()
    ready()
    server_of(app).run(sockets=[listening])
