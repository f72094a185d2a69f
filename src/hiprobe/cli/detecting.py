"""Detection over many files: open once, one result each, failures listed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.cli.failures import Failures
from hiprobe.cli.inputs import are_states, expand_videos, result_names
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.record import ReadingRecord, read_record
from hiprobe.cli.results import Context, Subject, save_event_clips, write_results
from hiprobe.cli.session import Session, open_session
from hiprobe.cli.text import format_number, print_rich, say
from hiprobe.errors import UsageError
from hiprobe.pipeline import DetectResult, detect_video
from hiprobe.pipeline import explain as explain_events
from hiprobe.probe import Probe
from hiprobe.report.console import events_table
from hiprobe.report.layers import LayerCurves
from hiprobe.report.words import Span
from hiprobe.states import States
from hiprobe.timeline import Timeline

RUN_FORMAT = "hiprobe-run"
RUN_VERSION = 1


@dataclass(frozen=True)
class Wanted:
    """What to leave behind."""

    out: Path
    formats: Sequence[str]
    explain: bool = False
    clips: bool = False


@dataclass(frozen=True)
class Truth:
    """What is known of one video beforehand, for demonstrations."""

    spans: Sequence[Span]
    notes: Sequence[str]
    layers: LayerCurves | None = None


@dataclass(frozen=True)
class Scoring:
    """How scores become events; None keeps what the probe was fitted with."""

    threshold: float | None = None
    kappa: float | None = None
    sigma: float | None = None


@dataclass
class Detection:
    """One run of `hiprobe detect`."""

    probe: Probe
    files: Sequence[Path]
    wanted: Wanted
    scoring: Scoring
    session: Session | None
    quiet: bool
    truth: Truth | None = None
    failures: Failures = field(default_factory=Failures)
    done: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def prepare(
        cls,
        folder: Path,
        named: Sequence[str],
        *,
        wanted: Wanted,
        scoring: Scoring,
        segment_seconds: float | None,
        backbone: str | None,
        cached: bool,
        quiet: bool,
    ) -> Detection:
        """Load the probe, find the files, and open the backbone where a video needs it."""
        probe, files = Probe.load(folder), expand_videos(named)
        record = read_record(folder) or ReadingRecord(probe.fingerprint_.model, None)
        session = None
        if not all(map(are_states, files)):
            session = open_for_probe(
                probe,
                backbone=backbone or record.backbone,
                whole=wanted.explain,
                segment_seconds=segment_seconds or record.segment_seconds,
                cached=cached,
                quiet=quiet,
            )
        return cls(probe, files, wanted, scoring, session, quiet)

    def all(self) -> None:
        """Every file, then the list of what failed; the exit code follows from it."""
        for file, name in zip(self.files, result_names(self.files), strict=True):
            with self.failures.of(file):
                self.one(file, name)
        self._write_run()
        self.failures.finish()

    def one(self, file: Path, name: str) -> DetectResult:
        """Score one file, print its events, write its results."""
        pictures = not are_states(file)
        with progress_bar(file.name, quiet=self.quiet) as progress:
            result = detect_video(
                file,
                probe=self.probe,
                backbone=self.session.backbone if self.session else None,
                reading=self.probe.reading_,
                score=self._score,
                segment_seconds=self.session.segment_seconds if self.session else None,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        timeline = result.timeline
        if self.wanted.explain and pictures:
            timeline = self._explained(timeline, file)
        self._show(timeline, file, result)
        self._write(Subject(file, name, timeline, pictures, facts=_facts(result)))
        return result

    def _score(self, states: States) -> Timeline:
        return self.probe.detect(
            states,
            threshold=self.scoring.threshold,
            kappa=self.scoring.kappa,
            sigma_segments=self.scoring.sigma,
        )

    def _explained(self, timeline: Timeline, file: Path) -> Timeline:
        if self.session is None:  # a video always has one, see prepare
            raise UsageError(f"{file} cannot be explained without a backbone")
        with progress_bar(f"explaining {file.name}", quiet=self.quiet) as progress:
            return explain_events(timeline, file, backbone=self.session.backbone, progress=progress)

    def _show(self, timeline: Timeline, file: Path, result: DetectResult) -> None:
        spans = self.truth.spans if self.truth else None
        print_rich(events_table(timeline, video=str(file), truth_spans=spans))
        if result.real_time_factor is not None and not self.quiet:
            say(f"{file.name}: {_speed(result)}")

    def _write(self, subject: Subject) -> None:
        truth = self.truth
        subject = subject if truth is None else _with_truth(subject, truth)
        context = Context(
            out=self.wanted.out,
            formats=self.wanted.formats,
            probe=self.probe.facts(),
            layers=truth.layers if truth else None,
            notes=truth.notes if truth else (),
        )
        paths = write_results(subject, context)
        if self.wanted.clips and subject.has_pictures:
            paths += save_event_clips(subject, context)
        events = len(subject.timeline.events)
        self.done.append(
            {"video": str(subject.video), "events": events, "files": [p.name for p in paths]}
        )
        if not self.quiet:
            for path in paths:
                say(f"wrote {path}")

    def _write_run(self) -> None:
        from hiprobe.report.documents import write_json

        document = {
            "format": RUN_FORMAT,
            "version": RUN_VERSION,
            "results": self.done,
            "failures": self.failures.to_json(),
        }
        write_json(document, self.wanted.out / "hiprobe-run.json")


def open_for_probe(
    probe: Probe,
    *,
    backbone: str,
    whole: bool,
    segment_seconds: float | None,
    cached: bool,
    quiet: bool,
) -> Session:
    """The backbone that a probe was fitted on, no deeper than its layer unless `whole`.

    Raises:
        FingerprintError: it is another one.
        BackboneError: it is not to be found under its name.
    """
    session = open_session(
        backbone=backbone,
        prompt=probe.fingerprint_.prompt,
        segment_seconds=segment_seconds,
        cached=cached,
        quiet=quiet,
        cut_at_layer=None if whole else probe.layer_,
    )
    probe.check_fingerprint(session.backbone.fingerprint)
    return session


def _with_truth(subject: Subject, truth: Truth) -> Subject:
    from dataclasses import replace

    return replace(subject, truth_spans=truth.spans)


def _facts(result: DetectResult) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "segments": len(result.timeline),
        "seconds": format_number(float(result.states.end_seconds[-1]), 1),
    }
    if result.real_time_factor is not None:
        facts["speed"] = _speed(result)
    return facts


def _speed(result: DetectResult) -> str:
    factor = result.real_time_factor or 0.0
    return f"{result.elapsed_seconds:.1f} s of work, {factor:.1f} x real time"
