"""`hiprobe calibrate`: a threshold that keeps to a rate of false alarms on one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.calibrate_report import clip_words, day_words, say_drift
from hiprobe.cli.console import echo, progress_bar, say
from hiprobe.cli.named_files import expand_videos
from hiprobe.cli.option_types import DayHours, Number, RateOfAlarms
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import LENGTHS, SessionOptions, open_for_probe, say_how_it_is_cut
from hiprobe.errors import UsageError, VideoError
from hiprobe.names import absolute, path_text, shown

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.calibration import DayPart, FootageBlocks
    from hiprobe.cli.session import Session
    from hiprobe.probe import Probe
    from hiprobe.probe.camera_file import CalibratedCamera
    from hiprobe.timeline import Timeline

MAX_NAME = 200


@dataclass
class FootageReader:
    """Scores footage causally, file by file, with one opened backbone.

    Attributes:
        session: None where all files are extracted states.
        kept: where the states of what was scored last lie, see `CalibratedCamera.footage`.
    """

    probe: Probe
    ema_weight: float
    session: Session | None
    quiet: bool
    failures: Failures = field(default_factory=Failures)
    kept: list[str] = field(default_factory=list)

    def blocks(self, files: Sequence[Path], *, block_seconds: float) -> FootageBlocks:
        """Blocks of the files in order, with their causal scores and local hours.

        Raises:
            VideoError: no file could be read.
        """
        from hiprobe.calibration import footage_blocks

        timelines, recorded = [], []
        self.kept = []
        for file in files:
            with self.failures.of(file):
                timelines.append(self._timeline(file))
                recorded.append(_local_moment(file))
                self.kept += self._place_of_states(file)
        if not timelines:
            self.failures.report()
            raise VideoError("none of the footage could be read; see the reasons above")
        if len(self.kept) < len(timelines):  # of some only: not the footage of these blocks
            self.kept = []
        return footage_blocks(timelines, block_seconds=block_seconds, recorded=recorded)

    def _timeline(self, file: Path) -> Timeline:
        from hiprobe.pipeline import detect_video

        with progress_bar(file.name, quiet=self.quiet) as progress:
            found = detect_video(
                file,
                probe=self.probe,
                backbone=self.session.backbone if self.session else None,
                score=lambda states: self.probe.detect(
                    # Causal, as a live camera has it: a threshold for scores that look ahead would
                    # promise nothing there.
                    states,
                    smoothing="ema",
                    ema_weight=self.ema_weight,
                ),
                settings=self.session.settings if self.session else None,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        return found.timeline

    def _place_of_states(self, file: Path) -> list[str]:
        """One place, or none where the cache is not used."""
        from hiprobe.datasets.video_files import is_states_name
        from hiprobe.segment import WHOLE

        if is_states_name(file):
            return [path_text(absolute(file))]
        if self.session is None or self.session.cache is None:
            return []
        parts = self.session.settings.key_parts("segments", WHOLE)
        fingerprint = self.session.backbone.fingerprint
        return [self.session.cache.key(file, settings=parts, fingerprint=fingerprint)]


def _local_moment(file: Path) -> datetime | None:
    """When a recording began, in the time zone of this machine."""
    from hiprobe.names import clock_in_name
    from hiprobe.pipeline.source import open_source
    from hiprobe.video.video_info import recorded_at

    moment = recorded_at(file) if open_source(file).has_pictures else clock_in_name(file.name)
    return moment if moment is None or moment.tzinfo is None else moment.astimezone()


@click.command()
@click.argument("probe", type=click.Path(path_type=Path))
@click.argument("footage", nargs=-1, metavar="FOOTAGE...")
@click.option(
    "--false-alarms",
    type=RateOfAlarms(),
    default="1/day",
    show_default=True,
    metavar="N/hour|day|week",
    help="False alarms to keep to.",
)
@click.option(
    "--confidence",
    type=Number(0.01, 0.9999),
    help="How sure the rate is to hold on this camera, such as 0.95, which takes three times the "
    "footage [default: it holds on average over cameras].",
)
@click.option(
    "--cooldown-seconds",
    type=Number(1, 86_400),
    default=60,
    show_default=True,
    help="Time after an alarm in which no other is raised.",
)
@click.option(
    "--camera",
    default="camera",
    show_default=True,
    metavar="NAME",
    help="What the camera is called; `detect --camera NAME` takes its threshold.",
)
@click.option(
    "--day",
    type=DayHours(),
    default="06:00-18:00",
    show_default=True,
    metavar="HH:MM-HH:MM",
    help="What counts as day; day and night are shown apart where names or files say their time.",
)
@click.option(
    "--check",
    multiple=True,
    metavar="FOOTAGE",
    help="Newer footage: say whether the promise still holds. Without FOOTAGE before it, for the "
    "calibration that the probe has. May be given several times.",
)
@options.how_to_read(with_prompt=False, with_still=True)
def calibrate(
    probe: Path,
    footage: tuple[str, ...],
    false_alarms: float,
    confidence: float | None,
    cooldown_seconds: float,
    camera: str,
    day: DayPart,
    check: tuple[str, ...],
    how: SessionOptions,
) -> None:
    """Find the threshold that keeps to a rate of false alarms on one camera.

    FOOTAGE is normal footage of the camera, in order of time: videos, folders, patterns, or
    extracted states. The threshold is kept in the probe's folder under the camera's name. With too
    little footage a warning says what it can promise. Scores are smoothed causally (ema), as
    `detect --camera` then does.

    \b
    Examples:
      hiprobe calibrate my-probe yard/ --camera yard --false-alarms 1/day
      hiprobe calibrate my-probe yard/ --camera yard --false-alarms 2/hour --confidence 0.95
      hiprobe calibrate my-probe --camera yard --check yard-of-today.mp4
      hiprobe detect my-probe yard-of-today.mp4 --camera yard
    """
    from hiprobe.probe import Probe
    from hiprobe.probe.camera_file import read_camera

    if not (footage or check):
        raise click.UsageError("give normal footage of the camera, or newer footage with --check")
    if not 0 < len(camera) <= MAX_NAME:
        raise click.UsageError(f"--camera takes a name of 1 to {MAX_NAME} characters")
    loaded = Probe.load(probe)
    known = None if footage else read_camera(probe, camera)
    how = how if known is None else as_calibrated(known, how)
    tell = None if how.quiet else say
    seen, newer = (expand_videos(f, tell=tell) if f else [] for f in (footage, check))
    # A check smooths as the calibration did, even if the probe was fitted again since.
    weight = loaded.ema_weight if known is None else known.ema_weight
    reader = FootageReader(loaded, weight, _session(loaded, [*seen, *newer], how), how.quiet)
    if known is None:
        blocks = reader.blocks(seen, block_seconds=cooldown_seconds)
        known = _calibrated(blocks.maxima, reader, false_alarms, confidence, cooldown_seconds, how)
        _keep(probe, camera, known, reader, day_words(blocks, known.promise, day))
    if newer:
        block_seconds = known.promise.block_seconds
        say_drift(known, reader.blocks(newer, block_seconds=block_seconds).maxima)
    reader.failures.finish()


def as_calibrated(camera: CalibratedCamera, how: SessionOptions) -> SessionOptions:
    """How footage is read for a calibrated camera: as it was calibrated.

    That is in segments of the same length and hop, and with still ones skipped if they were.

    Raises:
        UsageError: another length or hop is asked for, or still ones skipped where they were not.
    """
    for name, option in LENGTHS.items():
        value, own = getattr(how, name), getattr(camera, name)
        if value not in (None, own):
            known = "the probe's own" if own is None else f"{option} {own:g}"
            raise UsageError(
                f"the camera was calibrated on segments of another length or hop ({known}), so "
                f"{option} {value:g} is not possible; leave it out, or calibrate again with it"
            )
    if how.skip_still and not camera.skip_still:
        raise UsageError(
            "the camera was calibrated on footage that was read in full, so its threshold promises "
            "nothing with --skip-still; leave it out, or calibrate again with it"
        )
    lengths = {name: getattr(camera, name) for name in LENGTHS}
    return replace(how, **lengths, skip_still=camera.skip_still)


def _session(probe: Probe, files: Sequence[Path], how: SessionOptions) -> Session | None:
    from hiprobe.pipeline.source import open_source

    if not any(open_source(file).has_pictures for file in files):
        return None
    say_how_it_is_cut(probe, how)
    return open_for_probe(probe, how, whole=False)


def _calibrated(
    maxima: NDArray[np.float64],
    reader: FootageReader,
    per_hour: float,
    confidence: float | None,
    block_seconds: float,
    how: SessionOptions,
) -> CalibratedCamera:
    import numpy as np

    from hiprobe.calibration import conformal_threshold
    from hiprobe.localize import check_threshold
    from hiprobe.probe.camera_file import CalibratedCamera

    promise = conformal_threshold(
        maxima, per_hour=per_hour, block_seconds=block_seconds, confidence=confidence
    )
    check_threshold(promise.threshold, named="the threshold that this footage gives is")
    return CalibratedCamera(
        promise=promise,
        # Blocks in which nothing could be read have no score, and JSON has no NaN.
        maxima=tuple(maxima[np.isfinite(maxima)].tolist()),
        ema_weight=reader.ema_weight,
        **{name: getattr(how, name) for name in LENGTHS},
        skip_still=how.skip_still,
        footage=tuple(reader.kept),
    )


def _keep(
    folder: Path,
    name: str,
    camera: CalibratedCamera,
    reader: FootageReader,
    by_day: Sequence[str],
) -> None:
    """Print the threshold and its promise, and write them into the probe's folder."""
    from hiprobe.probe.camera_file import CALIBRATION_NAME, write_camera

    promise = camera.promise
    echo(
        f"camera {shown(name)}: threshold {promise.threshold:.4f} "
        f"(smoothing: {camera.smoothing.words}; cool-down {promise.block_seconds:g} s)"
    )
    echo(promise.text)
    if not promise.is_kept:
        say(
            f"warning: {promise.hours:.2g} hours of footage are too little for what was asked; the "
            "threshold is the highest score seen, and promises no more than the line above says"
        )
    for line in (*by_day, *clip_words(reader.probe, camera)):
        echo(line)
    write_camera(folder, name, camera)
    if not reader.quiet:
        say(
            f"wrote {shown(folder / CALIBRATION_NAME)}; next: hiprobe detect {shown(folder)} VIDEO "
            f"--camera {shown(name)}"
        )
