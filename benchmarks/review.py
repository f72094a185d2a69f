"""Measures the review page: seeking in a video of several gigabytes, and a queue of many events.

    python benchmarks/review.py seek --gigabytes 4.2
    python benchmarks/review.py page --events 10000

Each prints one line of JSON. Beside every figure stands that of a small case on the same machine:
the ratio says what the size costs. Both need Chromium (`apt-get install chromium`) and the extras
`review` and `dev`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
import psutil

from hiprobe.localize import find_events
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.timeline import Timeline

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FPS, WIDTH, HEIGHT = 25, 1280, 720
LOOP_SECONDS = 4
BITS_PER_SECOND = 10_000_000
CHUNK_BYTES = 256 * 1024
SMALL_GIGABYTES, SMALL_EVENTS = 0.4, 10
EVENTS_OF_VIDEO = 100

_SEEK = """async (seconds) => {
    const video = document.querySelector('video');
    video.pause();
    const began = performance.now();
    await new Promise((resolve) => {
        video.requestVideoFrameCallback(resolve);
        video.currentTime = seconds;
    });
    return [performance.now() - began, video.currentTime];
}"""


def write_long_video(path: Path, gigabytes: float) -> float:
    """H.264 in MP4 with a key frame each second: a few seconds' packets over and over.

    The index stands at the end, as recorders write it.

    Returns:
        Its duration in seconds.
    """
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate, stream.gop_size = BITS_PER_SECOND, FPS
        stream.options = {"bf": "0", "preset": "veryfast", "nal-hrd": "cbr"}
        packets = [(bytes(p), p.is_keyframe) for p in _encoded(stream)]
        # a packet's time base is that of the stream once the header is written
        target.start_encoding()
        ticks = int(1 / (FPS * stream.time_base))
        written = 0
        for number, (content, is_key) in enumerate(itertools.cycle(packets)):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = number * ticks
            packet.duration, packet.is_keyframe = ticks, is_key
            target.mux(packet)
            written += len(content)
            if written > gigabytes * 1e9:
                return (number + 1) / FPS
    raise AssertionError("an endless loop has ended")


def _encoded(stream: Any) -> Iterator[av.Packet]:
    """Noise with a square that moves, so that the encoder has no less to do than on a street."""
    rng = np.random.default_rng(0)
    for number in range(LOOP_SECONDS * FPS):
        pixels = rng.integers(90, 166, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
        left = number * (WIDTH - 200) // (LOOP_SECONDS * FPS)
        pixels[200:400, left : left + 200] = (200, 40, 40)
        yield from stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    yield from stream.encode()


def write_results(folder: Path, video: str, *, seconds: float, events: int) -> None:
    """Scores of a video as `hiprobe detect` writes them, with so many events."""
    count = 4 * events
    start = np.linspace(0, seconds, count, endpoint=False)
    score = np.where(np.arange(count) % 4 == 2, 0.6 + 0.3 * np.random.default_rng(0).random(), 0.1)
    end = np.append(start[1:], seconds)
    found = find_events(start, end, score, 0.5)
    timeline = Timeline(start, end, score, score, 0.5, 0.5, found)
    document = timeline_document(timeline, video=video, probe={})
    write_json(document, folder / f"{Path(video).stem}.json")


@contextmanager
def serving(results: Path) -> Iterator[str]:
    """Where `hiprobe review` says that the page is, token included."""
    words = ("-m", "hiprobe", "review", str(results), "--port", "0", "--no-browser")
    server = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    told = ""
    try:
        for line in server.stdout:
            told += line
            if found := re.search(r"http://\S+#token=\S+", told):
                yield found[0]
                return
        raise RuntimeError(f"`hiprobe review` named no address: {told}")
    finally:
        server.terminate()
        server.wait(timeout=60)
        server.stdout.close()


@contextmanager
def browsing() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit("no Chromium on this machine; bring one with: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium's own sandbox cannot be set up.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def seek_row(folder: Path, gigabytes: float, seeks: int) -> dict[str, Any]:
    """Seconds until the picture of a far place is shown, and until a part of the file arrives."""
    folder.mkdir(parents=True)
    path = folder / "long.mp4"
    try:
        seconds = write_long_video(path, gigabytes)
        write_results(folder / "results", str(path), seconds=seconds, events=5)
        places = np.random.default_rng(1).uniform(1, seconds - 1, size=seeks)
        with serving(folder / "results") as address:
            shown, began = _shown(address, places)
            parts = _parts(address, places / seconds, path.stat().st_size)
        return {
            "bytes": path.stat().st_size,
            "hours": seconds / 3600,
            "first picture": began,
            "picture shown": _summary(shown),
            "part of the file": _summary(parts),
        }
    finally:
        path.unlink(missing_ok=True)


def _shown(address: str, places: Any) -> tuple[list[float], float]:
    """Seconds of each seek in the page's own player, and until its first picture."""
    with browsing() as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".row")
        began = time.monotonic()
        page.keyboard.press("j")
        while not page.evaluate("document.querySelector('video')?.readyState >= 2"):
            page.wait_for_timeout(10)
        first = time.monotonic() - began
        found = []
        for place in places:
            took, at = page.evaluate(_SEEK, float(place))
            assert abs(at - place) < 0.1, f"asked for {place} s, shown is {at} s"
            found.append(took / 1000)
    return found, first


def _parts(address: str, shares: Any, size: int) -> list[float]:
    """Seconds of requests with a Range, as a player sends them."""
    split = urlsplit(address)
    token = split.fragment.removeprefix("token=")
    root = f"{split.scheme}://{split.netloc}"
    with httpx.Client(base_url=root, timeout=60) as client:
        client.post("/api/session", json={"token": token}).raise_for_status()
        video = client.get("/api/videos").json()["videos"][0]["id"]
        found = []
        for share in shares:
            first = int(share * (size - CHUNK_BYTES))
            asked = {"Range": f"bytes={first}-{first + CHUNK_BYTES - 1}"}
            began = time.monotonic()
            answer = client.get(f"/api/videos/{video}/media", headers=asked)
            found.append(time.monotonic() - began)
            assert answer.status_code == 206 and len(answer.content) == CHUNK_BYTES
    return found


def page_row(folder: Path, events: int, loads: int) -> dict[str, Any]:
    """Seconds until the queue shows its first rows and how many events there are."""
    videos = max(1, events // EVENTS_OF_VIDEO)
    for number in range(videos):
        name = f"camera{number % 8}/recording{number}.mp4"
        write_results(folder / "results", name, seconds=3600.0, events=events // videos)
    took, worked = [], []
    with serving(folder / "results") as address, browsing() as browser:
        for _ in range(loads):
            page = browser.new_context().new_page()
            began, before = time.monotonic(), processor_seconds()
            page.goto(address)
            page.wait_for_selector(".row")
            page.get_by_text(re.compile(rf"\b{events}\b|\b{events:,}\b")).first.wait_for()
            took.append(time.monotonic() - began)
            worked.append(processor_seconds() - before)
            page.close()
    return {"events": events, "loaded": _summary(took), "processor": _summary(worked)}


def processor_seconds() -> float:
    """What server and browser have worked so far: on a busy machine their clock runs slower."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system
    return total


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median_seconds": statistics.median(seconds), "most_seconds": max(seconds)}


def _ratio(large: Mapping[str, Any], small: Mapping[str, Any], name: str) -> float:
    return float(large[name]["median_seconds"] / small[name]["median_seconds"])


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The large case, the small one, and the ratio."""
    if asked.what == "seek":
        small = seek_row(folder / "small", SMALL_GIGABYTES, asked.times)
        large = seek_row(folder / "large", asked.gigabytes, asked.times)
        name = "picture shown"
    else:
        small = page_row(folder / "small", SMALL_EVENTS, asked.times)
        large = page_row(folder / "large", asked.events, asked.times)
        name = "loaded"
    return {"large": large, "small": small, "ratio": _ratio(large, small, name)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure the review page.")
    parser.add_argument("what", choices=("seek", "page"))
    parser.add_argument("--gigabytes", type=float, default=4.2, help="of the video [4.2]")
    parser.add_argument("--events", type=int, default=10_000, help="in the queue [10000]")
    parser.add_argument("--times", type=int, default=20, help="seeks, or loads [20]")
    parser.add_argument("--in", dest="place", help="where the video is written, and deleted after")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.place) as folder:
        found = measure(asked, Path(folder))
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(json.dumps({"what": asked.what, **found, "load_per_core": busy}), flush=True)


if __name__ == "__main__":
    main()
