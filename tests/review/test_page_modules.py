"""The page's modules in a real browser: same events as Python's, times, and the libraries."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import open_browser

import hiprobe
from hiprobe.localize import find_events
from hiprobe.report.words import format_seconds

STATIC = Path(hiprobe.__file__).parent / "review" / "static"
VENDOR = STATIC / "vendor"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """An empty page of a server that has the modules where the real one has them."""
    handler = functools.partial(Quiet, directory=str(STATIC.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with open_browser() as browser:
            context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/static/icon.svg")
            yield page
        server.shutdown()


def call(page: Any, module: str, code: str, value: Any = None) -> Any:
    """What `code` gives, with the module as `m` and a value as `v`."""
    return page.evaluate(
        f"async (v) => {{ const m = await import('/static/{module}'); return {code}; }}", value
    )


@pytest.mark.parametrize("seed", range(8))
def test_events_are_those_of_the_server(page: Any, seed: int) -> None:
    """With gaps, failed segments, and scores that equal the threshold."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 60))
    steps = np.where(draw.random(count) < 0.15, 10.0, 0.0)
    start = np.cumsum(np.full(count, 0.96) + steps) - 0.96
    end = start + 0.96
    smoothed = np.round(draw.random(count), 1)
    smoothed[draw.random(count) < 0.1] = np.nan
    curve = {
        "start_seconds": start.tolist(),
        "end_seconds": end.tolist(),
        "smoothed": [None if np.isnan(x) else x for x in smoothed.tolist()],
    }
    for threshold in (0.0, 0.3, 0.5, 0.9):
        found = call(
            page,
            "segments.js",
            "m.findEvents(v.curve, v.threshold)",
            {"curve": curve, "threshold": threshold},
        )
        expected = find_events(start, end, smoothed, threshold)
        spans = [(event["start_seconds"], event["end_seconds"]) for event in found]
        assert spans == [(event.start_seconds, event.end_seconds) for event in expected]
        assert [event["score"] for event in found] == [event.peak for event in expected]


def test_the_chart_breaks_at_gaps(page: Any) -> None:
    curve = {
        "start_seconds": [0, 1, 5],
        "end_seconds": [1, 2, 6],
        "raw": [0.1, 0.2, 0.3],
        "smoothed": [0.1, None, 0.3],
    }
    times, raw, smoothed = call(page, "segments.js", "m.chartColumns(v)", curve)
    assert (times, raw) == ([0.5, 1.5, 3.5, 5.5], [0.1, 0.2, None, 0.3])
    assert smoothed == [0.1, None, None, 0.3]


def test_places_read_as_in_reports(page: Any) -> None:
    for seconds in (0.0, 0.04, 9.96, 59.97, 83.5, 3599.99, 3723.5):
        assert call(page, "times.js", "m.placeWords(v)", seconds) == format_seconds(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("83.5", 83.5),
        ("1:23.5", 83.5),
        (" 1:02:03 ", 3723),
        ("0:60", None),
        ("", None),
        ("-1", None),
        ("1:2:3:4", None),
        ("x", None),
    ],
)
def test_typed_times(page: Any, text: str, seconds: float | None) -> None:
    assert call(page, "times.js", "m.parsePlace(v)", text) == seconds


def test_clock_times_are_those_of_the_browsers_zone(page: Any) -> None:
    words = call(page, "times.js", "m.clockWords(v, 7)", "2018-04-19T22:46:00Z")
    assert "20 Apr 2018" in words and "07:46:07" in words
    assert call(page, "times.js", "m.clockWords(v, 7)") == ""
    assert "16:00" in call(page, "times.js", "m.madeWords(v)", "2026-11-29T07:00:00")


def test_modules_ask_for_nothing_from_outside() -> None:
    for path in (STATIC / "index.html", *STATIC.glob("*.js"), *STATIC.glob("*.css")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name
        assert "innerHTML" not in text, "texts of strangers are never taken for markup"
    for path in STATIC.rglob("*.js"):
        for name in re.findall(r"""(?:from|import)\s*["']([./\w-]+)["']""", path.read_text()):
            assert name.startswith("./") and (path.parent / name).is_file(), (path.name, name)


def test_each_library_has_its_licence() -> None:
    notice = (VENDOR / "NOTICE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` .*`(LICENSE-\S+)` \|$", notice, flags=re.MULTILINE)
    libraries = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert {name for name, _ in rows} == libraries
    assert all((VENDOR / licence).stat().st_size > 500 for _, licence in rows)
