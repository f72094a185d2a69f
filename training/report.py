"""Write docs/lite-results.md and its figure from the log of `measure.py`.

python training/report.py --log training/results/log.jsonl --machine "2 cores, float32"
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
READINGS = ("last", "visual_mean", "prompt_mean")
COLOURS = {"last": "#c0392b", "visual_mean": "#2471a3", "prompt_mean": "#7d8c1f"}
Table = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--machine", required=True, help="what it ran on, for the page")
    given = parser.parse_args()
    runs = [json.loads(line) for line in given.log.read_text(encoding="utf-8").splitlines()]
    figure = DOCS / "figures" / "lite-layers.png"
    figure.parent.mkdir(parents=True, exist_ok=True)
    newest = list({run["set"]: run for run in runs}.values())
    draw(newest, figure)
    page = [INTRO.format(machine=given.machine, c=newest[0]["C"], folds=newest[0]["folds"])]
    page += [part for run in newest for part in section(run)]
    page += ["## Every run in the log", "", *log_table(runs)]
    target = DOCS / "lite-results.md"
    _, _, by_hand = target.read_text(encoding="utf-8").partition(BY_HAND)
    target.write_text("\n".join(page) + f"\n\n{BY_HAND}{by_hand}", encoding="utf-8")


BY_HAND = "<!-- Written by hand from here on; `training/report.py` keeps it. -->"

INTRO = """# What the lite backbone shows on real video

The tables are written by `training/report.py` from the log of `training/measure.py`; do not edit
them by hand. [What the figures say](#what-the-figures-say) stands below them.
Machine: {machine}. {folds} folds grouped by source, logistic regression with C = {c} on
standardised vectors, the same for every rival; figures are out-of-fold ROC-AUC, pooled over folds.
No clip of these sets was used in training. *DLSP* is the layer that saliency picks inside each
training fold; *oracle* is the layer that is best on the test folds, which nobody can know.

![AUC by layer](figures/lite-layers.png)
"""


def section(run: Table) -> list[str]:
    rows = [
        f"## {run['set']} (run {run['run']}, per {run['unit']})",
        "",
        "| rival | AUC |",
        "|---|---|",
    ]
    rows += [
        f"| {name} | {run[name]:.3f} |"
        for name in ("motion", "vision frames", "vision change", "vision")
    ]
    rows += ["", "| backbone, reading | DLSP | layers picked | oracle | last | middle |"]
    rows += ["|---|---|---|---|---|---|"]
    for kind in ("trained", "random"):
        rows += [layer_row(f"{kind} {reading}", run[f"{kind} {reading}"]) for reading in READINGS]
    rows += ["", "Paired 95 % intervals over sources, ours at DLSP's layer minus the rival:", ""]
    rows += ["| difference | from | to |", "|---|---|---|"]
    rows += [f"| {k} | {low:+.3f} | {high:+.3f} |" for k, (low, high) in run["paired"].items()]
    return [*rows, "", *in_use_rows(run)]


def layer_row(name: str, entry: Table) -> str:
    layers = ", ".join(str(x) for x in sorted(set(entry["dlsp layers"])))
    return (
        f"| {name} | {entry['dlsp']:.3f} | {layers} | {entry['oracle']:.3f} "
        f"(layer {entry['oracle layer']}) | {entry['last']:.3f} | {entry['middle']:.3f} |"
    )


def in_use_rows(run: Table) -> list[str]:
    if "in use" not in run:
        return []
    rows = [
        "In use: the highest segment score of a held-out clip, by how clips stand in fitting",
        "",
    ]
    rows += ["| | clip | mean of segments | all segments |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {v['clip']:.3f} | {v['segment_mean']:.3f} | {v['segment']:.3f} |"
        for name, v in run["in use"].items()
    ]
    return [*rows, ""]


def log_table(runs: list[Table]) -> list[str]:
    rows = ["| set | run | trained last, DLSP | trained visual mean, DLSP | vision | motion |"]
    rows += ["|---|---|---|---|---|---|"]
    return rows + [
        f"| {r['set']} | {r['run']} | {r['trained last']['dlsp']:.3f} | "
        f"{r['trained visual_mean']['dlsp']:.3f} | {r['vision']:.3f} | {r['motion']:.3f} |"
        for r in runs
    ]


def draw(runs: list[Table], path: Path) -> None:
    figure = Figure(figsize=(5.2 * len(runs), 4.2), layout="constrained")
    for number, run in enumerate(runs, 1):
        axes = figure.add_subplot(1, len(runs), number)
        for reading in READINGS:
            for kind, style in (("trained", "-"), ("random", ":")):
                aucs = run[f"{kind} {reading}"]["by layer"][1:]
                name = f"{kind} projector, {reading.replace('_', ' ')}"
                layers = range(1, len(aucs) + 1)
                axes.plot(layers, aucs, style, color=COLOURS[reading], label=name)
        axes.axhline(run["vision"], color="black", linestyle="--", label="vision alone")
        axes.axhline(run["motion"], color="grey", linestyle="-.", label="motion statistics")
        axes.set(title=run["set"], xlabel="decoder layer (1..L)", ylabel="out-of-fold ROC-AUC")
        if number == 1:
            axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
