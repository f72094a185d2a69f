"""Fitting as the command line does it: clips to states to a probe, said on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hiprobe.cli.failures import Failures
from hiprobe.cli.inputs import are_states
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.record import ReadingRecord, read_record, write_record
from hiprobe.cli.session import DEFAULT_BACKBONE, Session, open_session
from hiprobe.cli.text import say
from hiprobe.datasets.clips import LabelledClip, read_clips
from hiprobe.errors import LabelError
from hiprobe.localize import KAPPA, SIGMA_SEGMENTS
from hiprobe.pipeline import extract_examples
from hiprobe.probe import Mode, Probe
from hiprobe.states import LabelledStates, Reading


@dataclass(frozen=True)
class FitSettings:
    """What `fit` may be told; the defaults are those of the probe."""

    mode: Mode | Literal["auto"] = "auto"
    layer: int | None = None
    kappa: float = KAPPA
    sigma: float = SIGMA_SEGMENTS
    reading: Reading = "last"
    seed: int = 0

    def probe(self) -> Probe:
        """An unfitted probe with these settings."""
        return Probe(
            mode=self.mode,
            layer="dlsp" if self.layer is None else self.layer,
            kappa=self.kappa,
            sigma_segments=self.sigma,
            seed=self.seed,
        )


@dataclass
class Fitting:
    """Labelled clips read and turned into states; `fitted` fits on them."""

    clips: tuple[LabelledClip, ...]
    settings: FitSettings
    backbone_name: str
    segment_seconds: float | None
    session: Session | None
    quiet: bool
    failures: Failures = field(default_factory=Failures)
    examples: list[LabelledStates] = field(default_factory=list)
    known: Probe | None = None

    @classmethod
    def prepare(
        cls,
        path: Path,
        *,
        add: Path | None,
        normal: str | None,
        settings: FitSettings,
        backbone: str | None,
        prompt: str | None,
        segment_seconds: float | None,
        cached: bool,
        quiet: bool,
    ) -> Fitting:
        """Read the labels, refuse what cannot work, then extract the states of every clip."""
        known = None if add is None else Probe.load(add)
        clips = read_clips(path, normal=normal, both_kinds=known is None)
        if add is not None and known is not None:
            record = read_record(add) or ReadingRecord(known.fingerprint_.model, None)
            backbone = backbone or record.backbone
            segment_seconds = segment_seconds or record.segment_seconds
            prompt = prompt or known.fingerprint_.prompt
            settings = replace(settings, reading=known.reading_)
        run = cls.of(
            clips,
            settings=settings,
            backbone=backbone or DEFAULT_BACKBONE,
            prompt=prompt,
            segment_seconds=segment_seconds,
            cached=cached,
            quiet=quiet,
        )
        run.known = known
        return run

    @classmethod
    def of(
        cls,
        clips: Sequence[LabelledClip],
        *,
        settings: FitSettings,
        backbone: str,
        prompt: str | None,
        segment_seconds: float | None,
        cached: bool,
        quiet: bool,
    ) -> Fitting:
        """Extract the states of clips; no backbone is opened where all of them are states."""
        session = None
        if not all(are_states(c.video) for c in clips):
            session = open_session(
                backbone=backbone,
                prompt=prompt,
                segment_seconds=segment_seconds,
                cached=cached,
                quiet=quiet,
            )
        run = cls(tuple(clips), settings, backbone, segment_seconds, session, quiet)
        run._extract()
        return run

    def _extract(self) -> None:
        if not self.quiet:
            counts = [sum(c.label == v for c in self.clips) for v in (0, 1)]
            say(f"reading {counts[0]} normal and {counts[1]} abnormal clips")
        with progress_bar("clips", quiet=self.quiet) as progress:
            self.examples, failed = extract_examples(
                self.clips,
                backbone=self.session.backbone if self.session else None,
                reading=self.settings.reading,
                segment_seconds=self.segment_seconds,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        for failure in failed:
            self.failures.add(failure.video, failure.reason)
        if len({e.label for e in self.examples}) < len({c.label for c in self.clips}):
            self.failures.report()
            raise LabelError(
                "after leaving out what could not be read, one class has no clip; "
                "replace the files named above"
            )

    def fitted(self) -> Probe:
        """A probe fitted on the examples, and on the clips of a known probe where one is given."""
        if self.known is not None:
            return self.known.add(self.examples)
        return self.settings.probe().fit(self.examples)

    def save(self, folder: Path) -> Probe:
        """Fit, say what came of it, and write the probe folder."""
        from hiprobe.cli.fit_report import print_fit

        probe = self.fitted()
        print_fit(probe)
        probe.save(folder)
        write_record(folder, ReadingRecord(self.backbone_name, self.segment_seconds))
        if not self.quiet:
            say(f"wrote {folder}")
        return probe
