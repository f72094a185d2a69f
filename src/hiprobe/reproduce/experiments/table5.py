"""Table 5: how many key frames K the backbone sees of a segment."""

from __future__ import annotations

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.facts import facts, paper_numbers
from hiprobe.reproduce.fits import Variant
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.result import Figure, Findings, Row
from hiprobe.reproduce.rows import CLIP_AUC, FRAME_AUC, Table, pools_of
from hiprobe.reproduce.scored import score_variants
from hiprobe.reproduce.steps import Steps

KEY_FRAMES = (1, 2, 4, 8, 12, 16)
PROBE = Variant("probe")
NOTES = (
    "Each K is an extraction of its own: K key frames of every segment, and K over every clip.",
    "Joined videos are those of the first seed, since each K reads them anew; clips are of all "
    "seeds.",
)


def run(bench: Bench) -> Findings:
    """Every K on every data set."""
    rows: list[Row] = []
    videos = [d for d in bench.request.data if not bench.extraction.is_extracted(d)]
    for data in videos:  # with an estimate of its own, which is none for what follows
        bench.extraction.read_together(data, KEY_FRAMES)
    steps = Steps(bench.say, "table5", len(videos) * len(KEY_FRAMES))
    for data in videos:
        rows += _rows(bench, data, steps)
    left_out = [d.name for d in bench.request.data if d not in videos]
    extra = [f"{n}: left out, extracted states hold one K only; give videos." for n in left_out]
    figures = (_figure(videos, rows),) if rows else ()
    return Findings(tuple(rows), figures, (*NOTES, *extra))


def _rows(bench: Bench, data: DataSource, steps: Steps) -> list[Row]:
    table = Table(bench, data, "Key frames", "DLSP layer, logistic regression")
    rows: list[Row] = []
    for k in KEY_FRAMES:
        first, *others = bench.request.seeds
        found = [score_variants(bench, data, [PROBE], seed=first, key_frames=k)]
        found += [
            score_variants(bench, data, [PROBE], seed=s, key_frames=k, by_frame=False)
            for s in others
        ]
        name = f"K = {k}"
        paper = paper_numbers(name) if name in facts()["numbers"] else ()
        rows += table.ranking_rows(name, pools_of(found, PROBE.name), paper=paper)
        steps.step(f"{data.name}, {name}")
    return sorted(rows, key=lambda r: -len(r.seeds))  # a table for each set of seeds


def _figure(sets: list[DataSource], rows: list[Row]) -> Figure:
    metrics = [m for m in dict.fromkeys(r.metric for r in rows) if m in (CLIP_AUC, FRAME_AUC)]
    panels = []
    for metric in metrics:
        curves = tuple(
            _curve(data.name, [r for r in rows if r.data == data.name and r.metric == metric])
            for data in sets
        )
        ticks = tuple((float(k), str(k)) for k in KEY_FRAMES)
        panels.append(Panel(metric, "key frames K", metric, curves, log_x=True, ticks=ticks))
    caption = "AUC against the number of key frames; bands are 95 % intervals over sources."
    drawing = panels_drawing(panels, columns=2)
    return Figure("key-frames", caption, drawing, (4.5 * len(panels) + 0.5, 3.4))


def _curve(name: str, rows: list[Row]) -> Curve:
    return Curve(
        name,
        [float(r.setting.removeprefix("K = ")) for r in rows],
        [r.ours for r in rows],
        [r.ours if r.low is None else r.low for r in rows],
        [r.ours if r.high is None else r.high for r in rows],
    )
