"""`hiprobe calibrate`: a threshold that keeps to a rate of false alarms on one camera."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, progress_bar, say
from hiprobe.cli.option_types import Number
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import expand_videos, open_for_probe, say_how_it_is_cut
from hiprobe.cli.session_options import LENGTHS, SessionOptions
from hiprobe.errors import ProbeFolderError, UsageError, VideoError
from hiprobe.names import named_in_a_line, shown

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.calibration import AlarmPromise, DayPart, FootageBlocks
    from hiprobe.cli.session import Session
    from hiprobe.probe import Probe
    from hiprobe.probe.camera_file import CalibratedCamera
    from hiprobe.timeline import Timeline

HOURS = {"hour": 1, "day": 24, "week": 168}

# Drift is reported from here on: while the promise holds, one camera in twenty gets this far.
EVIDENCE = 20.0

MOST_NAMED = 10
MAX_NAME = 200


class DayHours(click.ParamType["DayPart"]):
    """Two times of the day, as `06:00-18:00`."""

    name = "hours"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> DayPart:
        """The hours of the day.

        Raises:
            click.BadParameter: not two different times from 00:00 to 23:59.
        """
        from hiprobe.calibration import DayPart

        found = re.fullmatch(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)", str(value))
        first, first_minute, last, last_minute = map(int, found.groups()) if found else [99] * 4
        if max(first, last) > 23 or max(first_minute, last_minute) > 59:
            self.fail(f"{value!r} is no part of a day; write it as 06:00-18:00.", param, ctx)
        begins, ends = first + first_minute / 60, last + last_minute / 60
        if begins == ends:
            self.fail(f"{value!r} begins where it ends; give two times.", param, ctx)
        return DayPart(begins, ends)


class RateOfAlarms(click.ParamType[float]):
    """A rate of alarms such as `1/day`, as alarms an hour."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Alarms an hour.

        Raises:
            click.BadParameter: not a number, a slash, and hour, day or week.
        """
        count, _, unit = str(value).partition("/")
        if unit not in HOURS:
            self.fail(f"{value!r} is no rate; write it as 1/day, 2/hour or 3/week.", param, ctx)
        return Number(0, 1e6, low_open=True).convert(count, param, ctx) / HOURS[unit]


@dataclass
class FootageReader:
    """Scores footage causally, file by file, with one opened backbone.

    Attributes:
        session: None where all files are extracted states.
    """

    probe: Probe
    ema_weight: float
    session: Session | None
    quiet: bool
    failures: Failures = field(default_factory=Failures)

    def blocks(self, files: Sequence[Path], *, block_seconds: float) -> FootageBlocks:
        """Blocks of the files in order, with their causal scores and local hours.

        Raises:
            VideoError: no file could be read.
        """
        from hiprobe.calibration import footage_blocks

        timelines, recorded = [], []
        for file in files:
            with self.failures.of(file):
                timelines.append(self._timeline(file))
                recorded.append(_local_moment(file))
        if not timelines:
            self.failures.report()
            raise VideoError("none of the footage could be read; see the reasons above")
        return footage_blocks(timelines, block_seconds=block_seconds, recorded=recorded)

    def _timeline(self, file: Path) -> Timeline:
        from hiprobe.pipeline import detect_video

        with progress_bar(file.name, quiet=self.quiet) as progress:
            found = detect_video(
                file,
                probe=self.probe,
                backbone=self.session.backbone if self.session else None,
                score=lambda states: self.probe.detect(
                    states, smoothing="ema", ema_weight=self.ema_weight
                ),
                settings=self.session.settings if self.session else None,
                cache=self.session.cache if self.session else None,
                progress=progress,
            )
        return found.timeline


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
    help="What counts as day; day and night are told apart where names or files tell their clock.",
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
    """How footage is read for a calibrated camera: in segments of the same length and hop, and
    still ones skipped if they were.

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


def day_words(blocks: FootageBlocks, promise: AlarmPromise, day: DayPart) -> list[str]:
    """What the threshold does by day and by night; nothing where no clock is known."""
    parts = {"day": blocks.during(day), "night": blocks.during(day.rest)}
    if not any(map(len, parts.values())):
        return []
    lines = [_part_words(name, maxima, promise) for name, maxima in parts.items() if len(maxima)]
    lines += [
        f"by {name}: no footage, so nothing is promised for the {name}"
        for name, maxima in parts.items()
        if not len(maxima)
    ]
    if blocks.unknown:
        hours = blocks.unknown * promise.block_seconds / 3600
        lines.append(f"of {hours:.2g} hours the time of day is not known")
    return lines


def _part_words(name: str, maxima: NDArray[np.float64], promise: AlarmPromise) -> str:
    from hiprobe.calibration import conformal_threshold

    alone = conformal_threshold(
        maxima,
        per_hour=promise.asked_per_hour,
        block_seconds=promise.block_seconds,
        confidence=promise.confidence,
    )
    alarms = int((maxima > promise.threshold).sum())
    own = (
        f"a threshold of its own would be {alone.threshold:.4f}"
        if alone.is_kept
        else "too little for a threshold of its own"
    )
    return (
        f"by {name}: {alone.hours:.2g} hours, {alarms} alarms, {alarms / alone.hours:.2g} an hour; "
        f"{own}"
    )


def clip_words(probe: Probe, camera: CalibratedCamera) -> list[str]:
    """What the threshold does to the labelled clips of the fit, each held out from it."""
    import numpy as np

    from hiprobe.probe import Probe
    from hiprobe.probe.fitting import training_set_for
    from hiprobe.probe.selection import cross_validate

    unknown = "what it does to the labelled clips is not known:"
    if "heads" in probe.facts():
        return [f"{unknown} a probe on attention heads cannot leave out a clip afterwards"]
    try:
        examples = probe.examples()
    except ProbeFolderError:
        return [f"{unknown} the probe was saved without them"]
    # The choices of the fit are kept, so each fold only repeats the fit itself; one draw of the
    # folds is enough to count clips.
    own = {"smoothing": "ema", "ema_weight": camera.ema_weight, "mode": probe.mode_, "draws": 1}
    causal = Probe(**{**probe.get_params(deep=False), **own})
    data = training_set_for(examples, causal)
    scores = cross_validate(data, causal.settled()).by_mode[probe.mode_]
    if np.isnan(scores).all():
        return [f"{unknown} they come from too few sources to hold one out"]
    above = scores > camera.promise.threshold
    found = [f"{above[data.labels == v].sum()} of {(data.labels == v).sum()}" for v in (1, 0)]
    lines = [
        f"labelled clips above it, each scored by a fit without it: {found[0]} abnormal, "
        f"{found[1]} normal"
    ]
    missed = [n for n, y, hit in zip(data.names, data.labels, above, strict=True) if y and not hit]
    if missed:
        lines.append(f"abnormal clips missed: {named_in_a_line(missed, most=MOST_NAMED)}")
    return lines


def say_drift(camera: CalibratedCamera, maxima: NDArray[np.float64]) -> None:
    """Alarms in newer footage, and whether they contradict the promise."""
    import numpy as np

    from hiprobe.calibration import drift

    promise, new = camera.promise, maxima[np.isfinite(maxima)]
    if not len(new):
        raise UsageError("no block of the newer footage has a score; give longer footage")
    # A block is as long as the cool-down, so each holds at most one alarm.
    hours = len(new) * promise.block_seconds / 3600
    alarms = int((new > promise.threshold).sum())
    echo(
        f"newer footage: {hours:.2g} hours, {alarms} alarms, {alarms / hours:.2g} an hour "
        f"({promise.promised_per_hour:.2g} promised)"
    )
    evidence = drift(camera.maxima, new)
    over = np.flatnonzero(evidence >= EVIDENCE)
    if not len(over):
        echo(f"no sign of drift: evidence {evidence.max():.2g}, and {EVIDENCE:g} would be one")
        return
    after = (int(over[0]) + 1) * promise.block_seconds / 3600
    echo(
        f"drift: after {after:.2g} hours of it the evidence reached {EVIDENCE:g}, which happens "
        "once in twenty times while the promise holds. Scores are higher than they were: calibrate "
        "again on footage of today, unless much that is abnormal happened in it"
    )
