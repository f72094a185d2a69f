"""A small HTTP server that speaks the hub's interface for one model folder, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

HUB = "somebody/tiny-model"
REVISION = "a" * 40
LARGE = (".safetensors", ".bin")


@dataclass
class Repository:
    """What the server has, what it does wrong, and what it was asked.

    `cut_after`: bytes of a file after which the connection breaks, once; `stall_after`: after which
    nothing more comes, until `released`; `altered`: files whose content is not what is stated.
    """

    files: dict[str, bytes]
    cut_after: dict[str, int] = field(default_factory=dict)
    stall_after: dict[str, int] = field(default_factory=dict)
    altered: set[str] = field(default_factory=set)
    status: int = 200
    revision: str = REVISION
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def listing(self) -> dict[str, Any]:
        """The answer about the model, as `model_info(files_metadata=True)` gets it."""
        return {
            "_id": "0" * 24,
            "id": HUB,
            "modelId": HUB,
            "sha": self.revision,
            "private": False,
            "siblings": [self._sibling(name) for name in self.files],
        }

    def _sibling(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        blob, sha = _hashes(data)
        entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
        if name.endswith(LARGE):
            entry["lfs"] = {"sha256": sha, "size": len(data), "pointerSize": 134}
        return entry

    def fetched(self, name: str) -> list[str | None]:
        """The ranges asked for of a file, one an answer."""
        return [span for method, file, span in self.asked if method == "GET" and file == name]


@cache
def _hashes(data: bytes) -> tuple[str, str]:
    """As git names a blob, and SHA-256."""
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
    return blob.hexdigest(), hashlib.sha256(data).hexdigest()


def read_repository(folder: Path) -> Repository:
    """A folder's files as a repository."""
    return Repository({p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()})


@contextmanager
def serving(repository: Repository) -> Iterator[str]:
    """The address of a server for this repository."""

    class Handler(_Handler):
        repository_ = repository

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        repository.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    repository_: Repository
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            self._answer_about(path.removeprefix("/api/models/"))
        elif path.startswith(f"/{HUB}/resolve/{self.repository_.revision}/"):
            self._answer_file(path.rsplit("/", 1)[1])
        else:  # what else the client wants to know of its hub
            self._json(404, {"error": "Not found"})

    def _answer_about(self, path: str) -> None:
        hub, _, revision = path.partition("/revision/")
        repository = self.repository_
        if repository.status != 200:
            self._json(repository.status, {"error": "no"}, code="GatedRepo")
        elif hub != HUB:
            self._json(404, {"error": "Repository not found"}, code="RepoNotFound")
        elif revision not in ("", "main", repository.revision):
            self._json(404, {"error": "Invalid rev id"}, code="RevisionNotFound")
        else:
            self._json(200, repository.listing())

    def _json(self, status: int, document: Any, *, code: str | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def _answer_file(self, name: str) -> None:
        repository, span = self.repository_, self.headers.get("Range")
        repository.asked.append(("GET", name, span))
        data = repository.files[name]
        if name in repository.altered:
            data = bytes([data[0] ^ 1]) + data[1:]
        start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Accept-Ranges", "bytes")
        if span:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self._send(name, data, start)

    def _send(self, name: str, data: bytes, start: int) -> None:
        repository = self.repository_
        stop = repository.cut_after.pop(name, None)
        if stop is not None:
            self.wfile.write(data[start:stop])
            self.close_connection = True
            self.connection.close()
            return
        stop = repository.stall_after.get(name)
        if stop is not None and start < stop:
            self.wfile.write(data[start:stop])
            self.wfile.flush()
            repository.released.wait()
            self.close_connection = True
            return
        self.wfile.write(data[start:])
