"""`hiprobe fit`: fit a probe on a handful of labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from hiprobe.cli import options
from hiprobe.cli.fit_clips import HEADS, FitSettings, Fitting
from hiprobe.cli.option_types import MAX_KAPPA, MAX_LAYER, MAX_SIGMA, Number, Whole
from hiprobe.cli.session import SessionOptions
from hiprobe.plugins import installed

if TYPE_CHECKING:
    from hiprobe.probe import Mode
    from hiprobe.probe.fit_results import Basis
    from hiprobe.probe.fold_fits import LayerChoice
    from hiprobe.probe.parameters import RecipeName
    from hiprobe.scorer_names import Penalty, ScorerName
    from hiprobe.states import Reading
    from hiprobe.timeline import SmoothingKind


# Draws of the folds. One draw of ten clips of each kind put the threshold anywhere between 0.45 and
# 0.63, by the seed alone; on cached states ten cost little.
DRAWS = 10

# Written out, since help texts are shown without numpy; a test compares them with the registries.
SCORER_NAMES = ("logistic", "svm", "mahalanobis", "euclidean", HEADS)
LAYER_RULE_NAMES = ("dlsp", "last", "middle", "cv")


class ScorerChoice(click.Choice[str]):
    """The name of a scorer: one of ours, or one that an installed package adds."""

    def __init__(self) -> None:
        super().__init__(SCORER_NAMES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name.

        Raises:
            click.BadParameter: no such scorer.
        """
        if value not in SCORER_NAMES and value in installed("hiprobe.scorers"):
            return str(value)
        return super().convert(value, param, ctx)


class LayerOrRule(Whole):
    """The number of a layer, or the name of a rule that chooses one."""

    name = "layer"

    def __init__(self) -> None:
        super().__init__(1, MAX_LAYER)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number or the name.

        Raises:
            click.BadParameter: neither a layer's number nor a rule.
        """
        if value in LAYER_RULE_NAMES or value in installed("hiprobe.layer_rules"):
            return value
        return super().convert(value, param, ctx)


# Each chooses one of what a committee reads together: who types one means the paper's recipe.
DECIDE_RECIPE = ("layer", "scorer", "reading", "prompts")


@click.command()
@click.argument("clips", required=False, type=click.Path(path_type=Path))
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
    help="Extend this probe: fit on its clips and the new ones, with its settings; not for "
    "`--scorer heads`.",
)
@click.option(
    "--labels",
    "review",
    type=click.Path(exists=True, path_type=Path),
    metavar="RESULTS",
    help="Take the labels of a review as clips as well: a folder of results, or its "
    "hiprobe-review.sqlite. CLIPS may then be left out.",
)
@options.normal
@options.split
@click.option(
    "--recipe",
    type=click.Choice(["paper", "committee"]),
    help="committee takes the weighted mean of many layers and readings and of what the vision "
    "tower sees; paper reads one layer at one position, as HiProbe-VAD does [default: committee; "
    "paper where --layer, --scorer, --reading or --prompts chooses, or where files of states hold "
    "no more].",
)
@click.option(
    "--layers-up-to",
    type=Whole(1, MAX_LAYER),
    metavar="N",
    help="With --recipe committee: read no deeper than layer N, which saves time and memory in "
    "detect too.",
)
@click.option(
    "--mode",
    type=click.Choice(["auto", "clip", "segment_mean", "segment", "mil"]),
    default="auto",
    show_default=True,
    help="What to train on: whole clips (clip), the average of their segments (segment_mean), "
    "every segment of about a second (segment), or the most suspicious segment of each clip "
    "(mil), for long clips that are abnormal only in part; auto compares them.",
)
@click.option(
    "--scorer",
    type=ScorerChoice(),
    default="logistic",
    show_default=True,
    help="Logistic regression as in the paper, another classifier from the paper, or one that an "
    "installed package adds; heads reads a few attention heads, chosen on the clips, in place of a "
    "hidden state.",
)
@click.option(
    "--layer",
    type=LayerOrRule(),
    default="dlsp",
    show_default=True,
    help="Layer to read: its number, or the rule that chooses it. dlsp takes the highest S(l), "
    "last and middle count the layers, cv takes the best cross-validated AUC; installed packages "
    "can add rules.",
)
@click.option(
    "--kappa",
    type=Number(-MAX_KAPPA, MAX_KAPPA),
    default=0.2,
    show_default=True,
    help="The threshold is mean + kappa x standard deviation of the clips' scores; higher means "
    "fewer alarms.",
)
@click.option(
    "--sigma",
    type=Number(0, MAX_SIGMA),
    default=0.4,
    show_default=True,
    help="Width of the Gaussian that smooths the scores over time, in segments.",
)
@options.smoothing(of="gaussian")
@click.option(
    "--penalty",
    type=click.Choice(["l2", "none"]),
    default="l2",
    show_default=True,
    help="Penalty of the logistic regression; none is equation 8 of the paper to the letter.",
)
@click.option(
    "--threshold-scores",
    type=click.Choice(["cross_validated", "training"]),
    default="cross_validated",
    show_default=True,
    help="Which scores of the clips set the threshold: those of probes that were not trained on "
    "them, or of the probe that was (equation 10 of the paper to the letter).",
)
@options.reading(auto=True)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare several prompts by cross-validation, in one pass over each video, and keep the "
    "best: the word presets, or a file with one prompt a line, JSON or TOML.",
)
@options.seed
@click.option("--verbose", is_flag=True, help="Also show the table of all layers.")
@options.how_to_read()
@click.pass_context
def fit(
    ctx: click.Context,
    clips: Path | None,
    out: Path | None,
    add: Path | None,
    review: Path | None,
    normal: tuple[str, ...],
    split: str | None,
    recipe: RecipeName | None,
    layers_up_to: int | None,
    mode: Mode | Literal["auto"],
    scorer: ScorerName,
    layer: LayerChoice,
    kappa: float,
    sigma: float,
    smoothing: SmoothingKind | None,
    ema_weight: float | None,
    penalty: Penalty,
    threshold_scores: Basis,
    reading: Reading | Literal["vision", "auto"],
    prompts: Path | None,
    seed: int,
    verbose: bool,
    how: SessionOptions,
) -> None:
    """Fit a probe on labelled clips.

    CLIPS is a folder with one subfolder per class (normal/, abnormal/, or any names), or a CSV
    with the columns video,label[,source][,start_seconds,end_seconds]. Files of extracted states
    can take the place of videos. Give clips that were cut from one recording the same source, so
    that none of them tests a probe trained on the others; without a source, each file counts as
    its own. A clip that cannot be used is listed at the end and in the probe's reading.json; the
    exit code is then 3.

    \b
    Examples:
      hiprobe fit clips/ -o my-probe
      hiprobe fit clips.csv -o my-probe --normal "no fight"
      hiprobe fit clips/ -o my-probe --recipe paper
      hiprobe fit clips/ -o my-probe --prompts presets --reading auto
      hiprobe fit more-clips/ --add my-probe
      hiprobe fit clips/ --labels results -o my-probe
    """
    from hiprobe.prompts import read_prompts

    if add is not None:
        _refuse_settings(ctx, add)
    if scorer == HEADS:
        _refuse_hidden_states(ctx)
        how.readers.refuse_elsewhere("--scorer heads")
    if prompts is not None and (how.backbone.prompt is not None or add is not None):
        raise click.UsageError("--prompts compares prompts; give it without --prompt and --add")
    _refuse_other_smoothing(ctx, smoothing or "gaussian")
    readings = options.readings_named(reading)
    is_open = recipe is None and add is None and not _typed(ctx, *DECIDE_RECIPE)
    if is_open:
        recipe = "committee"
    if recipe == "committee" and add is None:
        _refuse_for_committee(ctx)
        if not _typed(ctx, "reading"):
            readings = FitSettings.usual().readings
    elif layers_up_to is not None:
        raise click.UsageError("--layers-up-to goes with --recipe committee; leave it out")
    settings = FitSettings(
        recipe=recipe or "paper",
        is_usual=is_open and layers_up_to is None,
        draws=DRAWS,
        layers_up_to=layers_up_to,
        mode=mode,
        scorer=scorer,
        layer=layer,
        kappa=kappa,
        sigma=sigma,
        smoothing=smoothing or "gaussian",
        ema_weight=ema_weight,
        penalty=penalty,
        threshold_scores=threshold_scores,
        readings=readings,
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
        review=review,
    )
    run.verbose = verbose
    # An extended probe replaces itself unless it is given another folder.
    run.save(out or add or Path("my-probe"))
    run.failures.finish()


def _typed(ctx: click.Context, *names: str) -> list[str]:
    """Those of some options that the user typed, as they are written (`--layers-up-to`)."""
    # By the source and not by the value: a default that is typed out is a choice, too.
    typed = [n for n in names if ctx.get_parameter_source(n) == ParameterSource.COMMANDLINE]
    return [f"--{name.replace('_', '-')}" for name in typed]


def _refuse_settings(ctx: click.Context, add: Path) -> None:
    """An extended probe keeps its settings: say so, rather than ignore what was typed."""
    kept = (
        *("recipe", "layers_up_to", "mode", "scorer", "layer", "kappa", "sigma", "penalty"),
        *("smoothing", "ema_weight"),
        *("threshold_scores", "reading", "prompt", "seed"),
    )
    if typed := _typed(ctx, *kept):
        raise click.UsageError(
            f"{add} keeps its settings when clips are added; leave out {', '.join(typed)}, or fit "
            "again on all clips"
        )


def _refuse_other_smoothing(ctx: click.Context, kind: SmoothingKind) -> None:
    """A width or weight of another smoothing would mean nothing."""
    for name, of in (("sigma", "gaussian"), ("ema_weight", "ema")):
        if kind != of and (typed := _typed(ctx, name)):
            raise click.UsageError(f"{typed[0]} goes with --smoothing {of}; leave it out")


def _refuse_for_committee(ctx: click.Context) -> None:
    """A committee reads many layers by logistic regression, under one prompt."""
    if typed := _typed(ctx, "scorer", "layer", "prompts"):
        raise click.UsageError(
            f"{', '.join(typed)} chooses one of several, a committee reads all of them together; "
            "leave it out, or give --recipe paper"
        )


def _refuse_hidden_states(ctx: click.Context) -> None:
    """What says how a hidden state is read means nothing for heads."""
    if typed := _typed(ctx, "mode", "layer", "reading", "prompt", "prompts"):
        raise click.UsageError(
            "--scorer heads reads attention heads of its own choice, under prompts of its own; "
            f"leave out {', '.join(typed)}"
        )
