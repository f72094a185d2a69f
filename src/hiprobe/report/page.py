"""The report as one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiprobe.report.layers import LayerCurves
from hiprobe.report.page_facts import (
    PageChart,
    PageVideo,
    chart_images,
    fact_words,
    layer_facts,
    video_facts,
)
from hiprobe.report.words import STANDING_NOTE
from hiprobe.store.text_files import write_text

__all__ = ["PageChart", "PageVideo", "write_page"]


def write_page(
    path: Path | str,
    *,
    title: str,
    videos: Sequence[PageVideo],
    probe: Mapping[str, Any],
    layers: LayerCurves | None = None,
    charts: Sequence[PageChart] = (),
    machine: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    failures: Sequence[tuple[str, str]] = (),
) -> None:
    """Write one report for one or more videos.

    Args:
        path: the HTML file.
        title: heading of the page.
        videos: the scored videos, in the order to show them.
        probe: facts about the probe, name to value.
        layers: measures of the layers, drawn and tabled where given.
        charts: further charts, such as the t-SNE maps of `tsne_drawing`.
        machine: facts about the machine, name to value.
        notes: remarks that must be seen first (rendered scenes, joined video).
        failures: `(video, reason)` of each video that could not be read.

    Raises:
        UsageError: a truth span is not a stretch.
        StorageError: the file cannot be written.
    """
    html = _template().render(
        title=title,
        notes=notes,
        standing_note=STANDING_NOTE,
        videos=[video_facts(video) for video in videos],
        failures=failures,
        layers=None if layers is None else layer_facts(layers),
        charts=[
            {"title": chart.title, "images": chart_images(chart.drawing, chart.inches)}
            for chart in charts
        ],
        facts=[("Probe", fact_words(probe)), ("Machine", fact_words(machine or {}))],
    )
    write_text(path, html)


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("hiprobe.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html")
