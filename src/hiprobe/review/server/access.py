"""Who may do what: the token of this run, passwords, sessions, and a limit on wrong log-ins."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from hiprobe.errors import UsageError

# 0.05 to 0.2 s a try: too slow to guess by the million, and nobody who logs in notices. Hashes in
# password files do not name their costs, so these cannot change.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
# OpenSSL refuses scrypt above 32 MiB unless told otherwise, and these costs need 16.
_SCRYPT_BYTES = 64 * 1024 * 1024

# Nobody types more. Without a limit a request of megabytes would keep a processor busy.
_MOST_PASSWORD_CHARACTERS = 1024
# A working day with its breaks, so that nobody is logged out in the middle of a review.
_SESSION_SECONDS = 12 * 3600.0
# Each log-in makes one; a script that logs in for every request must not fill the memory.
_MOST_SESSIONS = 1000
# Wrong log-ins within a minute, from one address and from all of them: who guesses from many
# addresses is stopped by the second.
_WINDOW_SECONDS = 60.0
_WRONG_OF_ONE, _WRONG_OF_ALL = 5, 50


class Role(IntEnum):
    """What a person may do; each includes those before it."""

    VIEWER = 1
    REVIEWER = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role:
        """The role of a name in small letters.

        Raises:
            UsageError: there is no such role.
        """
        if name.upper() not in cls.__members__:
            raise UsageError(f"{name!r} is not a role; choose viewer, reviewer or admin")
        return cls[name.upper()]


@dataclass(frozen=True)
class Account:
    """A person who may log in; the password is kept as a scrypt hash alone."""

    name: str
    role: Role
    password_hash: str = field(repr=False)


@dataclass(frozen=True)
class ReviewSession:
    """A person who is logged in; `csrf` is what their writes must carry."""

    reviewer: str
    role: Role
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class ProxyTrust:
    """A reverse proxy that has checked the person, and names them in a header.

    Attributes:
        header: its name in small letters.
        addresses: from where the header is believed, as `plain_address` writes them.

    Raises:
        UsageError: the header's name is not one, or has another meaning; an address is not one.
    """

    header: str
    addresses: frozenset[str]

    def __post_init__(self) -> None:
        if not _HEADER.fullmatch(self.header) or self.header in _TAKEN_HEADERS:
            raise UsageError(
                f"the header {self.header!r} cannot name a person; give the one in which the proxy "
                "names them, such as X-Forwarded-User"
            )
        for address in self.addresses:
            if plain_address(address) is None:
                raise UsageError(f"{address!r} is not an IP address; give one such as 10.0.0.5")

    def user_of(self, headers: Mapping[str, str], *, address: str) -> str | None:
        """The name that the proxy gives; None if it gives none, or is not at a trusted address."""
        if plain_address(address) not in self.addresses:
            return None
        user = headers.get(self.header, "").strip()
        with suppress(UnicodeError):  # headers are read as Latin-1, and proxies write UTF-8
            user = user.encode("latin-1").decode("utf-8")
        return user or None


_HEADER = re.compile(r"[a-z0-9-]+")
# Browsers set these themselves, so that anybody could name anybody with them.
_TAKEN_HEADERS = frozenset(
    ("host", "origin", "cookie", "referer", "user-agent", "content-length", "x-csrf-token")
)


def plain_address(address: str) -> str | None:
    """An IP address in one spelling; None for any other text.

    A socket that listens to both families shows 10.0.0.5 as ::ffff:10.0.0.5.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


class AccessDenied(Exception):  # noqa: N818 - an answer to a request, not a failure of ours
    """A log-in that is refused; `wait_seconds` is above 0 after too many wrong ones."""

    def __init__(self, message: str, *, wait_seconds: int = 0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


def hash_password(password: str) -> str:
    """A salted scrypt hash (RFC 7914) as one word: `scrypt$salt$hash`, both in hex."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def is_password(password: str, password_hash: str) -> bool:
    """Whether a password belongs to a hash; takes the same time for right and wrong ones."""
    _, salt, wanted = password_hash.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(wanted))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        maxmem=_SCRYPT_BYTES,
    )


def read_accounts(path: Path, *, behind_proxy: bool = False) -> dict[str, Account]:
    """The people of a password file: each line is `name:role:password` or `name:role:scrypt$...`.

    Empty lines and lines that begin with # are ignored. Messages name the number of a line and
    never its text, which may hold a password.

    Args:
        path: a text file in UTF-8.
        behind_proxy: a proxy names people, so `name:role` is enough; nobody can log in past the
            proxy with such a name.

    Returns:
        Accounts by name.

    Raises:
        UsageError: the file cannot be read, or a line is not of this form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a password file of UTF-8 text") from error
    accounts: dict[str, Account] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        role, _, secret = rest.partition(":")
        if behind_proxy and not rest.count(":"):
            secret = secrets.token_hex(32)  # nobody knows it, so nobody can log in with it
        known = role.strip().upper() in Role.__members__
        if not (name.strip() and known and secret.strip()) or name.strip() in accounts:
            raise UsageError(
                f"line {number} of {path} is not name:role:password with a new name and a role "
                "of viewer, reviewer or admin; correct it"
            )
        kept = _kept(secret.strip(), line=number, path=path)
        accounts[name.strip()] = Account(name.strip(), Role.named(role.strip()), kept)
    if not accounts:
        raise UsageError(f"{path} names nobody; give a line name:role:password for each person")
    return accounts


def _kept(secret: str, *, line: int, path: Path) -> str:
    """A password as its hash; a hash as it is, after it was tried once."""
    if not secret.startswith("scrypt$"):
        return hash_password(secret)
    try:
        is_password("", secret)
    except ValueError:
        raise UsageError(
            f"line {line} of {path} holds a damaged hash; make a new one, or give the password"
        ) from None
    return secret


class Access:
    """Opens and finds sessions; safe to use from several threads.

    Args:
        token: secret in the fragment of the printed address; None where people log in by name.
        token_reviewer: the name that labels carry which are given with the token.
        accounts: people with passwords, by name.
        proxy: a reverse proxy that says who somebody is; None where there is none. A person whom
            `accounts` does not name is a viewer.
        now: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        *,
        token: str | None,
        token_reviewer: str = "local",
        accounts: Mapping[str, Account] | None = None,
        proxy: ProxyTrust | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token, self._token_reviewer = token, token_reviewer
        self._accounts, self._proxy, self._now = dict(accounts or {}), proxy, now
        self._open: dict[str, tuple[float, ReviewSession]] = {}
        self._lock = threading.Lock()
        self._wrong: deque[tuple[float, str]] = deque()
        self._key = secrets.token_bytes(32)
        # Checked for unknown names, so that an answer's time does not tell which names there are.
        self._nobody = hash_password(secrets.token_hex(16))

    @property
    def proxy_header(self) -> str | None:
        """The header in which a proxy names people; None where none is believed."""
        return None if self._proxy is None else self._proxy.header

    def log_in_by_token(self, token: str, *, address: str) -> tuple[str, ReviewSession]:
        """A new session and the secret of its cookie.

        Raises:
            AccessDenied: another token, or too many wrong ones before.
        """
        self._refuse_many(address)
        # As bytes: compare_digest takes no text with letters beyond ASCII.
        given, wanted = (value.encode("utf-8", "replace") for value in (token, self._token or ""))
        if self._token is None or not hmac.compare_digest(given, wanted):
            self._note_wrong(address)
            raise AccessDenied(
                "this token does not open the review; use the address that `hiprobe review` printed"
            )
        return self._opened(self._token_reviewer, Role.ADMIN)

    def log_in(self, user: str, password: str, *, address: str) -> tuple[str, ReviewSession]:
        """A new session and the secret of its cookie.

        Raises:
            AccessDenied: wrong name or password, or too many wrong ones before.
        """
        self._refuse_many(address)
        # Counted as wrong before the slow check, and forgiven after it. Otherwise a hundred
        # requests sent at once would all be tried before the first is counted.
        noted = self._note_wrong(address)
        account = self._accounts.get(user)
        wanted = self._nobody if account is None else account.password_hash
        right = len(password) <= _MOST_PASSWORD_CHARACTERS and is_password(password, wanted)
        if account is None or not right:
            raise AccessDenied("name or password is wrong; try again")
        with self._lock:
            if noted in self._wrong:
                self._wrong.remove(noted)
        return self._opened(account.name, account.role)

    def log_out(self, secret: str) -> None:
        """End the session of a cookie, if there is one."""
        with self._lock:
            self._open.pop(_digest(secret), None)

    def session_of(
        self, secret: str | None, *, headers: Mapping[str, str], address: str
    ) -> ReviewSession | None:
        """The session of a request, by its cookie or by what the proxy says."""
        with self._lock:
            until, session = self._open.get(_digest(secret or ""), (0.0, None))
        if session is not None and until > self._now():
            return session
        user = None if self._proxy is None else self._proxy.user_of(headers, address=address)
        if user is None:
            return None
        account = self._accounts.get(user)
        # Derived from the name, so that requests need no session to be kept for them: the proxy
        # names the person in every one.
        csrf = hmac.new(self._key, user.encode(), "sha256").hexdigest()
        return ReviewSession(user[:200], account.role if account else Role.VIEWER, csrf)

    def _opened(self, reviewer: str, role: Role) -> tuple[str, ReviewSession]:
        secret, session = (
            secrets.token_urlsafe(32),
            ReviewSession(reviewer, role, secrets.token_urlsafe(32)),
        )
        with self._lock:
            now = self._now()
            self._open = {key: held for key, held in self._open.items() if held[0] > now}
            while len(self._open) >= _MOST_SESSIONS:
                self._open.pop(next(iter(self._open)))
            self._open[_digest(secret)] = (now + _SESSION_SECONDS, session)
        return secret, session

    def _note_wrong(self, address: str) -> tuple[float, str]:
        noted = (self._now(), address)
        with self._lock:
            self._wrong.append(noted)
        return noted

    def _refuse_many(self, address: str) -> None:
        with self._lock:
            while self._wrong and self._wrong[0][0] < self._now() - _WINDOW_SECONDS:
                self._wrong.popleft()
            own = sum(of == address for _, of in self._wrong)
            if own < _WRONG_OF_ONE and len(self._wrong) < _WRONG_OF_ALL:
                return
            wait = int(self._wrong[0][0] + _WINDOW_SECONDS - self._now()) + 1
        raise AccessDenied(
            f"too many wrong log-ins; try again in {wait} seconds", wait_seconds=wait
        )


def _digest(secret: str) -> str:
    """What a session is kept under: a look-up by the secret itself could be timed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
