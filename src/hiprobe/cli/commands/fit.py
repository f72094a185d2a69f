"""`hiprobe fit`: fit a probe on a handful of labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from hiprobe.cli import options
from hiprobe.cli.numbers import MAX_KAPPA, MAX_LAYER, MAX_SIGMA, Number, Whole

if TYPE_CHECKING:
    from hiprobe.probe import Mode
    from hiprobe.probe.results import Basis
    from hiprobe.scorer import Penalty, ScorerName
    from hiprobe.states import Reading


@click.command()
@click.argument("clips", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the probe [default: my-probe, or the one given by --add].",
)
@click.option(
    "--add",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="PROBE",
    help="Extend this probe: fit on its clips and the new ones, with its settings. One on "
    "attention heads cannot be extended.",
)
@options.normal
@options.split
@click.option(
    "--mode",
    type=click.Choice(["auto", "clip", "segment_mean", "segment", "mil"]),
    default="auto",
    show_default=True,
    help="What is fitted on: key frames over a clip, the mean of its segments, all its segments, "
    "or, for long videos of which a part is abnormal, the highest segment of each (mil).",
)
@click.option(
    "--scorer",
    type=click.Choice(["logistic", "svm", "mahalanobis", "euclidean", "heads"]),
    default="logistic",
    show_default=True,
    help="Logistic regression as in the paper, or one of its rivals there; heads reads a few "
    "attention heads, chosen on the clips, in place of a hidden state.",
)
@click.option("--layer", type=Whole(1, MAX_LAYER), help="Layer to read [default: highest S(l)].")
@click.option(
    "--kappa",
    type=Number(-MAX_KAPPA, MAX_KAPPA),
    default=0.2,
    show_default=True,
    help="T = mean + kappa x std.",
)
@click.option(
    "--sigma",
    type=Number(0, MAX_SIGMA),
    default=0.4,
    show_default=True,
    help="Smoothing, in segments.",
)
@click.option(
    "--penalty",
    type=click.Choice(["l2", "none"]),
    default="l2",
    show_default=True,
    help="Of the logistic regression; none is the paper's equation 8 to the letter.",
)
@click.option(
    "--threshold-scores",
    type=click.Choice(["cross_validated", "training"]),
    default="cross_validated",
    show_default=True,
    help="Clips' scores that T is taken from: of probes that have not seen them, or, the paper's "
    "equation 10 to the letter, of the one fitted on them.",
)
@options.reading(auto=True)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare several prompts by cross-validation, in one pass over each video, and keep the "
    "best: a file with one a line, JSON or TOML, or the word presets.",
)
@options.seed
@options.how_to_read()
@click.pass_context
def fit(
    ctx: click.Context,
    clips: Path,
    out: Path | None,
    add: Path | None,
    normal: tuple[str, ...],
    split: str | None,
    mode: Mode | Literal["auto"],
    scorer: ScorerName | Literal["heads"],
    layer: int | None,
    kappa: float,
    sigma: float,
    penalty: Penalty,
    threshold_scores: Basis,
    reading: Reading | Literal["auto"],
    prompts: Path | None,
    seed: int,
    how: options.SessionOptions,
) -> None:
    """Fit a probe on labelled clips.

    CLIPS is a folder with one subfolder per class (normal/, abnormal/, or any names), or a CSV
    with the columns video,label[,source][,start_seconds,end_seconds]. Extracted states stand in
    for videos. Without a source, each file is its own; clips cut from one recording should
    share one, since folds of the cross-validation never split a source. A clip that cannot be
    used is listed at the end and in the probe's reading.json; the exit code is then 3.

    \b
    Examples:
      hiprobe fit clips/ -o my-probe
      hiprobe fit clips.csv -o my-probe --normal "no fight"
      hiprobe fit clips/ -o my-probe --prompts presets --reading auto
      hiprobe fit more-clips/ --add my-probe
    """
    from hiprobe.cli.fit_settings import FitSettings
    from hiprobe.cli.fitting import Fitting
    from hiprobe.prompts import read_prompts
    from hiprobe.states import READINGS

    if add is not None:
        _refuse_settings(ctx, add)
    if scorer == "heads":
        _refuse_hidden_states(ctx)
    if prompts is not None and (how.backbone.prompt is not None or add is not None):
        raise click.UsageError("--prompts compares prompts; give it without --prompt and --add")
    settings = FitSettings(
        mode=mode,
        scorer=scorer,
        layer=layer,
        kappa=kappa,
        sigma=sigma,
        penalty=penalty,
        threshold_scores=threshold_scores,
        readings=READINGS if reading == "auto" else (reading,),
        prompts=() if prompts is None else read_prompts(prompts),
        seed=seed,
    )
    run = Fitting.prepare(
        clips,
        add=add,
        normal=normal,
        split=split,
        settings=settings,
        how=how,
    )
    run.save(out or add or Path("my-probe"))
    run.failures.finish()


def _refuse_settings(ctx: click.Context, add: Path) -> None:
    """An extended probe keeps its settings: say so, rather than pass over what was typed."""
    kept = (
        *("mode", "scorer", "layer", "kappa", "sigma", "penalty", "threshold_scores"),
        *("reading", "prompt", "seed"),
    )
    typed = [n for n in kept if ctx.get_parameter_source(n) == ParameterSource.COMMANDLINE]
    if typed:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise click.UsageError(
            f"{add} keeps its settings when clips are added; leave out {names}, or fit anew on "
            "all clips"
        )


def _refuse_hidden_states(ctx: click.Context) -> None:
    """What says how a hidden state is read means nothing for heads."""
    names = ("mode", "layer", "reading", "prompt", "prompts")
    typed = [n for n in names if ctx.get_parameter_source(n) == ParameterSource.COMMANDLINE]
    if typed:
        raise click.UsageError(
            f"--scorer heads reads attention heads of its own choice, under prompts of its own; "
            f"leave out {', '.join(f'--{name}' for name in typed)}"
        )
