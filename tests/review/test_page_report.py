"""The report page in a real browser: its clip plays, it is readable at every size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import SIZES, THEMES, accessibility_faults, is_too_wide, open_browser

from hiprobe.localize import find_events
from hiprobe.report.writers import ScoredVideo, write_result
from hiprobe.timeline import Timeline
from hiprobe.video.write import write_video


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a video of four seconds with one event."""
    folder = tmp_path_factory.mktemp("report")
    frames = (np.full((96, 160, 3), 2 * number, dtype=np.uint8) for number in range(100))
    video = folder / ("a-name-without-spaces-" * 4 + ".mp4")
    write_video(video, frames, fps=25)
    start = np.arange(4.0)
    scores = np.array([0.1, 0.9, 0.8, 0.2])
    events = find_events(start, start + 1, scores, 0.5)
    timeline = Timeline(start, start + 1, scores, scores, 0.5, 0.4, events)
    (page,) = write_result(ScoredVideo(video, timeline), folder, formats=["html"])
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


def test_the_clip_of_an_event_plays(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    played = page.evaluate(
        """async () => { const video = document.querySelector('video');
        await video.play();
        await new Promise((done) => video.requestVideoFrameCallback(done));
        return [video.duration, video.videoWidth]; }"""
    )
    assert played == [pytest.approx(2.0, abs=0.1), 160]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_it_reads_well(browser: Any, report: Path, size: tuple[int, int], theme: str) -> None:
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.goto(report.as_uri())
    assert not is_too_wide(page)
    assert accessibility_faults(page) == []
