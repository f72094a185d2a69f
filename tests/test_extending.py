"""The code of docs/extending.md, run as a package that is installed beside HiProbe."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from extension_packages import install
from hiprobe import ScoredVideo, write_result
from hiprobe.cli.app import app
from hiprobe.cli.results import Context, Subject, write_results
from hiprobe.timeline import Event, Timeline


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def timeline() -> Timeline:
    scores = np.array([0.1, 0.9, 0.9, 0.2])
    event = Event(1.0, 3.0, 1, 3, peak=0.9, mean=0.9, peak_seconds=1.5)
    start = np.arange(4.0)
    return Timeline(start, start + 1, scores, scores, 0.5, 0.4, (event,))


def test_an_output_format(
    site: Path, tmp_path: Path, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, install("An output format", site), raising=False)
    subtitles = "1\n00:00:01,000 --> 00:00:03,000\nunusual, score 0.90\n"
    scored = ScoredVideo(Path("camera.mp4"), timeline)
    written = write_result(scored, tmp_path / "results", formats=("json", "srt"))
    assert [path.name for path in written] == ["camera.json", "camera.srt"]
    assert written[1].read_text(encoding="utf-8") == subtitles
    # As `hiprobe detect` writes it, and as its help names it.
    subject = Subject(Path("camera.mp4"), "camera", timeline, has_pictures=False)
    context = Context(tmp_path / "out", ("srt",), {})
    assert [path.read_text() for path in write_results(subject, context)] == [subtitles]
    help_text = CliRunner().invoke(app, ["detect", "--help"]).output
    assert "json, csv, png, mp4, html, srt" in " ".join(help_text.split())
