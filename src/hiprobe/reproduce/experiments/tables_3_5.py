"""Tables 3 and 5: another data set, and the number of key frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hiprobe.paper import KAPPA
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.drawing import metric_panels, panels_drawing
from hiprobe.reproduce.estimate import FRAME_AUC, HIGHEST_AUC
from hiprobe.reproduce.experiment_result import (
    Figure,
    Findings,
    ResultRow,
    facts,
    paper_numbers,
)
from hiprobe.reproduce.frame_probe import FrameTest
from hiprobe.reproduce.held_out import VISION_ALONE, Variant
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.rows import EVENT_F1, event_scores, pools_of, ranking_rows
from hiprobe.reproduce.scored import Scored, score_tests, score_variants
from hiprobe.reproduce.video_folds import tests_of

PROBE = Variant("probe", thresholds=True)
VISION = replace(VISION_ALONE, thresholds=True)
OTHER_SET_NOTES = (
    "Layer, scorer and threshold come from the first set alone. The diagonal is fitted on other "
    "folds of the same set, for comparison.",
    "A source that occurs in both sets under one name is left out of the fit.",
)


def table3(bench: Bench) -> Findings:
    """All ordered pairs of data sets, and each set by itself."""
    rows: list[ResultRow] = []
    sets = bench.request.data
    bench, vision = bench.with_vision([bench.extraction.clips(d)[0].video for d in sets])
    steps = Steps(bench.say, "table3", len(sets) ** 2)
    for target in sets:
        for origin in (target, *(d for d in sets if d.name != target.name)):
            rows += _pair_rows(bench, origin, target, PROBE)
            if vision is not None:
                rows += _pair_rows(vision, origin, target, VISION)
            same = origin.name == target.name
            steps.step(f"{target.name} by itself" if same else f"{origin.name} to {target.name}")
    return Findings(tuple(rows), notes=OTHER_SET_NOTES)


def _pair_rows(
    bench: Bench, origin: DataSource, target: DataSource, variant: Variant
) -> list[ResultRow]:
    """Rows of what is fitted on one set and tested on another, or on other folds of its own."""
    found = []
    for seed in bench.request.seeds:
        if origin.name == target.name:
            found.append(score_variants(bench, target, [variant], seed=seed))
        else:
            tests = _moved_tests(bench, origin, target, seed)
            found.append(score_tests(bench, tests, [variant], seed=seed))
    return _moved_rows(bench, origin, target, found, variant)


def _moved_tests(
    bench: Bench, origin: DataSource, target: DataSource, seed: int
) -> Iterator[FrameTest]:
    """The target's tests of a seed; what they are fitted on is the whole other set."""
    examples = bench.extraction.examples(origin)
    for test in tests_of(bench, target, seed=seed):
        tested = {e.source for e in test.held} | {p.source for v in test.videos for p in v.parts}
        # Two sets may have recordings of one camera in common.
        fit = tuple(e for e in examples if e.source not in tested)
        protocol = f"fitted on all of {origin.name}; {_videos(test)}"
        yield replace(test, fit=fit, protocol=protocol)


def _videos(test: FrameTest) -> str:
    if not test.videos:
        return "clips only"
    joined = any(v.joined for v in test.videos)
    return "clips, and videos joined from them" if joined else "videos with frame-level truth"


def _moved_rows(
    bench: Bench,
    origin: DataSource,
    target: DataSource,
    found: Sequence[Scored],
    variant: Variant,
) -> list[ResultRow]:
    pools = pools_of(found, variant.name)
    table = pools.table(bench, target, f"Tested on {target.name}")
    same = origin.name == target.name
    setting = f"fitted on {origin.name}" + (", other folds" if same else "")
    if variant is VISION:
        setting += f", {VISION.name}"
    paper = paper_numbers("full" if same else "zero-shot") if variant is PROBE else ()
    rows = ranking_rows(table, setting, pools, paper=paper)
    if pools.frames:
        events = event_scores(pools.frames, lambda p: p.threshold(KAPPA))
        rows.append(table.row(setting, EVENT_F1, events))
    return rows


KEY_FRAMES = (1, 2, 4, 8, 12, 16)
KEY_FRAME_PROBE = Variant("probe")
KEY_FRAME_NOTES = (
    "Each K is an extraction of its own: K key frames of every segment, and K over every clip.",
    "Joined videos are those of the first seed, since each K reads them again; clips are of all "
    "seeds.",
)


def table5(bench: Bench) -> Findings:
    """Every K on every data set."""
    rows: list[ResultRow] = []
    videos = [d for d in bench.request.data if not bench.extraction.is_extracted(d)]
    # All K of a clip in a row: decoding and the pictures that several K share are done once.
    for data in videos:  # has a progress bar of its own
        bench.extraction.read_together(data, KEY_FRAMES)
    steps = Steps(bench.say, "table5", len(videos) * len(KEY_FRAMES))
    for data in videos:
        rows += _key_frame_rows(bench, data, steps)
    left_out = [d.name for d in bench.request.data if d not in videos]
    extra = [f"{n}: left out, extracted states hold one K only; give videos." for n in left_out]
    figures = (_figure(rows),) if rows else ()
    return Findings(tuple(rows), figures, (*KEY_FRAME_NOTES, *extra))


def _key_frame_rows(bench: Bench, data: DataSource, steps: Steps) -> list[ResultRow]:
    rows: list[ResultRow] = []
    for k in KEY_FRAMES:
        found = [
            score_variants(
                # untrimmed videos of the first seed alone: each K has to read all their pictures
                bench,
                data,
                [KEY_FRAME_PROBE],
                seed=seed,
                key_frames=k,
                by_frame=number == 0,
            )
            for number, seed in enumerate(bench.request.seeds)
        ]
        pools = pools_of(found, KEY_FRAME_PROBE.name)
        table = pools.table(bench, data, "Key frames", "DLSP layer, logistic regression")
        name = f"K = {k}"
        paper = paper_numbers(name) if name in facts()["numbers"] else ()
        rows += ranking_rows(table, name, pools, paper=paper)
        steps.step(f"{data.name}, {name}")
    return sorted(rows, key=lambda r: -len(r.seeds))  # a table for each set of seeds


def _figure(rows: Sequence[ResultRow]) -> Figure:
    panels = metric_panels(
        [r for r in rows if r.metric in (HIGHEST_AUC, FRAME_AUC)],
        lambda row: float(row.setting.removeprefix("K = ")),
        x_label="key frames K",
        ticks=tuple((float(k), str(k)) for k in KEY_FRAMES),
    )
    caption = "AUC against the number of key frames; bands are 95 % intervals over sources."
    drawing = panels_drawing(panels, columns=2)
    return Figure("key-frames", caption, drawing, (4.5 * len(panels) + 0.5, 3.4))
