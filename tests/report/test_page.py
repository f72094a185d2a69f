import base64
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from hiprobe.report.html_page import PageVideo, clip_span, write_page
from hiprobe.report.layer_chart import LayerCurves
from hiprobe.report.words import RENDERED_NOTE, STANDING_NOTE

VOID = {"meta", "img", "source", "br", "link", "input"}


class Page(HTMLParser):
    """Collects addresses, text and tags; refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        names = ("src", "href", "srcset", "data", "action", "poster")
        self.addresses += [value for name, value in attrs if name in names]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(path, videos, **settings) -> Page:
    probe = {"fingerprint": "0123456789abcdef", "layer": 3, "model": "lite"}
    write_page(path, title="Report", videos=videos, probe=probe, **settings)
    return Page(path.read_text(encoding="utf-8"))


def full_page(timeline, path) -> Page:
    ramp = [0.1, 0.2, 0.9, 0.4]
    layers = LayerCurves([1, 2, 3, 4], ramp, ramp, ramp, ramp, chosen=3, cv_auc=ramp)
    frame = np.full((120, 160, 3), (10, 200, 30), dtype=np.uint8)
    video = PageVideo(
        "a<b>.mp4", timeline, truth_spans=[(4.0, 6.0), (7, 8)], thumbnails={0: [frame]}
    )
    return page_of(
        path,
        [video, PageVideo("other.mp4", replace(timeline, events=(), explanations=()))],
        layers=layers,
        machine={"cores": 2},
        notes=[RENDERED_NOTE],
    )


def test_page_needs_nothing_from_outside(timeline, tmp_path):
    page = full_page(timeline, tmp_path / "a.html")
    assert page.addresses
    assert all(a.startswith(("data:image/", "data:video/", "#")) for a in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"url\(|@import", (tmp_path / "a.html").read_text())


def test_embedded_pictures_are_whole(timeline, tmp_path):
    addresses = full_page(timeline, tmp_path / "a.html").addresses
    jpegs = [a for a in addresses if a.startswith("data:image/jpeg;base64,")]
    with Image.open(io.BytesIO(base64.b64decode(jpegs[0].partition(",")[2]))) as image:
        assert image.size == (160, 120)
        assert image.getpixel((80, 60))[1] > 180
    charts = [a for a in addresses if a.startswith("data:image/svg+xml;base64,")]
    assert len(charts) == 6  # two videos and the layers, each light and dark
    for chart in charts:
        svg = base64.b64decode(chart.partition(",")[2]).decode()
        assert svg.rstrip().endswith("</svg>")
        assert not re.search(r'href="(?!#)', svg)


def test_page_says_what_a_reader_needs(timeline, tmp_path):
    text = full_page(timeline, tmp_path / "a.html").text
    for words in (
        RENDERED_NOTE,
        STANDING_NOTE,
        "a<b>.mp4",
        'Two people "fight" <hard> & fall.',
        "People walk.",
        "1.0 of 3.0 s",
        "1.0 of 2.0 s detected",
        "missed",
        "0123456789abcdef",
        "reads layer 3",
        "no score",
        "No labels were given for this video.",
    ):
        assert words in text


def test_an_event_plays_and_says_when_it_was(timeline, tmp_path):
    recorded = datetime(2018, 4, 19, 22, 46, tzinfo=UTC)
    video = PageVideo("a.mp4", timeline, clips={0: b"an mp4"}, recorded_at=recorded)
    page = page_of(tmp_path / "a.html", [video])
    assert page.tags.count("video") == 1
    clips = [a for a in page.addresses if a.startswith("data:video/mp4;base64,")]
    assert base64.b64decode(clips[0].partition(",")[2]) == b"an mp4"
    for event in timeline.events:
        assert f"22:46:{int(event.start_seconds):02d} UTC" in page.text
    assert "The clip shows" not in page.text
    event = replace(timeline.events[0], end_seconds=40.0, peak_seconds=38.0)
    assert clip_span(event) == (30.0, 40.0)
    video = replace(video, timeline=replace(timeline, events=(event,)))
    assert "The clip shows 0:30.0 – 0:40.0" in page_of(tmp_path / "b.html", [video]).text
    assert "hiprobe review" in page.text and "higher --threshold" in page.text


def test_a_quiet_video_says_how_to_find_more(quiet, empty, tmp_path):
    assert "lower --threshold" in page_of(tmp_path / "a.html", [PageVideo("a.mp4", quiet)]).text
    words = page_of(tmp_path / "b.html", [PageVideo("b.mp4", empty)]).text
    assert "No segment was scored" in words and "UTC" not in words


def test_model_words_cannot_become_markup(timeline, tmp_path):
    bad = replace(timeline.events[0], explanation="<script>alert(1)</script>")
    page = page_of(tmp_path / "a.html", [PageVideo("a.mp4", replace(timeline, events=(bad,)))])
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text


def test_quiet_and_empty_videos(quiet, empty, tmp_path):
    videos = [PageVideo("quiet.mp4", quiet, truth_spans=[]), PageVideo("empty.mp4", empty)]
    text = page_of(tmp_path / "a.html", videos).text
    assert text.count("No event was detected.") == 2
    assert "the run was stopped" in text


def test_an_hour_of_segments_stays_small(quiet, tmp_path):
    edges = np.arange(3751) * 0.96
    scores = np.random.default_rng(0).random(3750)
    hour = replace(
        quiet, start_seconds=edges[:-1], end_seconds=edges[1:], scores=scores, smoothed=scores
    )
    page_of(tmp_path / "a.html", [PageVideo("hour.mp4", hour)])
    assert (tmp_path / "a.html").stat().st_size < 3_000_000


def test_cuts_are_told_apart_and_facts_are_readable(quiet, tmp_path):
    video = PageVideo(
        "a.mp4",
        quiet,
        truth_spans=[(1.0, 2.0)],
        cuts_seconds=[1.0],
        cuts=("AUC over segments 0.9; without the 2 of 3 that contain a join 0.8",),
        facts={"real_time_factor": 1.23456, "cv_auc": None, "file": "my_camera.mp4"},
    )
    page = page_of(tmp_path / "a.html", [video])
    assert "that contain a join 0.8" in page.text and "tell alarms at joins" in page.text
    assert "real time factor" in page.text and "1.235" in page.text
    assert "my_camera.mp4" in page.text
    plain = page_of(tmp_path / "b.html", [PageVideo("a.mp4", quiet)])
    assert "contain a join" not in plain.text
