"""The browser of the page's tests, and what every page must hold to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SIZES = ((1440, 900), (820, 1100), (360, 740))
THEMES = ("light", "dark")


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; bring one with: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, as in a container, Chromium's own sandbox cannot be set up.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def watch_errors(page: Any) -> list[str]:
    """What the page's scripts fail with from now on; refused requests are not among it."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def accessibility_faults(page: Any) -> list[str]:
    """What axe-core finds wrong, one line each."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{v['id']}: {v['help']} {[node['target'] for node in v['nodes']]}" for v in found]


def is_too_wide(page: Any) -> bool:
    """Whether the page has to be scrolled sideways to be read."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def wait_until(page: Any, expression: str, *, seconds: float = 30.0) -> None:
    """Until a JavaScript expression holds.

    Playwright's own waiting evaluates texts within the page, which its content policy forbids.
    """
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)
