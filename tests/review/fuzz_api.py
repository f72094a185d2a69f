"""Requests made up from the OpenAPI: `make fuzz-api`, or `python tests/review/fuzz_api.py --help`.

They go to a real server over a real library, teacher and exports, as an administrator. The
property: no answer of 5xx, none that OpenAPI does not describe, no failure that nobody expected.
Half of the ids are those of things that are there, so that requests get beyond the first check.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from review_case import make_case
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from server_parts import TOKEN, Running, heard, make_desk, running

from hiprobe.review.exports import LibraryExports
from hiprobe.review.library import Library
from hiprobe.review.server.words_of_model import LazyModel
from hiprobe.review.teach import Teacher

CHECKS = (
    checks.not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
Ids = Mapping[str, list[str]]


@contextmanager
def real_review(folder: Path) -> Iterator[Running]:
    """A server over results of a probe on made-up states."""
    case = make_case(folder)
    with Library.open([case.results], probe=case.probe) as library:
        desk = make_desk(
            {},
            folder / "cache",
            library=library,
            teacher=Teacher(library),
            exports=LibraryExports(library),
            model=LazyModel(None),
        )
        with running(desk) as server:
            yield server


def known_ids(client: httpx.Client) -> Ids:
    """What is there, by the name of the parameter that takes it."""
    events = client.get("/api/events").json()["events"]
    for number, event in enumerate(events):
        kind = ("anomaly", "normal")[number % 2]
        client.post("/api/labels", json={"event_id": event["id"], "kind": kind}).raise_for_status()
    jobs = {
        "refit_id": client.post("/api/refits").json()["job"],
        "export_id": client.post("/api/exports", json={"format": "json"}).json()["job"],
    }
    made = {name: [result_of(client, job)] for name, job in jobs.items()}
    return {
        "video_id": [video["id"] for video in client.get("/api/videos").json()["videos"]],
        "event_id": [event["id"] for event in events],
        "label_id": [label["id"] for label in client.get("/api/labels").json()["labels"]],
        "job_id": list(jobs.values()),
        **made,
    }


def result_of(client: httpx.Client, job: str) -> str:
    """The id of what a job made."""
    kind, content = heard(client, job)[-1]
    assert kind == "done", content
    return str(json.loads(content)["result_id"])


def fuzz_api(folder: Path, *, cases: int, first: int = 0) -> int:
    """Send at least so many requests; returns how many were sent.

    Raises:
        AssertionError: an answer breaks the property.
    """
    sent = 0
    with real_review(folder) as server, server.client(token=TOKEN) as client:
        # The one that ends sessions gets one of its own, or the rest would be answered by 401.
        with server.client(token=TOKEN) as other:
            ids = known_ids(client)
            schema = schemathesis.openapi.from_url(f"{server.address}/api/openapi.json")
            operations = [found.ok() for found in schema.get_all_operations()]
            while operations and sent < cases:
                share = -(-(cases - sent) // len(operations))
                counts = []
                for operation in operations:
                    ends = (operation.method.upper(), operation.path) == ("DELETE", "/api/session")
                    chosen = other if ends else client
                    counts.append(_fuzz_operation(operation, chosen, ids, cases=share, first=first))
                sent, first = sent + sum(counts), first + 1
                # One that can be asked in a few ways only is done; the others take over its share.
                operations = [
                    one for one, count in zip(operations, counts, strict=True) if count >= share
                ]
        assert not server.failures, server.failures
    return sent


def _fuzz_operation(
    operation: Any, client: httpx.Client, ids: Ids, *, cases: int, first: int
) -> int:
    sent = 0
    headers = {"X-CSRF-Token": client.headers["X-CSRF-Token"]}
    cookies = dict(client.cookies)

    @seed(first)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), chosen=st.randoms(use_true_random=False))
    def one(case: Any, chosen: Any) -> None:
        nonlocal sent
        _put_known(case.path_parameters, ids, chosen)
        _put_known(case.body, ids, chosen)
        answer = case.call(
            base_url=str(client.base_url),
            headers={**(case.headers or {}), **headers},
            cookies=cookies,
            timeout=60,
        )
        sent += 1
        case.validate_response(answer, checks=list(CHECKS))

    one()
    return sent


def _put_known(values: Any, ids: Ids, chosen: Any) -> None:
    """Put ids of what is there into half of the places that take one."""
    if not isinstance(values, dict):
        return
    for name in values:
        if name in ids and chosen.random() < 0.5:
            values[name] = chosen.choice(ids[name])
        if name == "event_ids" and chosen.random() < 0.5:
            values[name] = [chosen.choice(ids["event_id"])]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send made-up requests by the thousand.")
    parser.add_argument("--cases", type=int, default=20_000, help="how many [20000]")
    parser.add_argument("--first", type=int, default=0, help="the seed [0]")
    given_words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sent = fuzz_api(Path(folder), cases=given_words.cases, first=given_words.first)
    print(f"{sent} requests, none answered wrongly")


if __name__ == "__main__":
    main()
