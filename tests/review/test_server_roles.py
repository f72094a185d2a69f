"""Every route under every role; the table is compared with the OpenAPI, so none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from results_folder import make_clip
from server_parts import (
    EVENT,
    LABEL,
    PASSWORDS,
    REFIT,
    TOKEN,
    VIDEO,
    Running,
    make_desk,
    running,
)

from hiprobe.review.server.access import Role

THRESHOLD = {"threshold": 0.6}
LEAST: dict[tuple[str, str], tuple[Role | None, Any]] = {
    ("get", "/api/health"): (None, None),
    ("post", "/api/session"): (None, {"token": TOKEN}),
    ("get", "/api/session"): (Role.VIEWER, None),
    ("delete", "/api/session"): (Role.VIEWER, None),
    ("get", "/api/videos"): (Role.VIEWER, None),
    ("get", "/api/events"): (Role.VIEWER, None),
    ("get", "/api/events/{event_id}"): (Role.VIEWER, None),
    ("get", "/api/events/{event_id}/thumbnails"): (Role.VIEWER, None),
    ("get", "/api/events/{event_id}/thumbnails/{number}.jpg"): (Role.VIEWER, None),
    ("get", "/api/events/{event_id}/neighbours"): (Role.VIEWER, None),
    ("get", "/api/events/{event_id}/members"): (Role.VIEWER, None),
    ("get", "/api/videos/{video_id}/curve"): (Role.VIEWER, None),
    ("get", "/api/videos/{video_id}/media/state"): (Role.VIEWER, None),
    ("get", "/api/videos/{video_id}/media"): (Role.VIEWER, None),
    ("post", "/api/videos/{video_id}/resegment"): (Role.VIEWER, THRESHOLD),
    ("get", "/api/labels"): (Role.VIEWER, None),
    ("get", "/api/probe"): (Role.VIEWER, None),
    ("get", "/api/probe/versions"): (Role.VIEWER, None),
    ("get", "/api/probe/gain"): (Role.VIEWER, None),
    ("get", "/api/refits/{refit_id}"): (Role.VIEWER, None),
    ("get", "/api/exports"): (Role.VIEWER, None),
    ("get", "/api/jobs/{job_id}/stream"): (Role.VIEWER, None),
    ("get", "/api/proposals"): (Role.REVIEWER, None),
    ("get", "/api/exports/{export_id}/file"): (Role.REVIEWER, None),
    ("post", "/api/labels"): (Role.REVIEWER, {"event_id": EVENT, "kind": "anomaly"}),
    ("post", "/api/labels/bulk"): (Role.REVIEWER, {"event_ids": [EVENT], "kind": "normal"}),
    ("post", "/api/labels/undo"): (Role.REVIEWER, None),
    ("delete", "/api/labels/{label_id}"): (Role.REVIEWER, None),
    ("put", "/api/events/{event_id}/seen"): (Role.REVIEWER, {"seen": True}),
    ("post", "/api/refits"): (Role.REVIEWER, None),
    ("delete", "/api/refits/{refit_id}"): (Role.REVIEWER, None),
    ("post", "/api/events/{event_id}/explain"): (Role.REVIEWER, None),
    ("post", "/api/exports"): (Role.REVIEWER, {"format": "csv"}),
    ("post", "/api/labels/import"): (Role.ADMIN, {"labels": []}),
    ("put", "/api/videos/{video_id}/threshold"): (Role.ADMIN, THRESHOLD),
    ("put", "/api/probe/threshold"): (Role.ADMIN, THRESHOLD),
    ("post", "/api/probe/versions/{number}/restore"): (Role.ADMIN, None),
    ("post", "/api/refits/{refit_id}/accept"): (Role.ADMIN, None),
}
IDS = {"event_id": EVENT, "video_id": VIDEO, "label_id": LABEL, "refit_id": REFIT, "number": "1"}
UNKNOWN = {"job_id": "job00001", "export_id": "export01"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("roles")
    make_clip(folder / "a.mp4")
    with running(make_desk({VIDEO: folder / "a.mp4"}, folder / "cache")) as found:
        yield found


def test_the_table_has_every_route(server: Running) -> None:
    paths = httpx.get(server.address + "/api/openapi.json").json()["paths"]
    found = {
        (method, path): operation["x-role"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    wanted = {key: role.name.lower() if role else "nobody" for key, (role, _) in LEAST.items()}
    assert found == wanted


@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_may_what_it_needs_and_nothing_more(server: Running, role: Role | None) -> None:
    ids = IDS | UNKNOWN
    for (method, path), (least, body) in LEAST.items():
        session = {} if role is None else {"user": role.name.lower(), "password": PASSWORDS[role]}
        if path == "/api/labels/undo" or path.endswith("{label_id}"):
            made = server.desk.library.label(  # so that there is one to take back
                event_id=EVENT,
                video_id=None,
                start_seconds=None,
                end_seconds=None,
                kind="unsure",
                class_name=None,
                note=None,
                reviewer="own",
            )
            ids["label_id"] = made.id
        with server.client(**session) as client:
            answer = client.request(method, path.format(**ids), json=body)
        if least is None or (role is not None and role >= least):
            wanted = (404,) if set(UNKNOWN) & set(_names(path)) else (200, 202, 204)
            assert answer.status_code in wanted, (method, path, answer.text)
        else:
            wanted = (401,) if role is None else (403,)
            assert answer.status_code in wanted, (method, path, answer.text)
            assert answer.json()["error"]["code"] == ("session" if role is None else "role")
    assert not server.failures


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def test_every_write_needs_the_csrf_token(server: Running) -> None:
    with server.client(token=TOKEN) as client:
        for given in ("", "wrong"):
            client.headers["X-CSRF-Token"] = given
            for method, path in LEAST:
                if method == "get" or (method, path) == ("post", "/api/session"):
                    continue
                answer = client.request(method, path.format(**IDS, **UNKNOWN), json={})
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf"), path


def test_the_cookie_is_kept_from_scripts_and_other_sites(server: Running) -> None:
    answer = httpx.post(f"{server.address}/api/session", json={"token": TOKEN})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in answer.text + cookie
