"""Tables put into a hand-written page, between markers, so that no figure is typed by hand.

A marker is `<!-- table: NAME -->`; what stands up to `<!-- end of table -->` is replaced. NAME is
`EXPERIMENT / SECTION` for rows of finished experiments, or one of `COMPUTED`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.localize import smooth
from hiprobe.paper import SIGMA_SEGMENTS
from hiprobe.reproduce.estimate import HIGHEST_AUC
from hiprobe.reproduce.experiment_result import ExperimentResult, ResultRow
from hiprobe.reproduce.experiments.open_choices import SIGMA_BY_FRAME
from hiprobe.reproduce.option_trials import (
    ANOMALOUS_MEAN,
    NORMAL_MEAN,
    SIGMAS_SEGMENTS,
    options,
)
from hiprobe.reproduce.published_rows import different_videos, span_rows
from hiprobe.reproduce.result_pages import JSON_NAME, number, read_result, tables

Scores = Mapping[str, NDArray[np.float64]]
MARKER = re.compile(r"(<!-- table: (.+?) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)
NOT_YET = "*Not measured yet: run `hiprobe reproduce {name}`, then write this page again.*"
NOT_THERE = "*The results at hand do not have this table: run the experiment again.*"
# Sections that a result may lack: other data, or an older run.
SECTIONS = {option.section for option in options()} | {SIGMA_BY_FRAME}

# Sections of `options` that have tables of their own and vary other things than a fit.
LEFT_OUT = ("Choice of the layer", "kappa", "Scores that T comes from", SIGMA_BY_FRAME)


def fill(text: str, results: Sequence[ExperimentResult], *, scores: Scores | None = None) -> str:
    """The page with the tables between its markers written again.

    Args:
        results: finished experiments, whose tables the markers name.
        scores: per-frame scores of any method on UCF-Crime, by video; see `span_rows`.

    Raises:
        UsageError: a marker names no experiment's table, or the page has none.
    """
    if not MARKER.search(text):
        raise UsageError("the page has no `<!-- table: NAME -->` marker; nothing to write")

    def table(match: re.Match[str]) -> str:
        lines = _note_table(match[2], results, scores)
        return f"{match[1]}\n" + "\n".join(lines).strip() + f"\n\n{match[4]}"

    return MARKER.sub(table, text)


def results_in(folders: Sequence[Path]) -> tuple[ExperimentResult, ...]:
    """Finished experiments of some `--out` folders.

    Raises:
        UsageError: a result is damaged or of another version.
    """
    found = [p.parent for folder in folders for p in sorted(folder.glob(f"*/{JSON_NAME}"))]
    return tuple(read_result(f) for f in found)


def _note_table(name: str, results: Sequence[ExperimentResult], scores: Scores | None) -> list[str]:
    if name in COMPUTED:
        return COMPUTED[name](results, scores)
    experiment, _, section = (part.strip() for part in name.partition("/"))
    own = [r for r in results if r.name == experiment]
    if not own:
        return [NOT_YET.format(name=experiment)]
    rows = [x for r in own for x in r.findings.rows if not section or x.section == section]
    if not rows and section in SECTIONS:
        return [NOT_THERE]
    if not rows:
        known = sorted({x.section for r in own for x in r.findings.rows})
        raise UsageError(f"{experiment} has no section {section!r}; it has {known}")
    bare = [ResultRow(**{**vars(r), "section": ""}) for r in rows]
    return [*tables(bare), *_sources(own)]


def _sources(results: Sequence[ExperimentResult]) -> list[str]:
    return [f"`{r.command}`; {r.backbone}; {r.machine}; {r.date}" for r in results]


def _spans(results: Sequence[ExperimentResult], scores: Scores | None) -> list[str]:
    """The metrics under each set of spans and reading of the end frame."""
    rows = span_rows(scores)
    metrics = list(dict.fromkeys(r.metric for r in rows))
    lines = [f"| spans | {' | '.join(metrics)} |", f"|{' --- |' * (1 + len(metrics))}"]
    for setting in dict.fromkeys(r.setting for r in rows):
        own = {r.metric: r.ours for r in rows if r.setting == setting}
        # four decimals: the readings of the end frame differ in the fourth
        cells = [f"{own[m]:.4f}" if own[m] <= 1 else f"{own[m]:.0f}" for m in metrics]
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return [*lines, "", f"The two sets differ in {len(different_videos())} videos."]


def _kernel(results: Sequence[ExperimentResult], scores: Scores | None) -> list[str]:
    """What one segment alone gives its neighbours: the weights of the smoothing."""
    impulse = np.zeros(9)
    impulse[4] = 1.0
    lines = ["| sigma, segments | a segment itself | each neighbour | the next but one |"]
    lines.append("| --- | --- | --- | --- |")
    for sigma in SIGMAS_SEGMENTS:
        found = smooth(impulse, sigma_segments=sigma)
        default = " (default)" if sigma == SIGMA_SEGMENTS else ""
        cells = [f"{sigma:g}{default}", *(f"{found[4 + k]:.4f}" for k in range(3))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _moved(results: Sequence[ExperimentResult], scores: Scores | None) -> list[str]:
    """Lowest and highest of each option: how much a silent choice moves the result."""
    own = [r for r in results if r.name == "options"]
    if not own:
        return [NOT_YET.format(name="options")]
    metrics = (HIGHEST_AUC, NORMAL_MEAN, ANOMALOUS_MEAN)
    lines = [f"| data | choice | {' | '.join(metrics)} |", f"|{' --- |' * (2 + len(metrics))}"]
    rows = [x for r in own for x in r.findings.rows if x.section not in LEFT_OUT]
    for data, section in dict.fromkeys((r.data, r.section) for r in rows):
        cells = [_range([r for r in rows if (r.data, r.section) == (data, section)], m)
                 for m in metrics]  # fmt: skip
        lines.append(f"| {data} | {section} | {' | '.join(cells)} |")
    return [*lines, "", *_sources(own)]


def _range(rows: Sequence[ResultRow], metric: str) -> str:
    found = {r.setting: r.ours for r in rows if r.metric == metric and r.defined}
    if len(found) < 2:
        return "-"
    if len({number(v) for v in found.values()}) == 1:
        return f"{number(next(iter(found.values())))} for all {len(found)}"
    low, high = min(found, key=lambda s: found[s]), max(found, key=lambda s: found[s])
    return f"{number(found[low])} ({low}) to {number(found[high])} ({high})"


# Tables that are computed here, by name.
COMPUTED: Mapping[str, Callable[[Sequence[ExperimentResult], Scores | None], list[str]]] = {
    "spans of UCF-Crime": _spans,
    "weights of the smoothing": _kernel,
    "what the silent choices move": _moved,
}
