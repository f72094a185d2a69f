"""`hiprobe fit`: fit a probe on a handful of labelled clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from hiprobe.cli import options
from hiprobe.cli.console import progress_bar, say
from hiprobe.cli.fit_report import print_fit
from hiprobe.cli.labels import clips_with_labels
from hiprobe.cli.options import MAX_KAPPA, MAX_LAYER, MAX_SIGMA, Number, SessionOptions, Whole
from hiprobe.cli.plan import Wish, say_first_line
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import (
    Session,
    open_for_probe,
    open_session,
    say_how_it_is_cut,
)
from hiprobe.errors import LabelError, UsageError
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.plugins import installed
from hiprobe.prompts import Prompt
from hiprobe.spec import BackboneSpec
from hiprobe.store.atomic import alone_in_new

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.datasets.clips import LabelledClip
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.probe import Mode, Probe
    from hiprobe.probe.fit_results import Basis
    from hiprobe.probe.fitting import RecipeName
    from hiprobe.probe.reading_file import ReadingRecord
    from hiprobe.probe.selection import LayerChoice
    from hiprobe.scorer import Penalty, ScorerName
    from hiprobe.states import LabelledStates, Reading, States
    from hiprobe.timeline import SmoothingKind


# In place of a scorer's name: logistic regression over attention heads.
HEADS = "heads"

TYPED = ParameterSource.COMMANDLINE

# Draws of the folds. One draw of ten clips of each kind put the threshold anywhere between 0.45 and
# 0.63, by the seed alone; on cached states ten cost little.
DRAWS = 10

SCORER_NAMES = ("logistic", "svm", "mahalanobis", "euclidean", HEADS)
LAYER_RULE_NAMES = ("dlsp", "last", "middle", "cv")
# Written out, since help texts are shown without numpy; a test compares them with the registries.


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


@dataclass(frozen=True)
class FitSettings:
    """What `fit` may be told; the defaults are those of the probe.

    Attributes:
        readings, prompts: more than one of either are compared by cross-validation, or read
            together by a committee; no prompt is the backbone's own.
        draws: how often the folds of the cross-validation are drawn.
        layers_up_to: deepest layer that a committee reads; all of them where None.
    """

    mode: Mode | Literal["auto"] = "auto"
    layer: LayerChoice = "dlsp"
    kappa: float = KAPPA
    sigma: float = SIGMA_SEGMENTS
    smoothing: SmoothingKind = "gaussian"
    ema_weight: float | None = None
    penalty: Penalty = "l2"
    threshold_scores: Basis = "cross_validated"
    readings: tuple[Reading, ...] = ("last",)
    prompts: tuple[Prompt, ...] = ()
    seed: int = 0
    scorer: ScorerName = "logistic"
    recipe: RecipeName = "paper"
    draws: int = 1
    layers_up_to: int | None = None

    @property
    def reads_heads(self) -> bool:
        """Whether attention heads are read in place of a hidden state."""
        return self.scorer == HEADS

    def layers_of(self, session: Session | None) -> tuple[int, ...] | None:
        """The layers to read; None for all that there are."""
        if self.layers_up_to is None or session is None:
            return None
        return tuple(range(1, min(self.layers_up_to, session.backbone.layer_count) + 1))

    def probe(self) -> Probe:
        """An unfitted probe with these settings."""
        from hiprobe.probe import Probe
        from hiprobe.timeline import EMA_WEIGHT

        return Probe(
            mode=self.mode,
            layer=self.layer,
            kappa=self.kappa,
            sigma_segments=self.sigma,
            smoothing=self.smoothing,
            ema_weight=EMA_WEIGHT if self.ema_weight is None else self.ema_weight,
            penalty=self.penalty,
            threshold_scores=self.threshold_scores,
            seed=self.seed,
            draws=self.draws,
            recipe=self.recipe,
            scorer="logistic" if self.reads_heads else self.scorer,
        )


@dataclass
class Fitting:
    """Labelled clips read and turned into states; `fitted` fits on them.

    Attributes:
        views: the clips' states for each prompt and reading.
        known: the probe that is extended, None for a new one.
    """

    clips: tuple[LabelledClip, ...]
    settings: FitSettings
    how: SessionOptions
    session: Session | None
    known: Probe | None = None
    failures: Failures = field(default_factory=Failures)
    verbose: bool = False
    views: list[list[LabelledStates]] = field(default_factory=list)

    @classmethod
    def prepare(
        cls,
        path: Path | None,
        *,
        add: Path | None,
        normal: Sequence[str],
        split: str | None,
        settings: FitSettings,
        how: SessionOptions,
        review: Path | None = None,
    ) -> Fitting:
        """Read the labels, refuse what cannot work, then extract the states of every clip.

        Args:
            path: labelled clips; None where those of the review are all.
            review: folder of results whose labels are taken as well.
        """
        from hiprobe.joined import readings_read
        from hiprobe.probe import Probe

        known = None if add is None else Probe.load(add)
        if known is not None:
            known.check_extendable()
        clips, failed = clips_with_labels(
            path, review, known=known, normal=normal, split=split, how=how
        )
        if known is not None:
            settings = replace(settings, readings=readings_read(known))
        run = cls.of(clips, settings=settings, how=how, known=known)
        for failure in failed:
            run.failures.add(failure.video, failure.reason)
        if review is not None:
            run._take_means()
        return run

    def _take_means(self) -> None:
        """A stretch of extracted states has no vector over the whole; a mean stands for it.

        Not where all are such stretches: then `segment_mean` says by its name what is read.
        """
        from hiprobe.review.lessons import with_mean

        without = sum(example.clip is None for example in self.examples)
        if without and (without < len(self.examples) or self.settings.mode == "clip"):
            self.views = [[with_mean(example) for example in view] for view in self.views]
            say(
                f"note: clips that have segments only, as stretches of extracted states do: "
                f"{without}; where whole clips are read, the mean of their segments stands for one"
            )

    @classmethod
    def of(
        cls,
        clips: Sequence[LabelledClip],
        *,
        settings: FitSettings,
        how: SessionOptions,
        known: Probe | None = None,
    ) -> Fitting:
        """Extract the states of clips; no backbone is opened where all of them are states."""
        from hiprobe.baselines.attention_heads import head_states_of
        from hiprobe.pipeline import ExtractionSettings, extract_views
        from hiprobe.pipeline.source import open_source

        session = None
        if any(open_source(clip.video).has_pictures for clip in clips):
            if known is None:
                session = open_session(how)
            else:
                say_how_it_is_cut(known, how)
                session = open_for_probe(known, how, whole=True)
        run = cls(tuple(clips), settings, how, session, known)
        cache = session.cache if session else None
        plain = session.settings if session else ExtractionSettings()
        if not how.quiet:
            counts = [sum(c.label == v for c in clips) for v in (0, 1)]
            say(f"reading {counts[0]} normal and {counts[1]} abnormal clips")
            run._say_what_it_takes(plain)
        with progress_bar("clips", quiet=how.quiet) as progress:
            if settings.reads_heads:
                run.views, failed = head_states_of(
                    clips,
                    backbone=run._videos_backbone,
                    settings=plain,
                    cache=cache,
                    progress=progress,
                )
            else:
                run.views, failed = extract_views(
                    clips,
                    backbone=session.backbone if session else None,
                    prompts=[p.text for p in settings.prompts] or None,
                    settings=replace(
                        plain, readings=settings.readings, layers=settings.layers_of(session)
                    ),
                    cache=cache,
                    progress=progress,
                )
        if session is None:
            run.views = [[_as_told(e, how) for e in view] for view in run.views]
        if settings.layers_up_to is not None:  # states on disk hold all layers that were extracted
            deepest = settings.layers_up_to
            run.views = [[_no_deeper(e, deepest) for e in view] for view in run.views]
        for failure in failed:
            run.failures.add(failure.video, failure.reason)
        if len({e.label for e in run.examples}) < len({c.label for c in clips}):
            run.failures.report()
            raise LabelError(
                "after leaving out what could not be read, one class has no clip; "
                "replace the files named above"
            )
        return run

    def _say_what_it_takes(self, cut: ExtractionSettings) -> None:
        from hiprobe.pipeline.source import open_source
        from hiprobe.segment import Stretch

        layers, readings = self.settings.layers_of(self.session), self.settings.readings
        wish = Wish(
            self.how.backbone.over(self.known.backbone_spec() if self.known else BackboneSpec()),
            replace(cut, layers=layers, readings=readings),
            with_clips=True,
            prompt_count=max(1, len(self.settings.prompts)),
        )
        clips = [c for c in self.clips if open_source(c.video).has_pictures]
        stretches = [Stretch(c.start_seconds, c.end_seconds) for c in clips]
        say_first_line([c.video for c in clips], wish, stretches=stretches)

    @property
    def examples(self) -> list[LabelledStates]:
        """The clips' states in the first view."""
        return self.views[0]

    @property
    def _videos_backbone(self) -> Backbone:
        if self.session is None:
            raise UsageError(
                "attention heads are read from videos, and these clips are extracted states; give "
                "the videos, or leave out --scorer heads"
            )
        return self.session.backbone

    def fitted(self) -> Probe:
        """A probe fitted on the examples, and on the clips of a known probe where one is given."""
        from hiprobe.baselines.heads_probe import fit_heads_probe

        if self.known is not None:
            before = len(self.known.names_)
            new = self.known.joined(self.views) if self.known.members else self.examples
            probe = self.known.add(new)
            self._say_what_is_new(len(probe.names_) - before)
            return probe
        probe = self.settings.probe()
        if self.settings.reads_heads:
            return fit_heads_probe(self.views, backbone=self._videos_backbone, parameters=probe)
        return probe.fit_views(self.views)

    def _paper(self, probe: Probe) -> Probe | None:
        """What the paper's recipe gives on the clips of a new committee, to show beside it."""
        if not probe.members or self.known is not None:
            return None
        last = [v for v, r in zip(self.views, self.settings.readings, strict=True) if r == "last"]
        if not last:
            return None
        return replace(self.settings, recipe="paper", mode="clip").probe().fit(last[0])

    def _say_what_is_new(self, added: int) -> None:
        if not self.how.quiet:
            say(f"{added} clips added; {len(self.examples) - added} were in the probe already")

    def save(self, folder: Path) -> Probe:
        """Fit, say what came of it, and write the probe folder."""

        from hiprobe.probe.reading_file import write_record

        probe = self.fitted()
        names = {p.text: p.name for p in self.settings.prompts}
        print_fit(probe, names=names, verbose=self.verbose, paper=self._paper(probe))
        with alone_in_new(folder):  # two fits at once: the files are of one of them
            probe.save(folder)
            write_record(folder, self._record(probe))
        if not self.how.quiet:
            say(f"wrote {folder}; next: hiprobe detect {folder} VIDEO")
        return probe

    def _record(self, probe: Probe) -> ReadingRecord:
        from hiprobe.probe.reading_file import ReadingRecord

        made = probe.provenance_
        opened = None if made is None else made.backbone
        name = probe.fingerprint_.model if opened is None else opened.known_as
        failures = tuple((str(file), reason) for file, reason in self.failures.items)
        return ReadingRecord(name, None if made is None else made.cut.segment_seconds, failures)


def _no_deeper(example: LabelledStates, deepest: int) -> LabelledStates:
    """The same states without the layers below this depth.

    Raises:
        UsageError: none is left.
    """

    def cut(states: States | None) -> States | None:
        if states is None:
            return None
        kept = [n for n in states.layers if n <= deepest]
        if not kept:
            raise UsageError(
                f"{example.name} holds no layer up to {deepest}, only {states.layers}; give a "
                "deeper --layers-up-to, or extract the layers that it should read"
            )
        return states.select_layers(kept)

    return replace(example, clip=cut(example.clip), segments=cut(example.segments))


def _as_told(example: LabelledStates, how: SessionOptions) -> LabelledStates:
    """States from a file, with what the user says of how they were made.

    Raises:
        UsageError: the file itself says that they were cut otherwise.
    """
    from hiprobe.provenance import Provenance
    from hiprobe.segment import Cut

    made, asked = example.provenance, how.lengths_asked
    if made is None and not asked and how.backbone == BackboneSpec():
        return example
    if made is not None and how.cut_of(made.cut) != made.cut:
        words = " ".join(f"{option} {value:g}" for option, value in asked.items())
        raise UsageError(
            f"{example.name} holds states of {made.cut.words}, so {words} is not possible; leave "
            "it out, or give the video"
        )
    known = made or Provenance(cut=how.cut_of(Cut()))
    backbone = how.backbone.over(known.backbone or BackboneSpec(example_model(example)))
    return replace(example, provenance=replace(known, backbone=backbone))


def example_model(example: LabelledStates) -> str | None:
    """The type of model that made an example's states."""
    states = example.clip if example.clip is not None else example.segments
    return None if states is None else states.fingerprint.model


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
    default="paper",
    show_default=True,
    help="paper reads one layer at one position, as HiProbe-VAD does; committee takes the weighted "
    "mean of many readings and layers and of the vision tower's features.",
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
    recipe: RecipeName,
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
    how: options.SessionOptions,
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
      hiprobe fit clips/ -o my-probe --recipe committee
      hiprobe fit clips/ -o my-probe --prompts presets --reading auto
      hiprobe fit more-clips/ --add my-probe
      hiprobe fit clips/ --labels results -o my-probe
    """
    from hiprobe.joined import COMMITTEE_READINGS
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
    if recipe == "committee" and add is None:
        _refuse_for_committee(ctx, prompts)
        if ctx.get_parameter_source("reading") != TYPED:
            readings = COMMITTEE_READINGS
    elif layers_up_to is not None:
        raise click.UsageError("--layers-up-to goes with --recipe committee; leave it out")
    settings = FitSettings(
        recipe=recipe,
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
    run.save(out or add or Path("my-probe"))
    run.failures.finish()


def _refuse_settings(ctx: click.Context, add: Path) -> None:
    """An extended probe keeps its settings: say so, rather than pass over what was typed."""
    kept = (
        *("recipe", "layers_up_to", "mode", "scorer", "layer", "kappa", "sigma", "penalty"),
        *("smoothing", "ema_weight"),
        *("threshold_scores", "reading", "prompt", "seed"),
    )
    typed = [n for n in kept if ctx.get_parameter_source(n) == TYPED]
    if typed:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise click.UsageError(
            f"{add} keeps its settings when clips are added; leave out {names}, or fit again on "
            "all clips"
        )


def _refuse_other_smoothing(ctx: click.Context, kind: SmoothingKind) -> None:
    """A width or weight of another smoothing would mean nothing."""
    for name, of in (("sigma", "gaussian"), ("ema_weight", "ema")):
        if ctx.get_parameter_source(name) == TYPED and kind != of:
            raise click.UsageError(
                f"--{name.replace('_', '-')} goes with --smoothing {of}; leave it out"
            )


def _refuse_for_committee(ctx: click.Context, prompts: Path | None) -> None:
    """A committee reads many layers by logistic regression, under one prompt."""
    typed = [n for n in ("scorer", "layer") if ctx.get_parameter_source(n) == TYPED]
    if typed or prompts is not None:
        names = [f"--{n}" for n in typed] + (["--prompts"] if prompts is not None else [])
        raise click.UsageError(
            f"{', '.join(names)} chooses one of several, a committee reads all of them together; "
            "leave it out, or give --recipe paper"
        )


def _refuse_hidden_states(ctx: click.Context) -> None:
    """What says how a hidden state is read means nothing for heads."""
    names = ("mode", "layer", "reading", "prompt", "prompts")
    typed = [n for n in names if ctx.get_parameter_source(n) == TYPED]
    if typed:
        raise click.UsageError(
            f"--scorer heads reads attention heads of its own choice, under prompts of its own; "
            f"leave out {', '.join(f'--{name}' for name in typed)}"
        )
