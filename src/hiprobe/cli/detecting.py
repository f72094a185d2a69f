"""Detection over many files: open once, one result each, failures listed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hiprobe.cli.detect_report import DetectReport, facts
from hiprobe.cli.detect_settings import Scoring, Truth, Wanted
from hiprobe.cli.failures import Failures
from hiprobe.cli.inputs import are_states, expand_videos
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.results import save_event_clips, write_results
from hiprobe.cli.run_file import RunFile
from hiprobe.cli.session import Session, open_for_probe, say_how_it_is_cut
from hiprobe.cli.subject import Context, Subject
from hiprobe.cli.text import say
from hiprobe.errors import BackboneMemoryError, UsageError
from hiprobe.pipeline import DetectResult, detect_video
from hiprobe.pipeline import explain as explain_events
from hiprobe.pipeline.settings import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.probe.threshold import reach_warning
from hiprobe.states import States
from hiprobe.store.content_hash import content_hash
from hiprobe.timeline import Timeline


@dataclass
class Detection:
    """One run of `hiprobe detect`.

    `cut` says how the session was opened when its backbone is cut at the probe's layer; None
    where it is whole and can speak.
    """

    probe: Probe
    files: Sequence[Path]
    wanted: Wanted
    scoring: Scoring
    session: Session | None
    quiet: bool
    truth: Truth | None = None
    cut: SessionOptions | None = None
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        noted = ExtractionSettings.like(self.probe.provenance_)
        settings = self.session.settings if self.session else noted
        self.run_file = RunFile(
            self.wanted.out,
            hash_of=self.session.hash_of if self.session else content_hash,
            say=None if self.quiet else say,
        )
        asked = settings.segment_seconds
        self.report = DetectReport(self.quiet, asked, shown=self.run_file.shown(self.files))

    @classmethod
    def prepare(
        cls,
        folder: Path,
        named: Sequence[str],
        *,
        wanted: Wanted,
        scoring: Scoring,
        how: SessionOptions,
    ) -> Detection:
        """Load the probe, find the files, and open the backbone where a video needs it."""
        probe = Probe.load(folder)
        _check_reach(probe, scoring)
        probe = Probe.load(folder)
        files = expand_videos(named, out=wanted.out, tell=None if how.quiet else say)
        session, opened_as = None, None
        if not all(map(are_states, files)):
            say_how_it_is_cut(probe, how)
            session, opened_as = open_for_probe(probe, how, whole=False), how
        return cls(probe, files, wanted, scoring, session, how.quiet, cut=opened_as)

    def all(self) -> None:
        """Every file, then the list of what failed; the exit code follows from it."""
        self.run_file.over(self.files, self.one, self.failures)
        self.report.all()
        self.failures.finish()

    def one(self, file: Path, name: str) -> DetectResult:
        """Score one file, print its events, write its results."""
        pictures = not are_states(file)
        with progress_bar(self.report.name(file), quiet=self.quiet) as progress:
            result = detect_video(
                file,
                probe=self.probe,
                backbone=self.session.backbone if self.session else None,
                score=self._score,
                settings=self.session.settings if self.session else None,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        timeline = result.timeline
        if self.wanted.explain and pictures:
            timeline = self._explained(timeline, file)
        spans = self.truth.spans if self.truth else None
        self.report.video(file, timeline, result, truth_spans=spans)
        self._write(Subject(file, name, timeline, pictures, facts=facts(result)))
        return result

    def _score(self, states: States) -> Timeline:
        return self.probe.detect(
            states,
            threshold=self.scoring.threshold,
            kappa=self.scoring.kappa,
            sigma_segments=self.scoring.sigma,
        )

    def _explained(self, timeline: Timeline, file: Path) -> Timeline:
        session = self._speaking(file)
        if session is None:
            return timeline
        with progress_bar(f"explaining {file.name}", quiet=self.quiet) as progress:
            return explain_events(timeline, file, backbone=session.backbone, progress=progress)

    def _speaking(self, file: Path) -> Session | None:
        """The session with the uncut backbone, loaded when words are first needed.

        It takes the cut one's place, since both together may not fit into memory; where it does
        not fit alone, the run goes on without words.
        """
        if self.session is None:  # a video always has one, see prepare
            raise UsageError(f"{file} cannot be explained without a backbone")
        cut = self.cut
        if cut is not None:
            self.session = None
            try:
                self.session = open_for_probe(self.probe, cut, whole=True)
                self.cut = None
            except (BackboneMemoryError, MemoryError) as error:
                self.failures.add(file, f"{file} was scored but not explained: {error}")
                self.session = open_for_probe(self.probe, cut, whole=False)
                return None
        return self.session

    def _write(self, subject: Subject) -> None:
        truth = self.truth
        subject = subject if truth is None else _with_truth(subject, truth)
        context = Context(
            out=self.wanted.out,
            formats=self.wanted.formats,
            probe=self.probe.facts(),
            layers=truth.layers if truth else None,
            notes=truth.notes if truth else (),
            kind=truth.kind if truth else "",
        )
        paths = write_results(subject, context)
        if self.wanted.clips and subject.has_pictures:
            paths += save_event_clips(subject, context)
        self.run_file.add(subject.video, events=len(subject.timeline.events), files=paths)
        self.report.written(paths)


def _check_reach(probe: Probe, scoring: Scoring) -> None:
    """Refuse a T that no score can lie above before a video is read; of the probe's own, say it.

    Raises:
        UsageError: as `Probe.threshold_for`.
    """
    threshold = probe.threshold_for(threshold=scoring.threshold, kappa=scoring.kappa)
    for line in reach_warning(threshold):
        say(f"warning: {line}")


def _with_truth(subject: Subject, truth: Truth) -> Subject:
    return replace(subject, truth_spans=truth.spans, cuts_seconds=truth.cuts_seconds)
