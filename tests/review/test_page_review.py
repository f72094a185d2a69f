"""The review page, driven in a real browser against the real server and a real probe.

One test goes the whole way of a reviewer: open, play, move the threshold, label by keyboard,
refit, see the change, go back, export. Others look at the page at each size and in each theme.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from chromium import (
    SIZES,
    THEMES,
    accessibility_faults,
    is_too_wide,
    open_browser,
    wait_until,
    watch_errors,
)

from hiprobe.scenes.demo_scenes import write_demo_clips

pytestmark = pytest.mark.lite
FITTED = 4
STARTS_WITHIN_SECONDS = 60


def hiprobe(*words: str | Path) -> None:
    command = [sys.executable, "-m", "hiprobe", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory, lite_folder: Path) -> Path:
    """A folder with a probe and the results of four clips that it was not fitted on."""
    folder = tmp_path_factory.mktemp("review")
    clips = write_demo_clips(folder / "clips").parent
    by_label = {label: sorted((clips / label).glob("*.mp4")) for label in ("abnormal", "normal")}
    table = folder / "fit.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("video", "label"))
        for label, paths in by_label.items():
            rows.writerows((path, label) for path in paths[:FITTED])
    hiprobe("fit", table, "-o", folder / "probe", "--normal", "normal")
    watched = [path for paths in by_label.values() for path in paths[FITTED : FITTED + 2]]
    # Low enough for an event in each, whatever the last digits of the scores.
    options = ("--format", "json", "--threshold", "0.05")
    hiprobe("detect", folder / "probe", *watched, "-o", folder / "results", *options)
    return folder


@pytest.fixture(scope="module")
def address(reviewed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is, token included; tests that teach leave it with other events."""
    with serving(reviewed, tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def fresh_address(reviewed: Path, tmp_path: Path) -> Iterator[str]:
    """The same with nothing labelled yet and an event in each clip."""
    with serving(reviewed, tmp_path / "served") as found:
        yield found


@contextmanager
def serving(reviewed: Path, folder: Path) -> Iterator[str]:
    """Where the server says that the page over a copy of the results is."""
    shutil.copytree(reviewed / "results", folder / "results")
    shutil.copytree(reviewed / "probe", folder / "probe")
    words = ("review", folder / "results", "--probe", folder / "probe", "--port", "0")
    command = [sys.executable, "-m", "hiprobe", *map(str, words), "--no-browser"]
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines: Queue[str] = Queue()
    output = server.stdout
    assert output is not None
    # Read to the end, so that the server never waits for room in the pipe.
    reader = threading.Thread(target=lambda: [lines.put(line) for line in output], daemon=True)
    reader.start()
    told = ""
    try:
        while not (found := re.search(r"http://\S+#token=\S+", told)):
            told += lines.get(timeout=STARTS_WITHIN_SECONDS)
        yield found[0]
    except Empty:
        pytest.fail(f"`hiprobe review` named no address: {told}")
    finally:
        server.terminate()
        server.wait(timeout=30)
        reader.join()
        output.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


# What the page tells stands there for some seconds only, in which a busy machine may not look.
KEEP_WHAT_IS_TOLD = """
window.told = [];
new MutationObserver(() => {
  const words = document.querySelector(".status")?.textContent;
  if (words && words !== window.told.at(-1)) window.told.push(words);
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


def opened(browser: Any, address: str, **settings: Any) -> Any:
    page = browser.new_context(**settings).new_page()
    page.add_init_script(KEEP_WHAT_IS_TOLD)
    page.goto(address)
    page.wait_for_selector(".row")
    return page


def told(page: Any, words: str) -> None:
    """Wait until the page says so, after what was waited for before."""
    here = f"window.told.findIndex((one) => one.includes({json.dumps(words)}))"
    wait_until(page, f"{here} >= 0")
    page.evaluate(f"window.told.splice(0, {here} + 1)")


def place_seconds(page: Any) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def play_and_step(page: Any) -> None:
    page.keyboard.press("j")
    wait_until(page, "document.querySelector('video')?.readyState >= 2")
    page.keyboard.press("Space")
    wait_until(page, "document.querySelector('video').currentTime > 0.3")
    page.keyboard.press("Space")
    wait_until(page, "document.querySelector('video').paused")
    before = place_seconds(page)
    page.keyboard.press(".")
    wait_until(page, f"document.querySelector('video').currentTime > {before}")
    assert place_seconds(page) - before < 0.2
    page.keyboard.press("t")
    page.keyboard.type("0:00.5")
    page.keyboard.press("Enter")
    wait_until(page, "Math.abs(document.querySelector('video').currentTime - 0.5) < 0.1")


def drag_the_threshold(page: Any) -> None:
    """Up over the whole curve: no event is left, and the page says so while the line moves."""
    box = page.locator(".curve .u-over").bounding_box()
    value = float(page.inner_text(".threshold output"))
    left, top, height = box["x"] + box["width"] / 3, box["y"], box["height"]
    page.mouse.move(left, top + height * (1 - value))
    page.mouse.down()
    page.mouse.move(left, top, steps=5)
    page.locator(".threshold", has_text="0 events here").wait_for()
    page.mouse.up()
    page.get_by_role("button", name="Put back").click()
    assert float(page.inner_text(".threshold output")) == pytest.approx(value, abs=1e-3)


def save_the_threshold(page: Any) -> None:
    """By keyboard, for the video that is open."""
    before = float(page.inner_text(".threshold output"))
    page.keyboard.press("+")
    page.get_by_role("button", name="Save for this video").click()
    told(page, "Saved")
    wait_until(
        page,
        f"Math.abs(document.querySelector('.threshold output').value - {before + 0.01}) < 2e-3",
    )


SLOW_UNDO = """() => {
  const plain = window.fetch;
  const later = () => new Promise((done) => setTimeout(done, 800));
  window.fetch = (path, how) =>
    path.endsWith("/undo") ? later().then(() => plain(path, how)) : plain(path, how);
}"""


def label_by_keyboard(page: Any) -> None:
    current = page.get_attribute(".rows", "aria-activedescendant")
    page.keyboard.press("a")
    told(page, "Saved: anomaly")
    assert "anomaly" in page.inner_text(f"#{current}")
    assert page.get_attribute(".rows", "aria-activedescendant") != current, "on to the next"
    second = page.get_attribute(".rows", "aria-activedescendant")
    page.keyboard.press("n")
    told(page, "Saved: normal")
    page.evaluate(SLOW_UNDO)
    page.keyboard.press("u")
    page.keyboard.press("c")  # the event comes back while the name is typed
    page.keyboard.type("running")
    page.keyboard.press("Enter")
    told(page, "Saved: running")
    assert "running" in page.inner_text(f"#{second}")
    page.keyboard.press("n")
    told(page, "Saved: normal")
    page.keyboard.press("w")
    page.get_by_role("group", name="Judge the whole video").wait_for()
    page.keyboard.press("s")
    told(page, "Saved: unsure")


def refit_and_go_back(page: Any) -> None:
    page.keyboard.press("r")
    comparison = page.locator("section", has_text="The refit changes this").last
    comparison.wait_for(timeout=60_000)
    assert "held-out AUC" in comparison.inner_text()
    page.get_by_role("button", name="Accept").click()
    told(page, "The new version is in use")
    table = page.get_by_role("region", name="Versions of the probe")
    wait_until(
        page,
        "[...document.querySelectorAll('tbody tr')].some((r) => /Bring back/.test(r.innerText))",
    )
    count = table.locator("tbody tr").count()
    table.get_by_role("button", name="Bring back").last.click()
    told(page, "is in use again")
    assert table.locator("tbody tr").count() >= count, "no version is lost"


def export(page: Any, folder: Path) -> None:
    page.keyboard.press("3")
    page.get_by_role("button", name="Write json", exact=True).click()
    link = page.get_by_role("link", name="Download json", exact=True)
    link.wait_for(timeout=30_000)
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "labels.json")
    text = json.dumps(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    assert "running" in text and "anomaly" in text


def test_the_whole_way_of_a_reviewer(browser: Any, address: str, tmp_path: Path) -> None:
    page = opened(browser, address)
    errors = watch_errors(page)
    assert "token" not in page.url, "the token leaves the address"
    play_and_step(page)
    drag_the_threshold(page)
    label_by_keyboard(page)
    save_the_threshold(page)
    refit_and_go_back(page)
    export(page, tmp_path)
    assert errors == []


def test_a_label_that_was_not_saved_says_so_and_can_be_tried_again(
    browser: Any, address: str
) -> None:
    page = opened(browser, address)
    page.keyboard.press("j")
    page.wait_for_selector(".labels")
    current = page.get_attribute(".rows", "aria-activedescendant")
    before = page.inner_text(f"#{current} .tag")
    page.route(
        "**/api/labels",
        lambda route: route.abort() if route.request.method == "POST" else route.continue_(),
    )
    page.keyboard.press("s")
    page.wait_for_selector(".failure")
    assert page.inner_text(f"#{current} .tag") == before
    page.unroute("**/api/labels")
    page.get_by_role("button", name="Try again").click()
    told(page, "Saved: unsure")
    assert "unsure" in page.inner_text(f"#{current}")


def test_pictures_leave_connections_to_what_is_asked_for(browser: Any, fresh_address: str) -> None:
    page = browser.new_page()
    running: set[str] = set()
    most = [0]

    def begun(request: Any) -> None:
        if request.url.endswith(".jpg"):
            running.add(request.url)
            most[0] = max(most[0], len(running))

    page.on("request", begun)
    page.on("requestfinished", lambda request: running.discard(request.url))
    page.goto(fresh_address)
    wait_until(page, "document.querySelectorAll('.strip img').length === 12")
    wait_until(page, "[...document.querySelectorAll('.strip img')].every((one) => one.complete)")
    assert most[0] == 2


def test_many_events_are_judged_at_once(browser: Any, fresh_address: str) -> None:
    page = opened(browser, fresh_address)
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    page.locator(".bulk", has_text="2 events chosen").wait_for()
    page.keyboard.press("n")
    told(page, "2 events labelled normal")
    page.keyboard.press("u")
    told(page, "Taken back: normal of 2 events")
    page.locator(".rows .tag", has_text="normal").first.wait_for(state="detached")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_part_reads_well(
    browser: Any, address: str, size: tuple[int, int], theme: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    # The checks of axe-core are a script of the test, which the page's own policy keeps out.
    page = opened(browser, address, viewport=viewport, color_scheme=theme, bypass_csp=True)
    errors = watch_errors(page)
    page.keyboard.press("j")
    page.wait_for_selector(".curve canvas")
    for key, sign in (("1", ".why"), ("2", "#app h2"), ("3", ".exports li"), ("?", "dialog")):
        page.keyboard.press(key)
        page.wait_for_selector(sign)
        assert not is_too_wide(page), key
        assert accessibility_faults(page) == [], key
    assert errors == []
