"""Reports show a gap as a gap, and the pictures beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiprobe.report.documents import read_timeline, timeline_document, write_json
from hiprobe.report.html_page import PageVideo, video_facts
from hiprobe.report.overlay import GAP_RGB, render_strip
from hiprobe.report.score_chart import plot_timeline, timeline_drawing
from hiprobe.report.terminal import events_caption
from hiprobe.report.words import ShownTime
from hiprobe.timeline import Event, Timeline

HOURS = 4 * 3600.0


def with_gaps(*begins: float) -> Timeline:
    """Pieces of ten segments of 1 s; the first piece is an event."""
    start = np.concatenate([begin + np.arange(10.0) for begin in begins])
    scores = np.where(np.arange(len(start)) < 10, 0.9, 0.1)
    event = Event(0.0, 10.0, 0, 10, peak=0.9, mean=0.9, peak_seconds=0.5)
    return Timeline(start, start + 1, scores, scores, 0.5, 0.4, (event,))


def test_the_axis_runs_as_the_clock_without_gaps(quiet: Timeline) -> None:
    moments = np.array([-1.0, 0.3, 2.5, 9.0])
    np.testing.assert_array_equal(ShownTime(quiet).place(moments), moments)
    assert not ShownTime(quiet).gaps


@pytest.mark.parametrize("count", [2, 40])
def test_gaps_take_little_of_the_axis(count: int) -> None:
    axis = ShownTime(with_gaps(*(n * HOURS for n in range(count))))
    taken = sum(end - start for start, end in axis.gaps)
    assert len(axis.gaps) == count - 1 and 0 < taken <= 0.2 * 10 * count + 1e-6
    assert axis.high - axis.low == pytest.approx(10 * count + taken)
    moments = np.sort(np.random.default_rng(0).uniform(-10, count * HOURS, 500))
    assert (np.diff(axis.place(moments)) >= 0).all()
    shown = axis.ticks(5.0)
    places = axis.place(shown)
    assert shown[0] == 0.0 and np.diff(places).min() >= 0.08 * (axis.high - axis.low) - 1e-6
    assert 2 <= len(shown) <= 13


def test_a_short_gap_keeps_its_length() -> None:
    axis = ShownTime(with_gaps(0.0, 10.2))
    np.testing.assert_allclose(axis.place([5.0, 10.0, 10.2, 15.0]), [5.0, 10.0, 10.2, 15.0])


def test_the_chart_shows_both_sides_of_a_gap(tmp_path: Path) -> None:
    plot_timeline(with_gaps(0.0, HOURS), tmp_path / "a.png", title="clip")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    pixels = pixels[len(pixels) // 4 :]
    red = (pixels[..., 0] - pixels[..., 2] > 25).mean(axis=0) > 0.5
    # One of two equal pieces is the event: a little less than half of the axis.
    assert 0.38 < red.mean() < 0.5


def test_the_chart_labels_true_times() -> None:
    from matplotlib.figure import Figure

    from hiprobe.report.theme import LIGHT

    figure = Figure()
    timeline_drawing(with_gaps(0.0, HOURS), truth_spans=[(HOURS, HOURS + 2)])(figure, LIGHT)
    top, below = figure.axes
    words = [label.get_text() for label in below.get_xticklabels()]
    assert {"0:00", "4:00:00"} <= set(words)
    legend = [text.get_text() for text in top.get_legend().get_texts()]
    assert "no pictures (1 gap of 3:59:50.0)" in legend
    curve = top.get_lines()[1].get_xdata()
    assert np.isnan(curve).sum() == 1


def test_the_strip_of_the_video_shows_a_gap() -> None:
    timeline = with_gaps(0.0, HOURS)
    pixels, _ = render_strip(timeline, truth=(), size=(60, 600), inset=4, note=None)
    grey = (pixels == np.array(GAP_RGB)).all(axis=2).any(axis=0)
    assert 8 < grey.sum() < 40
    assert np.flatnonzero(grey).mean() == pytest.approx(300, abs=20)


def test_caption_page_and_document_tell_of_gaps(tmp_path: Path, quiet: Timeline) -> None:
    timeline = with_gaps(0.0, HOURS, 2 * HOURS)
    assert "2 gaps of 7:59:40.0 in all without pictures" in events_caption(timeline)
    assert "gap" not in events_caption(quiet)
    assert "without pictures" in video_facts(PageVideo("a", timeline))["caption"]
    document = timeline_document(timeline, video="a.mp4", probe={})
    assert document["gaps"] == [[10.0, HOURS], [HOURS + 10, 2 * HOURS]]
    write_json(document, tmp_path / "a.json")
    assert read_timeline(tmp_path / "a.json").gaps == timeline.gaps
