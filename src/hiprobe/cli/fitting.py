"""Fitting as the command line does it: clips to states to a probe, said on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.spec import BackboneSpec
from hiprobe.cli.failures import Failures
from hiprobe.cli.fit_settings import FitSettings
from hiprobe.cli.inputs import are_states
from hiprobe.cli.labelled import clips_of
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.session import (
    Session,
    open_for_probe,
    open_session,
    say_how_it_is_cut,
)
from hiprobe.cli.text import say
from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import LabelError, UsageError
from hiprobe.pipeline import ExtractionSettings, Failure, Progress, extract_views
from hiprobe.probe import Probe
from hiprobe.probe.reading_file import ReadingRecord, write_record
from hiprobe.provenance import Provenance
from hiprobe.states import LabelledStates
from hiprobe.store.atomic import alone_in_new
from hiprobe.zero_label import fit_heads_probe, head_states_of


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
    views: list[list[LabelledStates]] = field(default_factory=list)

    @classmethod
    def prepare(
        cls,
        path: Path,
        *,
        add: Path | None,
        normal: Sequence[str],
        split: str | None,
        settings: FitSettings,
        how: SessionOptions,
    ) -> Fitting:
        """Read the labels, refuse what cannot work, then extract the states of every clip."""
        known = None if add is None else Probe.load(add)
        if known is not None:
            known.check_extendable()
        clips = clips_of(
            path,
            normal=normal,
            split=split,
            cached=how.cached,
            quiet=how.quiet,
            both_kinds=known is None,
        )
        if add is None or known is None:
            return cls.of(clips, settings=settings, how=how)
        settings = replace(settings, readings=(known.reading_,))
        return cls.of(clips, settings=settings, how=how, known=known)

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
        session = None
        if not all(are_states(c.video) for c in clips):
            if known is None:
                session = open_session(how)
            else:
                say_how_it_is_cut(known, how)
                session = open_for_probe(known, how, whole=True)
        run = cls(tuple(clips), settings, how, session, known)
        run._extract()
        return run

    @property
    def examples(self) -> list[LabelledStates]:
        """The clips' states in the first view."""
        return self.views[0]

    def _extract(self) -> None:
        if not self.how.quiet:
            counts = [sum(c.label == v for c in self.clips) for v in (0, 1)]
            say(f"reading {counts[0]} normal and {counts[1]} abnormal clips")
        with progress_bar("clips", quiet=self.how.quiet) as progress:
            self.views, failed = self._read(progress)
        if self.session is None:
            self.views = [[_as_told(e, self.how) for e in view] for view in self.views]
        for failure in failed:
            self.failures.add(failure.video, failure.reason)
        if len({e.label for e in self.examples}) < len({c.label for c in self.clips}):
            self.failures.report()
            raise LabelError(
                "after leaving out what could not be read, one class has no clip; "
                "replace the files named above"
            )

    def _read(self, progress: Progress | None) -> tuple[list[list[LabelledStates]], list[Failure]]:
        cache = self.session.cache if self.session else None
        plain = self.session.settings if self.session else ExtractionSettings()
        if self.settings.reads_heads:
            return head_states_of(
                self.clips,
                backbone=self._videos_backbone,
                settings=plain,
                cache=cache,
                progress=progress,
            )
        return extract_views(
            self.clips,
            backbone=self.session.backbone if self.session else None,
            prompts=[p.text for p in self.settings.prompts] or None,
            settings=replace(plain, readings=self.settings.readings),
            cache=cache,
            progress=progress,
        )

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
        if self.known is not None:
            before = len(self.known.names_)
            probe = self.known.add(self.examples)
            self._say_what_is_new(len(probe.names_) - before)
            return probe
        probe = self.settings.probe()
        if self.settings.reads_heads:
            return fit_heads_probe(self.views, backbone=self._videos_backbone, parameters=probe)
        return probe.fit_views(self.views)

    def _say_what_is_new(self, added: int) -> None:
        if not self.how.quiet:
            say(f"{added} clips added; {len(self.examples) - added} were in the probe already")

    def save(self, folder: Path) -> Probe:
        """Fit, say what came of it, and write the probe folder."""
        from hiprobe.cli.fit_report import print_fit

        probe = self.fitted()
        print_fit(probe, names={p.text: p.name for p in self.settings.prompts})
        with alone_in_new(folder):  # two fits at once: the files are of one of them
            probe.save(folder)
            write_record(folder, self._record(probe))
        if not self.how.quiet:
            say(f"wrote {folder}; next: hiprobe detect {folder} VIDEO")
        return probe

    def _record(self, probe: Probe) -> ReadingRecord:
        made = probe.provenance_
        opened = None if made is None else made.backbone
        name = probe.fingerprint_.model if opened is None else opened.known_as
        failures = tuple((str(file), reason) for file, reason in self.failures.items)
        return ReadingRecord(name, None if made is None else made.segment_seconds, failures)


def _as_told(example: LabelledStates, how: SessionOptions) -> LabelledStates:
    """States from a file, with what the user says of how they were made.

    Raises:
        UsageError: the file itself says that they were cut otherwise.
    """
    made, seconds = example.provenance, how.segment_seconds
    if made is None and seconds is None and how.backbone == BackboneSpec():
        return example
    if made is not None and seconds not in (None, made.segment_seconds):
        raise UsageError(
            f"{example.name} holds states of {made.cut_words()}, so --segment-seconds {seconds:g} "
            "cannot be had from it; leave it out, or give the video"
        )
    known = made or Provenance(segment_seconds=seconds)
    backbone = how.backbone.over(known.backbone or BackboneSpec(example_model(example)))
    return replace(example, provenance=replace(known, backbone=backbone))


def example_model(example: LabelledStates) -> str | None:
    """The type of model that made an example's states."""
    states = example.clip if example.clip is not None else example.segments
    return None if states is None else states.fingerprint.model
