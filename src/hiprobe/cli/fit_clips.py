"""Labelled clips to a fitted probe: settings, states of the clips, the fit, and its folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hiprobe.cli.console import progress_bar, say
from hiprobe.cli.fit_report import print_fit
from hiprobe.cli.labels import clips_with_labels
from hiprobe.cli.plan import Wish, say_first_line
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import (
    Session,
    SessionOptions,
    open_for_probe,
    open_session,
    say_how_it_is_cut,
)
from hiprobe.errors import LabelError, StatesError, UsageError
from hiprobe.paper import KAPPA, SIGMA_SEGMENTS
from hiprobe.prompts import Prompt
from hiprobe.spec import BackboneSpec
from hiprobe.store.atomic import alone_in_new

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.datasets.clips import LabelledClip
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.probe import Mode, Probe
    from hiprobe.probe.fit_results import Basis
    from hiprobe.probe.fold_fits import LayerChoice
    from hiprobe.probe.parameters import RecipeName
    from hiprobe.probe.reading_file import ReadingRecord
    from hiprobe.scorer_names import Penalty, ScorerName
    from hiprobe.states import LabelledStates, Reading, States
    from hiprobe.timeline import SmoothingKind


# In place of a scorer's name: logistic regression over attention heads.
HEADS = "heads"


@dataclass(frozen=True)
class FitSettings:
    """What a user can choose in `fit`; the defaults are those of the probe.

    Attributes:
        readings, prompts: more than one of either are compared by cross-validation, or read
            together by a committee; no prompt is the backbone's own.
        draws: how often the folds of the cross-validation are drawn.
        layers_up_to: deepest layer that a committee reads; all of them where None.
        is_usual: nothing that decides the recipe was typed; the paper's is taken where files of
            states lack what a committee reads.
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
    is_usual: bool = False

    @classmethod
    def usual(cls, *, seed: int = 0) -> FitSettings:
        """What is fitted where nothing that decides the recipe was typed: a committee."""
        from hiprobe.joined import COMMITTEE_READINGS

        return cls(recipe="committee", readings=COMMITTEE_READINGS, seed=seed, is_usual=True)

    def for_clips(self, clips: Sequence[LabelledClip]) -> FitSettings:
        """These settings, with the paper's recipe where the clips' states are too few for ours."""
        lacking = _readings_lacking(clips, self.readings) if self.is_usual else ()
        if not lacking:
            return self
        say(
            f"these states were extracted without {', '.join(lacking)}, so one layer is fitted "
            "(--recipe paper); `hiprobe extract --reading committee` keeps what a committee reads"
        )
        return replace(self, recipe="paper", readings=("last",), layers_up_to=None)

    def for_backbone(self, backbone: Backbone) -> FitSettings:
        """These settings, without readings of the usual committee that the backbone lacks."""
        from hiprobe.backbones.interface import readings_offered

        lacking = [r for r in self.readings if r not in readings_offered(backbone)]
        if not (self.is_usual and lacking):
            return self
        say(
            f"{backbone.fingerprint.model} gives no {', '.join(lacking)}; the committee goes "
            "without"
        )
        return replace(self, readings=tuple(r for r in self.readings if r not in lacking))

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
        paper: what the paper's recipe gives on the clips of a new committee, once it is saved.
    """

    clips: tuple[LabelledClip, ...]
    settings: FitSettings
    how: SessionOptions
    session: Session | None
    known: Probe | None = None
    failures: Failures = field(default_factory=Failures)
    verbose: bool = False
    views: list[list[LabelledStates]] = field(default_factory=list)
    paper: Probe | None = None

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

        # In this order a slip in a path or a table is known before the backbone is opened, which
        # takes seconds, or downloads it.
        known = None if add is None else Probe.load(add)
        if known is not None:
            known.check_extendable()
        clips, failed = clips_with_labels(
            path, review, known=known, normal=normal, split=split, how=how
        )
        settings = (
            settings.for_clips(clips)
            if known is None
            else replace(settings, readings=readings_read(known))
        )
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
        """Extract the states of clips; no backbone is opened where all of them are states.

        Args:
            clips: of both kinds, with or without pictures.
            how: which backbone reads them, and how.
            known: the probe that is extended, whose backbone and cut are used.
        """
        from hiprobe.baselines.attention_heads import head_states_of
        from hiprobe.pipeline import ExtractionSettings, extract_views
        from hiprobe.pipeline.source import open_source

        session = None
        if any(open_source(clip.video).has_pictures for clip in clips):
            if known is None:
                session = open_session(how)
            else:
                say_how_it_is_cut(known, how)
                # Whole, since the probe's own clips hold all layers as well.
                session = open_for_probe(known, how, whole=True)
        if session is not None and known is None:
            settings = settings.for_backbone(session.backbone)
        run = cls(tuple(clips), settings, how, session, known)
        cache = session.cache if session else None
        plain = session.settings if session else ExtractionSettings()
        if not how.quiet:
            counts = [sum(c.label == v for c in clips) for v in (0, 1)]
            say(f"reading {counts[0]} normal and {counts[1]} abnormal clips")
            run._say_what_it_takes(plain)
        with progress_bar("clips", quiet=how.quiet) as progress:
            # Heads are read under prompts of their own, and as whole clips only.
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
            run.views = [[_with_known_cut(e, how) for e in view] for view in run.views]
        if settings.layers_up_to is not None:  # states on disk hold all layers that were extracted
            deepest = settings.layers_up_to
            run.views = [[_no_deeper(e, deepest) for e in view] for view in run.views]
        for failure in failed:
            run.failures.add(failure.video, failure.reason)
        # Failures are listed first: they are why a class is empty.
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
            added = len(probe.names_) - before
            if not self.how.quiet:
                known_already = len(self.examples) - added
                say(f"{added} clips added; {known_already} were in the probe already")
            return probe
        probe = self.settings.probe()
        if self.settings.reads_heads:
            return fit_heads_probe(self.views, backbone=self._videos_backbone, parameters=probe)
        return probe.fit_views(self.views)

    def _paper(self, probe: Probe) -> Probe | None:
        """What the paper's recipe gives on the clips of a new committee, to compare with it."""
        if not probe.members or self.known is not None:
            return None
        # Its states are among those of the committee, so the comparison costs one more fit only.
        last = [v for v, r in zip(self.views, self.settings.readings, strict=True) if r == "last"]
        if not last:
            return None
        return replace(self.settings, recipe="paper", mode="clip").probe().fit(last[0])

    def save(self, folder: Path) -> Probe:
        """Fit, print the result, and write the probe folder."""
        from hiprobe.probe.reading_file import write_record

        probe = self.fitted()
        self.paper = self._paper(probe)
        names = {p.text: p.name for p in self.settings.prompts}
        print_fit(probe, names=names, verbose=self.verbose, paper=self.paper)
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


def _with_known_cut(example: LabelledStates, how: SessionOptions) -> LabelledStates:
    """States from a file, with what the user knows about how they were made.

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


def _readings_lacking(
    clips: Sequence[LabelledClip], readings: Sequence[Reading]
) -> tuple[Reading, ...]:
    """Those of some readings that a clip's file of states does not hold."""
    from hiprobe.pipeline.source import open_source
    from hiprobe.store.states_file import read_states_header

    lacking: set[str] = set()
    for video in {c.video for c in clips if not open_source(c.video).has_pictures}:
        with suppress(StatesError):  # named later, with the clips that cannot be read
            kept = read_states_header(video)["readings"]
            lacking |= set(readings) - set(kept["segments"] or kept["clip"])
    return tuple(r for r in readings if r in lacking)
