"""`hiprobe detect`: find abnormal events in videos with a fitted probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.calibrate import as_calibrated
from hiprobe.cli.console import progress_bar, say
from hiprobe.cli.detect_report import DetectReport, facts
from hiprobe.cli.named_files import expand_videos
from hiprobe.cli.option_types import MAX_KAPPA, MAX_SCORE, MAX_SIGMA, Number
from hiprobe.cli.options import formats as output_formats
from hiprobe.cli.plan import Wish, say_first_line
from hiprobe.cli.run_files import Failures, RunFile
from hiprobe.cli.session import Session, open_for_probe, say_how_it_is_cut
from hiprobe.cli.session_options import Readers, SessionOptions
from hiprobe.cli.zero_label import Asked, score_without_probe
from hiprobe.errors import BackboneMemoryError, UsageError
from hiprobe.names import shown
from hiprobe.paper import SEGMENT_FRAMES
from hiprobe.store.content_hash import content_hash
from hiprobe.store.text_files import inside

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.pipeline import DetectResult
    from hiprobe.pipeline.reading import ReadUnit
    from hiprobe.probe import Probe
    from hiprobe.report.layer_chart import LayerCurves
    from hiprobe.report.words import Span
    from hiprobe.report.writers import ScoredVideo
    from hiprobe.timeline import SmoothingKind, Timeline


@click.command()
@click.argument("probe", type=click.Path(path_type=Path))
@click.argument("videos", nargs=-1, metavar="VIDEO|STATES|FOLDER|GLOB...")
@click.option(
    "--zero-label",
    is_flag=True,
    help="Without a probe: ask the model ten graded questions. Then PROBE is left out.",
)
@options.out("hiprobe-results")
@output_formats
@click.option(
    "--explain",
    is_flag=True,
    help="Let the model describe each event, and a normal moment for comparison.",
)
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="Smoothed score above which there is an event [default: the probe's threshold].",
)
@click.option(
    "--kappa",
    type=Number(-MAX_KAPPA, MAX_KAPPA),
    help="Set the threshold to mean + kappa x standard deviation of the labelled clips' scores; "
    "higher means fewer alarms [default: the probe's].",
)
@click.option(
    "--sigma",
    type=Number(0, MAX_SIGMA),
    help="Width of the Gaussian that smooths the scores, in segments [default: the probe's].",
)
@options.smoothing(of="the probe's")
@click.option(
    "--camera",
    metavar="NAME",
    help="Take the threshold and the causal smoothing that `hiprobe calibrate` found for this "
    "camera.",
)
@click.option("--clips", is_flag=True, help="Save each event as a video clip.")
@options.how_to_read(with_prompt=False, with_still=True)
def detect(
    probe: Path,
    videos: tuple[str, ...],
    zero_label: bool,
    out: Path,
    formats: tuple[str, ...],
    explain: bool,
    threshold: float | None,
    kappa: float | None,
    sigma: float | None,
    smoothing: SmoothingKind | None,
    ema_weight: float | None,
    camera: str | None,
    clips: bool,
    how: SessionOptions,
) -> None:
    """Score videos and list their abnormal events.

    Takes files, folders and patterns, also of object stores (s3://bucket/...), or states
    extracted before. Results are named after each video; a second video of the same name gets a
    number, and keeps it. Files in folders and patterns that HiProbe wrote itself are skipped. A
    file that cannot be read is listed at the end and in hiprobe-run.json, the others are still
    done, and the exit code is 3. Run the same command again to resume an interrupted run.

    \b
    Examples:
      hiprobe detect my-probe camera.mp4
      hiprobe detect my-probe recordings/ -o results --format json,html --explain
      hiprobe detect my-probe 'day-*.mp4' --kappa 0.5 --clips
      hiprobe detect my-probe yard.mp4 --camera yard
      hiprobe detect --zero-label camera.mp4
    """
    if zero_label:
        if explain or clips or (kappa, smoothing, ema_weight, camera) != (None,) * 4:
            raise UsageError(
                "--explain, --clips, --kappa, --smoothing, --ema-weight and --camera need a "
                "probe; leave them out with --zero-label"
            )
        if how.skip_still:
            raise UsageError(
                "--skip-still reuses hidden states, and --zero-label reads none; leave it out"
            )
        how.readers.refuse_elsewhere("--zero-label")
        asked = Asked("ordinal", threshold=threshold, sigma=sigma)
        score_without_probe((str(probe), *videos), asked, out, formats, how)
        return
    if not videos:
        raise click.UsageError(
            f"no video is given: name one after the probe {probe}, or give --zero-label to go "
            "without a probe"
        )
    scoring = Scoring(threshold, kappa, sigma, smoothing, ema_weight)
    if camera is not None:
        scoring, how = _of_camera(probe, camera, scoring, how)
    run = Detection.prepare(
        probe,
        videos,
        wanted=Wanted(out=out, formats=formats, explain=explain, clips=clips),
        scoring=scoring,
        how=how,
    )
    crew = run.session.crew if run.session else None
    run.run_file.over(run.files, run.one, crew=crew, reads=run.unit_of)
    run.report.all()
    run.failures.finish()


@dataclass(frozen=True)
class Wanted:
    """What to leave behind."""

    out: Path
    formats: Sequence[str]
    explain: bool = False
    clips: bool = False


@dataclass(frozen=True)
class KnownTruth:
    """What is known of one video beforehand, for demonstrations.

    Attributes:
        spans: its events; None where they are not known.
        cuts_seconds: where it passes from one clip to the next.
        notes: sentences that every report shows first.
        kind: the same in two words, for tables and pictures.
        layers: measures of the layers on the clips of the fit.
    """

    spans: Sequence[Span] | None = None
    cuts_seconds: Sequence[float] = ()
    notes: Sequence[str] = ()
    kind: str = ""
    layers: LayerCurves | None = None


@dataclass(frozen=True)
class Scoring:
    """How scores become events; None keeps what the probe was fitted with."""

    threshold: float | None = None
    kappa: float | None = None
    sigma: float | None = None
    smoothing: SmoothingKind | None = None
    ema_weight: float | None = None


def _of_camera(
    folder: Path, name: str, scoring: Scoring, how: SessionOptions
) -> tuple[Scoring, SessionOptions]:
    """Threshold and smoothing of a calibrated camera, and its promise, printed.

    Raises:
        ProbeFolderError: the probe knows no such camera.
        UsageError: something else was asked for too.
    """
    from hiprobe.probe.camera_file import read_camera

    if scoring != Scoring():
        raise UsageError(
            "--camera brings a threshold and a smoothing; leave out --threshold, --kappa, --sigma, "
            "--smoothing and --ema-weight"
        )
    known = read_camera(folder, name)
    # A promise that its footage could not keep is said even with --quiet.
    if not known.promise.is_kept or not how.quiet:
        prefix = "" if known.promise.is_kept else "warning: "
        say(f"{prefix}camera {shown(name)}: {known.promise.text}")
    own = Scoring(threshold=known.promise.threshold, smoothing="ema", ema_weight=known.ema_weight)
    return own, as_calibrated(known, how)


@dataclass
class Detection:
    """One run of `hiprobe detect`.

    Attributes:
        session: the opened backbone; None where all files are states.
        truth: what is known of the video of a demonstration.
        cut: how the session was opened when its backbone is cut at the probe's layer; None where
            it is whole and can speak.
        speaker: a whole backbone of this process, where workers hold the one that reads.
    """

    probe: Probe
    files: Sequence[Path]
    wanted: Wanted
    scoring: Scoring
    session: Session | None
    quiet: bool
    truth: KnownTruth | None = None
    cut: SessionOptions | None = None
    failures: Failures = field(default_factory=Failures)
    speaker: Session | None = None

    def __post_init__(self) -> None:
        self.run_file = RunFile(
            self.wanted.out,
            hash_of=self.session.hash_of if self.session else content_hash,
            say=None if self.quiet else say,
            failures=self.failures,
        )
        made = self.probe.provenance_
        # Without a backbone all files are states, which were cut as the clips of the probe.
        noted = None if made is None else made.cut
        cut = self.session.settings if self.session else noted
        self.report = DetectReport(
            self.quiet,
            None if cut is None else cut.segment_seconds,
            SEGMENT_FRAMES if cut is None else cut.segment_frames,
            shown=self.run_file.shown(self.files),
        )

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
        """Load the probe, find the files, and open the backbone where a video needs it.

        Raises:
            UsageError: no score can lie above the threshold asked for, or there is no video.
            ProbeFolderError, FingerprintError, BackboneError: the probe or its backbone cannot be
                opened.
        """
        from hiprobe.pipeline.source import open_source
        from hiprobe.probe import Probe
        from hiprobe.probe.fit_results import reach_warning

        probe = Probe.load(folder)
        # Refused before a video is read, which may take hours.
        threshold = probe.threshold_for(threshold=scoring.threshold, kappa=scoring.kappa)
        # The result is not used: only a wrong choice is to be refused this early.
        probe.smoothing_for(
            smoothing=scoring.smoothing,
            sigma_segments=scoring.sigma,
            ema_weight=scoring.ema_weight,
        )
        for line in reach_warning(threshold):
            say(f"warning: {line}")
        files = expand_videos(named, out=wanted.out, tell=None if how.quiet else say)
        videos = [file for file in files if open_source(file).has_pictures]
        if not videos:
            return cls(probe, files, wanted, scoring, None, how.quiet)
        say_how_it_is_cut(probe, how)
        session = open_for_probe(probe, how, whole=False)
        if not how.quiet:
            say_first_line(videos, Wish.of_probe(how.backbone, probe, session.settings))
        return cls(probe, files, wanted, scoring, session, how.quiet, cut=how)

    def unit_of(self, file: Path) -> ReadUnit | None:
        """What is read of a file to score it; None of states."""
        from hiprobe.pipeline.detection import detection_plan
        from hiprobe.pipeline.source import open_source

        if self.session is None or not open_source(file).has_pictures:
            return None
        backbone, settings = self.session.backbone, self.session.settings
        return detection_plan(self.probe, backbone, settings=settings).unit(file)

    def one(self, file: Path, name: str) -> DetectResult:
        """Score one file, print its events, write its results.

        Args:
            name: what its results are named after.
        """
        from hiprobe.pipeline import detect_video
        from hiprobe.pipeline.source import open_source
        from hiprobe.report.writers import ScoredVideo, write_result

        has_pictures = open_source(file).has_pictures
        with progress_bar(self.report.name(file), quiet=self.quiet) as progress:
            result = detect_video(
                file,
                probe=self.probe,
                backbone=self.session.backbone if self.session else None,
                score=lambda states: self.probe.detect(
                    states,
                    threshold=self.scoring.threshold,
                    kappa=self.scoring.kappa,
                    sigma_segments=self.scoring.sigma,
                    smoothing=self.scoring.smoothing,
                    ema_weight=self.scoring.ema_weight,
                ),
                settings=self.session.settings if self.session else None,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        timeline = result.timeline
        if self.wanted.explain and has_pictures:
            timeline = self._explained(timeline, file)
        truth = self.truth or KnownTruth()
        self.report.video(file, timeline, result, truth_spans=truth.spans)
        scored = ScoredVideo(
            video=file,
            timeline=timeline,
            probe=self.probe.facts(),
            has_pictures=has_pictures,
            truth_spans=truth.spans,
            cuts_seconds=truth.cuts_seconds,
            facts=facts(result),
            layers=truth.layers,
            notes=truth.notes,
            kind=truth.kind,
        )
        out = self.wanted.out
        paths = write_result(scored, out, formats=self.wanted.formats, name=name)
        if self.wanted.clips and has_pictures:
            paths += save_event_clips(scored, out, name=name)
        self.run_file.add(file, events=len(timeline.events), files=paths)
        self.report.written(paths)
        return result

    def _explained(self, timeline: Timeline, file: Path) -> Timeline:
        """The timeline with words of the uncut backbone, which is opened when it is first needed.

        Where it does not fit into memory, the run goes on without words.
        """
        from hiprobe.pipeline import explain

        try:
            backbone = self._whole_backbone()
        except (BackboneMemoryError, MemoryError) as error:
            self.failures.add(file, f"{file} was scored but not explained: {error}")
            # The whole one took the place of the cut one and failed, but the next files need one.
            if self.session is None and self.cut is not None:
                self.session = open_for_probe(self.probe, self.cut, whole=False)
            return timeline
        with progress_bar(f"explaining {file.name}", quiet=self.quiet) as progress:
            return explain(timeline, file, backbone=backbone, progress=progress)

    def _whole_backbone(self) -> Backbone:
        """One that can speak: in place of the cut one, since both may not fit into memory.

        Workers hold cut ones, so next to them this process opens a whole one of its own.

        Raises:
            BackboneMemoryError, MemoryError: it does not fit.
        """
        if self.session is not None and self.session.crew is not None:
            if self.speaker is None:
                here = replace(self.cut or SessionOptions(), readers=Readers())
                self.speaker = open_for_probe(self.probe, here, whole=True)
            return self.speaker.backbone
        if self.cut is not None:
            # Let go first: both may not fit into memory.
            self.session = None
            self.session, self.cut = open_for_probe(self.probe, self.cut, whole=True), None
        if self.session is None:  # a video always has one, see prepare
            raise UsageError("without a backbone nothing can be explained")
        return self.session.backbone


def save_event_clips(scored: ScoredVideo, folder: Path, *, name: str) -> list[Path]:
    """Each event as a clip of its own, `NAME.event-01.mp4` and so on; the files, in order.

    Raises:
        OutsideFolderError: a file would lie outside of the folder.
        StorageError: a file cannot be written.
        VideoError: the video cannot be read again.
    """
    from hiprobe.video.write import save_clip

    paths = []
    for number, event in enumerate(scored.timeline.events, start=1):
        path = inside(folder, f"{name}.event-{number:02d}.mp4")
        start, end = event.start_seconds, event.end_seconds
        save_clip(scored.video, start_seconds=start, end_seconds=end, path=path)
        paths.append(path)
    return paths
