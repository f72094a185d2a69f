"""One HTML page of a result that opens without a network."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.localize import Smoothing
from hiprobe.report.layer_chart import LAYERS_INCHES, NUMBERING_NOTE, LayerCurves, layers_drawing
from hiprobe.report.score_chart import TIMELINE_INCHES, timeline_drawing
from hiprobe.report.terminal import (
    event_explanation,
    events_caption,
    explanation_facts,
    share_words,
)
from hiprobe.report.theme import DARK, LIGHT, Draw, data_uri, render_figure
from hiprobe.report.words import (
    STANDING_NOTE,
    Span,
    checked_spans,
    clock_words,
    event_spans,
    event_words,
    format_score,
    format_seconds,
    overlap_seconds,
    stretch_words,
)
from hiprobe.segment import Frame
from hiprobe.store.text_files import write_text
from hiprobe.timeline import Event, Timeline

if TYPE_CHECKING:
    from jinja2 import Template

# Of the longer side. The page shows pictures 104 pixels high; those of 16:9 have 135.
THUMBNAIL_PIXELS = 240

# The page plays this much of a longer event, with its peak in the middle. All clips lie in the page
# itself, which must still be small enough to be sent by mail.
CLIP_SECONDS = 10.0


@dataclass(frozen=True)
class PageVideo:
    """One video of a page.

    Attributes:
        name: what to call it.
        timeline: its scores and events.
        truth_spans: known events in seconds, None where not known, empty where there is none.
        thumbnails: pictures of events, by the event's place in the timeline, from 0.
        clips: MP4 files of events, by the same.
        recorded_at: when its first picture was taken; None where the file does not say.
        facts: what else to state about it (length, size, speed), name to value.
        cuts_seconds: where a joined video passes from one clip to the next.
        cuts: what segments that contain a cut do, in sentences.
    """

    name: str
    timeline: Timeline
    truth_spans: Sequence[Span] | None = None
    thumbnails: Mapping[int, Sequence[Frame]] = field(default_factory=dict)
    clips: Mapping[int, bytes] = field(default_factory=dict)
    recorded_at: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    cuts_seconds: Sequence[float] = ()
    cuts: Sequence[str] = ()


def page_template(name: str) -> Template:
    """A page of `templates/`; whatever is filled in is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Names of files and the model's words may hold HTML, which must be shown and not run. A name
    # that a template misspells is an error and not an empty place.
    environment = Environment(
        loader=PackageLoader("hiprobe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(name)


def write_page(
    path: Path | str,
    *,
    title: str,
    videos: Sequence[PageVideo],
    probe: Mapping[str, Any],
    layers: LayerCurves | None = None,
    machine: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write one page for one or more videos.

    Args:
        path: the HTML file.
        title: heading of the page.
        videos: the scored videos, in the order to show them.
        probe: facts about the probe, name to value.
        layers: measures of the layers, drawn and tabled where given.
        machine: facts about the machine, name to value.
        notes: remarks that must be seen first (rendered scenes, joined video).

    Raises:
        UsageError: a truth span is not a stretch.
        StorageError: the file cannot be written.
    """
    html = page_template("report.html").render(
        title=title,
        notes=notes,
        standing_note=STANDING_NOTE,
        videos=[video_facts(video) for video in videos],
        layers=None if layers is None else _layer_facts(layers),
        facts=[("Probe", _fact_words(probe)), ("Machine", _fact_words(machine or {}))],
    )
    write_text(path, html)


def video_facts(video: PageVideo) -> dict[str, Any]:
    """What the template shows about one video, by the names that it uses."""
    timeline = video.timeline
    truth = None if video.truth_spans is None else checked_spans(video.truth_spans)
    drawing = timeline_drawing(timeline, truth_spans=truth, cuts_seconds=video.cuts_seconds)
    return {
        "name": video.name,
        "cuts": list(video.cuts),
        "facts": _fact_words(video.facts),
        "caption": events_caption(timeline),
        "recorded": clock_words(video.recorded_at, 0.0),
        "next_steps": _next_steps(video),
        "chart": _chart_images(drawing, TIMELINE_INCHES),
        "events": [_event_facts(video, index, truth) for index in range(len(timeline.events))],
        "truth": None if truth is None else [_truth_facts(span, timeline) for span in truth],
        "others": [explanation_facts(e) for e in timeline.explanations if e.kind != "event"],
        "segments": _segment_rows(timeline),
        "threshold": f"{timeline.threshold:.3f}",
        "smoothing": Smoothing.of(timeline).words,
    }


def _fact_words(facts: Mapping[str, Any]) -> dict[str, str]:
    """Names and values as people read them: no underscores, three digits, a dash for nothing."""

    def words(value: Any) -> str:
        if value is None:
            return "–"
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    return {name.replace("_", " "): words(value) for name, value in facts.items()}


def _event_facts(video: PageVideo, index: int, truth: Sequence[Span] | None) -> dict[str, Any]:
    event = video.timeline.events[index]
    explained = event_explanation(video.timeline, index + 1)
    return {
        "number": index + 1,
        "start": format_seconds(event.start_seconds),
        "end": format_seconds(event.end_seconds),
        "length": f"{event.end_seconds - event.start_seconds:.1f}",
        "peak": f"{event.peak:.3f}",
        "peak_at": format_seconds(event.peak_seconds),
        "mean": f"{event.mean:.3f}",
        "truth": None if truth is None else share_words(event, truth),
        "said": None if explained is None else explanation_facts(explained),
        "words": event_words(video.timeline, event),
        "clock": clock_words(video.recorded_at, event.start_seconds),
        "clip_time": stretch_words(*clip_span(event)),
        "clip_is_all": clip_span(event) == (event.start_seconds, event.end_seconds),
        "clip": data_uri(video.clips[index], "mp4") if index in video.clips else None,
        "pictures": [_thumbnail(frame) for frame in video.thumbnails.get(index, ())],
    }


def clip_span(event: Event) -> Span:
    """What of an event the page plays: all of it, or the time around its peak."""
    spare = event.end_seconds - event.start_seconds - CLIP_SECONDS
    if spare <= 0:
        return event.start_seconds, event.end_seconds
    before_peak = event.peak_seconds - event.start_seconds - CLIP_SECONDS / 2
    start = event.start_seconds + min(max(before_peak, 0.0), spare)
    return start, start + CLIP_SECONDS


def _next_steps(video: PageVideo) -> list[str]:
    """What a reader can do about the result, most useful first."""
    threshold = f"{video.timeline.threshold:.3f}"
    if not len(video.timeline):
        return ["No segment was scored. Check that the video plays, then run detect again."]
    if not video.timeline.events:
        return [
            "Look at the chart. If something happened where the curve is highest, run detect "
            f"again with a lower --threshold (it was {threshold}).",
            "If the curve stays flat where something happened, label a few clips of that kind "
            "and add them to the probe: hiprobe fit CLIPS --add PROBE.",
        ]
    return [
        "Watch each event. Only a person can say whether it matters.",
        "Say which events are right and which are false alarms, and let the probe learn from it: "
        "hiprobe review RESULTS --probe PROBE, where RESULTS is the folder of this page.",
        f"If most are false alarms, run detect again with a higher --threshold (it was "
        f"{threshold}), or with a higher --kappa.",
    ]


def _thumbnail(frame: Frame) -> str:
    from PIL import Image

    image = Image.fromarray(frame)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return data_uri(buffer.getvalue(), "jpeg")


def _truth_facts(span: Span, timeline: Timeline) -> dict[str, str]:
    found = overlap_seconds(span, event_spans(timeline))
    words = f"{found:.1f} of {span[1] - span[0]:.1f} s detected" if found else "missed"
    return {"time": stretch_words(*span), "found": words}


def _segment_rows(timeline: Timeline) -> list[dict[str, Any]]:
    """Cells of the table of all segments, and whether the score is above the threshold."""
    columns = (timeline.start_seconds, timeline.end_seconds, timeline.scores, timeline.smoothed)
    return [
        {
            "cells": (
                str(index),
                format_seconds(start),
                format_seconds(end),
                format_score(score),
                format_score(smoothed),
            ),
            "above": bool(smoothed > timeline.threshold),
        }
        for index, (start, end, score, smoothed) in enumerate(zip(*columns, strict=True))
    ]


def _layer_facts(curves: LayerCurves) -> dict[str, Any]:
    """What the template shows about the layers, by the names that it uses."""
    measures = curves.measures()
    return {
        "chosen": curves.chosen,
        "reason": curves.reason(),
        "note": NUMBERING_NOTE,
        "chart": _chart_images(layers_drawing(curves), LAYERS_INCHES),
        "names": [name for name, _ in measures],
        "rows": [
            (layer, [f"{values[row]:.3f}" for _, values in measures])
            for row, layer in enumerate(curves.layers)
        ],
    }


def _chart_images(drawing: Draw, inches: tuple[float, float]) -> dict[str, str]:
    """The same chart for light and for dark pages."""
    return {
        # SVG stays sharp at any zoom, and is smaller than a PNG of twice the resolution.
        name: data_uri(render_figure(drawing, inches=inches, theme=theme, kind="svg"), "svg")
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }
