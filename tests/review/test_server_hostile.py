"""Requests that mean harm: other names, other sites, ids that are paths, ranges, many log-ins."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from results_folder import make_clip
from server_parts import EVENT, PASSWORDS, TOKEN, VIDEO, Running, make_desk, running

from hiprobe.errors import UsageError
from hiprobe.review.server.access import Access, AccessDenied, Role, read_accounts
from hiprobe.review.server.serve import ServeOptions


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hostile")
    make_clip(folder / "a.mp4")
    page = folder / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html>", encoding="utf-8")
    (page / "app.js").write_text("export {};", encoding="utf-8")
    desk = make_desk({VIDEO: folder / "a.mp4"}, folder / "cache")
    with running(desk, page=page) as found:
        yield found


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "192.0.2.1"])
def test_another_name_for_this_address_is_not_answered(server: Running, host: str) -> None:
    for path in ("/", "/api/health", "/static/app.js"):
        answer = httpx.get(server.address + path, headers={"Host": host})
        assert answer.status_code in (400, 421), path


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_sites_page_is_not_answered(server: Running, headers: dict[str, str]) -> None:
    with server.client(token=TOKEN) as client:
        body = {"event_id": EVENT, "kind": "anomaly"}
        for answer in (
            client.get("/api/videos", headers=headers),
            client.post("/api/labels", json=body, headers=headers),
            client.post("/api/session", json={"token": TOKEN}, headers=headers),
        ):
            assert answer.status_code == 403
    assert not server.desk.library.labels()


def test_the_page_carries_a_strict_policy(server: Running) -> None:
    answer = httpx.get(server.address + "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    script = httpx.get(server.address + "/static/app.js")
    assert script.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "%2e%2e", "....%2f", "video0001%00", "VIDEO0001", "a" * 5000, "é"],
)
def test_an_id_is_never_a_path(server: Running, name: str) -> None:
    with server.client(token=TOKEN) as client:
        for path in ("videos/{}/media", "events/{}", "exports/{}/file", "jobs/{}/stream"):
            answer = client.get("/api/" + path.format(name))
            assert answer.status_code in (404, 422)
            assert "root:" not in answer.text
        assert client.get("/static/" + name).status_code == 404
    assert not server.failures


def test_ranges(server: Running) -> None:
    with server.client(token=TOKEN) as client:
        path = f"/api/videos/{VIDEO}/media"
        whole = client.get(path)
        assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
        part = client.get(path, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        last = client.get(path, headers={"Range": "bytes=-5"})
        assert (last.status_code, last.content) == (206, whole.content[-5:])
        hostile = (
            "bytes=999999999-",
            "bytes=5-1",
            "bytes=a-b",
            "bytes=-",
            "lines=1-2",
            "bytes=" + ",".join(f"{n}-{n + 1}" for n in range(0, 2000, 4)),
            "bytes=" + "9" * 5000 + "-",
        )
        for given in hostile:
            answer = client.get(path, headers={"Range": given})
            assert answer.status_code in (200, 206, 400, 416), given
    assert not server.failures


def test_a_large_body_and_a_false_length_are_refused(server: Running) -> None:
    with server.client(token=TOKEN) as client:
        body = b'{"labels": "' + b"a" * (17 * 1024 * 1024) + b'"}'
        assert client.post("/api/labels/import", content=body).status_code == 413
        chunks = (body[n : n + 2**20] for n in range(0, len(body), 2**20))
        assert client.post("/api/labels/import", content=chunks).status_code in (400, 413)


def test_wrong_log_ins_are_slowed_down(server: Running) -> None:
    wrong = [httpx.post(server.address + "/api/session", json={"token": f"x{n}"}) for n in range(6)]
    assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
    assert int(wrong[-1].headers["retry-after"]) >= 1
    right = httpx.post(server.address + "/api/session", json={"token": TOKEN})
    assert right.status_code == 429


def test_a_minute_later_one_may_try_again() -> None:
    now = [0.0]
    access = Access(token="right", now=lambda: now[0])
    for _ in range(5):
        with pytest.raises(AccessDenied, match="does not open"):
            access.log_in_by_token("wrong", address="a")
    with pytest.raises(AccessDenied, match="too many"):
        access.log_in_by_token("right", address="a")
    assert access.log_in_by_token("right", address="b")[1].role is Role.ADMIN
    now[0] = 61.0
    secret, _ = access.log_in_by_token("right", address="a")
    assert access.session_of(secret, headers={}, address="a") is not None
    now[0] = 61.0 + 12 * 3600
    assert access.session_of(secret, headers={}, address="a") is None


def test_no_secret_is_told(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    canaries = [f"canary{n:02}-9f3" for n in range(15)]
    told = []
    with caplog.at_level(logging.DEBUG):
        for canary in canaries:
            for body in (
                {"token": canary},
                {"user": "admin", "password": canary},
                {"password": canary},
                {"token": [canary]},
                {"secret": canary},
                {"token": canary * 100},
            ):
                answer = httpx.post(server.address + "/api/session", json=body)
                assert answer.status_code in (400, 401, 422, 429)
                told.append(answer.text + str(answer.headers))
        for path in ("/", "/api/openapi.json", "/api/health"):
            told.append(httpx.get(server.address + path).text)
    everything = "".join(told) + caplog.text + repr(server.desk)
    for secret in (*canaries, TOKEN, *PASSWORDS.values()):
        assert secret not in everything


PROXY = {"proxy_user_header": "X-Person", "names": frozenset(("cameras.example",))}


def test_a_proxy_names_people_and_the_file_their_roles(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("änna:reviewer\nbob:admin:canary\n", encoding="utf-8")
    options = ServeOptions(**PROXY, password_file=tmp_path / "people")
    access, token = options.access()
    desk = make_desk({VIDEO: tmp_path / "a.mp4"}, tmp_path, access=access)
    judgement = {"kind": "normal", "event_id": EVENT}
    with running(desk, options=options) as server, server.client() as client:
        assert token is None
        client.headers["Host"] = "cameras.example"
        assert client.get("/api/videos").status_code == 401
        client.headers["x-person"] = "änna"  # sent as UTF-8
        told = client.get("/api/session").json()
        assert (told["reviewer"], told["role"]) == ("änna", "reviewer")
        assert client.post("/api/labels", json=judgement).status_code == 403
        client.headers["X-CSRF-Token"] = told["csrf"]
        assert client.post("/api/labels", json=judgement).json()["reviewer"] == "änna"
        assert client.put("/api/probe/threshold", json={"threshold": 0.4}).status_code == 403
        twice = [("X-Person", "eve"), ("X-Person", "bob")]
        assert client.get("/api/session", headers=twice).status_code == 400
        assert client.get("/api/session", headers={"X-Person": "eve"}).json()["role"] == "viewer"
        for name in ("", "änna"):  # without a password nobody logs in under this name
            given = {"user": name, "password": ""}
            assert client.post("/api/session", json=given).status_code == 401


def test_a_proxy_is_believed_from_its_own_address_only(tmp_path: Path) -> None:
    options = ServeOptions(**PROXY, proxy_addresses=frozenset(("10.0.0.1", "::ffff:10.0.0.2")))
    access, _ = options.access()
    desk = make_desk({VIDEO: tmp_path / "a.mp4"}, tmp_path, access=access)
    with running(desk, options=options) as server, server.client() as client:
        forged = {"X-Person": "bob", "X-Forwarded-For": "10.0.0.1"}
        assert client.get("/api/session", headers=forged).status_code == 401
    named = {"x-person": "bob"}
    for address, believed in (
        ("10.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("10.0.0.2", True),
        ("10.0.0.3", False),
        ("127.0.0.1", False),
        ("", False),
    ):
        found = access.session_of(None, headers=named, address=address)
        assert (found is not None) == believed, address
    for header, address in (("Host", "10.0.0.1"), ("X Person", "10.0.0.1"), ("X-Person", "proxy")):
        wrong = ServeOptions(proxy_user_header=header, proxy_addresses=frozenset((address,)))
        with pytest.raises(UsageError, match="give"):
            wrong.access()
    with pytest.raises(UsageError, match="--trust-header"):
        ServeOptions(proxy_addresses=frozenset(("10.0.0.1",)))


def test_beyond_loopback_a_password_is_needed() -> None:
    with pytest.raises(UsageError, match="--password-file"):
        ServeOptions(host="0.0.0.0")
    assert ServeOptions().access()[1] is not None
    assert ServeOptions(host="0.0.0.0", password="secret").access()[1] is None


def test_a_password_file_is_checked_without_telling_it(tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.write_text("# people\nanna:admin:canary\n", encoding="utf-8")
    found = read_accounts(path)
    assert found["anna"].role is Role.ADMIN
    assert "canary" not in repr(found)
    for bad in ("canary", "anna:king:canary", "anna:admin:", "a:admin:scrypt$zz$canary", ""):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(UsageError) as told:
            read_accounts(path)
        assert "canary" not in str(told.value)
