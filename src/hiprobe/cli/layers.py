"""`hiprobe layers`: how well each layer separates labelled clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import print_rich, say
from hiprobe.cli.fit_clips import Fitting
from hiprobe.cli.fit_report import layer_curves
from hiprobe.cli.session import SessionOptions
from hiprobe.errors import UsageError
from hiprobe.store.text_files import write_table

if TYPE_CHECKING:
    import numpy as np

    from hiprobe.probe import Probe
    from hiprobe.report.layer_chart import LayerCurves
    from hiprobe.states import LabelledStates, Reading


FORMAT = "hiprobe-layers"
VERSION = 1

# Under every map, since people read distances into them.
TSNE_NOTE = (
    "One point is one clip. t-SNE keeps neighbours together; distances and sizes of groups mean "
    "nothing."
)


def measure_layers(run: Fitting, out: Path) -> None:
    """Print the table; write `layers.json`, `.csv`, `.png` and `tsne.png` into `out`."""
    from hiprobe.report.documents import write_json
    from hiprobe.report.layer_chart import plot_layers
    from hiprobe.report.terminal import layers_table

    # A probe is fitted only for its table of layers; it is not kept.
    probe = run.fitted()
    curves = layer_curves(probe)
    print_rich(layers_table(curves))
    for warning in probe.warnings_:
        say(f"warning: {warning}")
    write_json(_document(run, probe, curves), out / "layers.json")
    _write_table(curves, out / "layers.csv")
    plot_layers(curves, out / "layers.png")
    written = ["layers.json", "layers.csv", "layers.png"]
    try:
        _plot_maps(run, curves, out / "tsne.png")
        written.append("tsne.png")
    except UsageError as error:  # a handful of clips is too few for a map, not for the rest
        say(f"no t-SNE map: {error}")
    if not run.how.quiet:
        say(f"wrote {out / written[0]}, {', '.join(written[1:])}")


def _document(run: Fitting, probe: Probe, curves: LayerCurves) -> dict[str, Any]:
    """What was measured, on which clips, and which of them could not be used."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "backbone": probe.fingerprint_.model,
        "prompt": probe.fingerprint_.prompt,
        "reading": probe.reading_,
        "clips": {
            "normal": sum(e.label == 0 for e in run.examples),
            "abnormal": sum(e.label == 1 for e in run.examples),
        },
        "chosen": curves.chosen,
        "layers": _layer_rows(curves),
        "warnings": list(probe.warnings_),
        "failures": run.failures.to_json(),
    }


def _layer_rows(curves: LayerCurves) -> list[dict[str, float | None]]:
    """One row for each layer; None where a measure has no value."""
    measures = {
        "layer": curves.layers,
        "kl": curves.kl,
        "ldr": curves.ldr,
        "entropy_bits": curves.entropy,
        "total": curves.total,
        "silhouette": curves.silhouette,
        "cv_auc": curves.cv_auc,
    }
    return [
        {
            name: values[row] if values is not None and math.isfinite(values[row]) else None
            for name, values in measures.items()
        }
        for row in range(len(curves.layers))
    ]


def _plot_maps(run: Fitting, curves: LayerCurves, path: Path) -> None:
    import numpy as np

    from hiprobe.report.layer_chart import plot_tsne
    from hiprobe.separation import tsne_embedding

    found = [(_vectors(e, curves.layers), e.label) for e in run.examples]
    usable = [(vector, label) for vector, label in found if vector is not None]
    vectors, labels = np.stack([v for v, _ in usable]), [label for _, label in usable]
    maps = tsne_embedding(
        vectors, chosen=curves.chosen, layers=curves.layers, seed=run.settings.seed
    )
    plot_tsne(maps, labels, path, chosen=curves.chosen, note=TSNE_NOTE)


def _vectors(example: LabelledStates, layers: Sequence[int]) -> np.ndarray | None:
    """One vector per layer, float32 `[layers, width]`: the clip's, or the mean of its segments.

    None where the backbone gave up on all of them.
    """
    import numpy as np

    states = example.clip if example.clip is not None else example.segments
    if states is None:  # LabelledStates does not allow it
        raise UsageError(f"{example.name} has no states")
    kept = states.select_layers(layers).values[~states.failed]
    return np.asarray(kept.mean(axis=0), dtype=np.float32) if len(kept) else None


def _write_table(curves: LayerCurves, path: Path) -> None:
    measures = curves.measures()
    # The paper counts the first decoder layer as 0, hidden states count the embedding as 0.
    columns = ["layer", "paper_layer", *(name for name, _ in measures), "chosen"]
    rows = (
        [layer, layer - 1, *(values[row] for _, values in measures), int(layer == curves.chosen)]
        for row, layer in enumerate(curves.layers)
    )
    write_table(path, columns, rows)


@click.command()
@click.argument("clips", type=click.Path(path_type=Path))
@options.out("hiprobe-layers")
@options.normal
@options.split
@options.reading()
@options.seed
@options.how_to_read(with_workers=False)
def layers(
    clips: Path,
    out: Path,
    normal: tuple[str, ...],
    split: str | None,
    reading: Reading,
    seed: int,
    how: SessionOptions,
) -> None:
    """Measure how well each layer separates labelled clips, and draw it.

    Writes the paper's measures for each layer (KL divergence, linear discriminant ratio LDR,
    entropy, and their sum S(l)), silhouette and cross-validated AUC, and t-SNE maps of the first,
    the chosen and the last layer. A clip that cannot be used is listed at the end and in
    layers.json, the others are still measured, and the exit code is 3.

    \b
    Examples:
      hiprobe layers clips/
      hiprobe layers clips.csv -o figures --reading visual_mean
    """
    from hiprobe.cli.fit_clips import FitSettings, Fitting

    run = Fitting.prepare(
        clips,
        add=None,
        normal=normal,
        split=split,
        settings=FitSettings(readings=(reading,), seed=seed),
        how=how,
    )
    measure_layers(run, out)
    run.failures.finish()
