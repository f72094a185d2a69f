"""Explanations in JSON, CSV, HTML and on the console, in each outcome."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hiprobe.report.documents import (
    read_timeline,
    timeline_document,
    write_events_csv,
    write_json,
)
from hiprobe.report.html_page import PageVideo, write_page
from hiprobe.report.terminal import events_table, other_words_table
from hiprobe.timeline import Explanation, Timeline

PARSED = Explanation(
    "event", 2.0, 5.0, "?", '{"title": "A <fight>"}', "parsed",
    title="A <fight>", what_happens="Two people hit.", why_unusual="Violent.",
    confidence=0.75, event=1,
)  # fmt: skip
REFUSED = Explanation(
    "normal", 0.0, 1.0, "?", "I cannot view it.", "refused", reason="it declined", event=1
)
FAILED = Explanation("summary", 0.0, 10.0, "?", "", "failed", reason="out of memory")


@pytest.fixture
def told(timeline: Timeline) -> Timeline:
    event = replace(timeline.events[0], explanation=PARSED.words)
    return replace(timeline, events=(event,), explanations=(PARSED, REFUSED, FAILED))


def shown(*things: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    for thing in things:
        console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_json_keeps_every_field(told: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write_json(timeline_document(told, video="v", probe={}), path)
    document = json.loads(path.read_text())
    assert document["version"] == 2
    assert document["explanations"][0]["confidence"] == 0.75
    assert [e["outcome"] for e in document["explanations"]] == ["parsed", "refused", "failed"]
    assert read_timeline(path).explanations == told.explanations


def test_documents_of_version_1_are_read(told: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    document = timeline_document(told, video="v", probe={}) | {"version": 1}
    kept = ("kind", "start_seconds", "end_seconds", "prompt", "text")
    document["explanations"] = [{k: e[k] for k in kept} for e in document["explanations"]]
    write_json(document, path)
    found = read_timeline(path).explanations
    assert [e.outcome for e in found] == ["text"] * 3 and found[0].text == PARSED.text


def test_events_csv_has_the_plain_words(told: Timeline, tmp_path: Path) -> None:
    write_events_csv(told, tmp_path / "e.csv")
    with (tmp_path / "e.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["explanation"] == "A <fight>\nTwo people hit.\nViolent."


def test_the_page_shows_fields_refusals_and_reasons(told: Timeline, tmp_path: Path) -> None:
    write_page(tmp_path / "p.html", title="t", videos=[PageVideo("v", told)], probe={})
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    for text in ("A &lt;fight&gt;", "Two people hit.", "Violent.", "Confidence 0.75", "calibrated"):
        assert text in page
    assert "I cannot view it." in page and "it declined" in page
    assert (
        "Below the threshold, for comparison with event 1" in page
        and "No explanation: out of memory" in page
    )


def test_the_console_shows_the_same(told: Timeline) -> None:
    text = shown(events_table(told, video="v"), other_words_table(told))
    for part in ("A <fight>", "Two people hit.", "I cannot view it.", "no words: out of memory"):
        assert part in text


def test_nothing_asked_shows_nothing(quiet: Timeline) -> None:
    assert other_words_table(quiet) is None
    assert "model's words" not in shown(events_table(quiet, video="v"))


def test_words_of_a_small_model_are_shown_as_a_guess(told: Timeline, tmp_path: Path) -> None:
    guess = Explanation("event", 2.0, 5.0, "?", "Normal: nothing moves.", event=1, guess=True)
    small = replace(told, explanations=(guess,))
    path = tmp_path / "t.json"
    write_json(timeline_document(small, video="v", probe={}), path)
    assert read_timeline(path).explanations == (guess,)
    assert "(a guess) Normal" in shown(events_table(small, video="v"))
    for timeline, found in ((small, True), (told, False)):
        write_page(tmp_path / "p.html", title="t", videos=[PageVideo("v", timeline)], probe={})
        page = (tmp_path / "p.html").read_text(encoding="utf-8")
        assert ("This is a guess of a small model" in page) is found
