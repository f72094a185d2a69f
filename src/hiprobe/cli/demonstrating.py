"""The demonstration: the whole job once, where the truth is known, in one folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli.detect_settings import Scoring, Truth, Wanted
from hiprobe.cli.detecting import Detection
from hiprobe.cli.failures import Failures
from hiprobe.cli.fit_report import layer_curves
from hiprobe.cli.fit_settings import FitSettings
from hiprobe.cli.fitting import Fitting
from hiprobe.cli.formats import FORMATS
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.terminal import echo
from hiprobe.cli.text import say
from hiprobe.demo import Material, real_material, rendered_material
from hiprobe.evaluation.cuts import measure_cuts
from hiprobe.report.layer_plot import plot_layers
from hiprobe.report.words import (
    JOINED_NOTE,
    RENDERED_NOTE,
    Span,
    event_spans,
    overlap_seconds,
)


def demonstrate(
    clips: Path | None,
    *,
    normal: Sequence[str],
    out: Path,
    backbone: BackboneSpec,
    seed: int,
    quiet: bool,
) -> None:
    """Fit, detect in an unseen untrimmed video, and write everything below `out`."""
    began = time.monotonic()
    failures = Failures()
    if not quiet:
        say("rendering scenes" if clips is None else f"holding out sources of {clips}")
    material = (
        rendered_material(out, seed=seed)
        if clips is None
        else real_material(
            clips, out, normal=normal, seed=seed, skip=failures.add, tell=None if quiet else say
        )
    )
    note = RENDERED_NOTE if material.rendered else JOINED_NOTE
    echo(material.what)
    echo(note)
    fitting = Fitting.of(
        material.fit,
        settings=FitSettings(seed=seed),
        how=SessionOptions(backbone=backbone, quiet=quiet),
    )
    fitting.failures.items[:0] = failures.items
    _detect(material, fitting, out, note=note, quiet=quiet)
    if not quiet:
        minutes = (time.monotonic() - began) / 60
        say(f"done in {minutes:.1f} min; open {out / material.video.stem}.html")
    fitting.failures.finish()


def _detect(material: Material, fitting: Fitting, out: Path, *, note: str, quiet: bool) -> None:
    probe = fitting.save(out / "probe")
    curves = layer_curves(probe)
    plot_layers(curves, out / "layers.png", note=note if material.rendered else None)
    run = Detection(
        probe=probe,
        files=(material.video,),
        wanted=Wanted(out=out, formats=FORMATS, explain=True),
        scoring=Scoring(),
        session=fitting.session,
        quiet=quiet,
        truth=Truth(material.truth_spans, material.cuts_seconds, (note,), material.kind, curves),
    )
    name = run.run_file.names.own(material.video, material.video.stem)
    timeline = run.one(material.video, name).timeline
    echo(compare(event_spans(timeline), material.truth_spans))
    spans, cuts = material.truth_spans, material.cuts_seconds
    for sentence in measure_cuts(timeline, truth_spans=spans, cuts_seconds=cuts).sentences():
        echo(sentence)
    run.run_file.write(fitting.failures, interrupted=False)


def compare(detected: Sequence[Span], truth: Sequence[Span]) -> str:
    """How much of the truth was detected, and how much of what was detected is true."""
    met = sum(overlap_seconds(span, detected) > 0 for span in truth)
    true = sum(overlap_seconds(span, truth) > 0 for span in detected)
    seconds = sum(overlap_seconds(span, truth) for span in detected)
    length = sum(end - start for start, end in truth)
    return (
        f"{met} of {len(truth)} true events were met, {seconds:.1f} of their {length:.1f} s; "
        f"{len(detected) - true} of {len(detected)} detected events lie outside the truth"
    )
