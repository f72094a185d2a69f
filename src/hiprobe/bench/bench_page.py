"""One HTML page of a run of the benchmark that opens without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiprobe.bench.bench_tables import machine_line, plain_text, tables_of
from hiprobe.report.theme import DARK, LIGHT, Draw, Theme, data_uri, render_figure
from hiprobe.store.text_files import write_text

_INCHES = (8.0, 1.9)
_SHADES = ("#8c96a3", "#4e79a7", "#76b7b2", "#f28e2b", "#d62728", "#59a14f", "#b07aa1")


def write_bench_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page.

    Raises:
        StorageError: the file cannot be written.
    """
    from hiprobe.report.html_page import page_template

    busy = document["machine"]["was_busy"]
    bars = {
        f"From file to events with {part['backbone']}": _bar_images(part, busy=busy)
        for part in document["parts"].get("end-to-end", ())
    }
    sections = [
        {
            "title": table.title,
            "words": plain_text(table.words),
            "header": table.header,
            "rows": [[plain_text(cell) for cell in row] for row in table.rows],
            "after": plain_text(table.after),
            "bar": bars.get(table.title),
        }
        for table in tables_of(document)
    ]
    html = page_template("bench.html").render(
        title="HiProbe benchmark", machine=plain_text(machine_line(document)), sections=sections
    )
    write_text(path, html)


def _bar_images(part: Mapping[str, Any], *, busy: bool) -> dict[str, str]:
    """The bar of a part's stages, light and dark, as `data:` addresses.

    By the clock; on a busy machine by the processor's time, which other work hardly changes.
    """
    kind, of = ("processor_seconds", " of the processor") if busy else ("seconds", "")
    drawing = shares_drawing({name: stage[kind] for name, stage in part["stages"].items()}, of=of)
    return {
        name: data_uri(render_figure(drawing, inches=_INCHES, theme=theme, kind="svg"), "svg")
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }


def shares_drawing(seconds: Mapping[str, float], *, of: str = "") -> Draw:
    """One bar, cut into stages by their time.

    Args:
        seconds: of each stage, by its name.
        of: goes on the axis after "seconds": " of the processor", or nothing for the clock's.
    """

    def draw(figure: Any, theme: Theme) -> None:
        axes, left = figure.subplots(), 0.0
        total = sum(seconds.values()) or 1.0
        # Times in the legend and not on the bar, where the shortest stages have no room for words.
        for (stage, taken), shade in zip(seconds.items(), _SHADES, strict=True):
            label = f"{stage} {taken:.2f} s ({100 * taken / total:.0f}%)"
            axes.barh([0], [taken], left=[left], color=shade, label=label, height=0.6)
            left += taken
        axes.set_yticks([])
        axes.set_xlabel(f"seconds{of}, each stage by itself")
        axes.spines[["top", "right", "left"]].set_visible(False)
        legend = axes.legend(
            ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=7.5
        )
        for text in legend.get_texts():
            text.set_color(theme.ink)

    return draw
