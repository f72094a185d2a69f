"""`hiprobe calibrate`: a threshold that keeps to a rate of false alarms on one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, progress_bar, say
from hiprobe.cli.options import Number, SessionOptions
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import expand_videos, open_for_probe, say_how_it_is_cut
from hiprobe.errors import ProbeFolderError, UsageError, VideoError
from hiprobe.names import absolute, named_in_a_line, path_text, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiprobe.cli.session import Session
    from hiprobe.probe import Probe
    from hiprobe.probe.camera_file import CalibratedCamera
    from hiprobe.timeline import Timeline

HOURS = {"hour": 1, "day": 24, "week": 168}

# From here on drift is told: while the promise holds, it gets so far once in twenty cameras.
EVIDENCE = 20.0

MOST_NAMED = 10
MAX_NAME = 200


class RateOfAlarms(click.ParamType[float]):
    """So many alarms a time, as `1/day`, in alarms an hour."""

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
        kept: where the states of what was scored last lie, see `CalibratedCamera.footage`.
    """

    probe: Probe
    ema_weight: float
    session: Session | None
    quiet: bool
    failures: Failures = field(default_factory=Failures)
    kept: list[str] = field(default_factory=list)

    def maxima(self, files: Sequence[Path], *, block_seconds: float) -> NDArray[np.float64]:
        """Highest causal score of each block of the files in order.

        Raises:
            VideoError: no file could be read.
        """
        from hiprobe.calibration import footage_maxima

        timelines = []
        self.kept = []
        for file in files:
            with self.failures.of(file):
                timelines.append(self._timeline(file))
                self.kept += self._place_of_states(file)
        if not timelines:
            self.failures.report()
            raise VideoError("none of the footage could be read; see the reasons above")
        if len(self.kept) < len(timelines):  # of some only: not the footage of these maxima
            self.kept = []
        return footage_maxima(timelines, block_seconds=block_seconds)

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
        maxima = reader.maxima(seen, block_seconds=cooldown_seconds)
        known = _calibrated(maxima, reader, false_alarms, confidence, cooldown_seconds, how)
        _keep(probe, camera, known, reader)
    if newer:
        block_seconds = known.promise.block_seconds
        say_drift(known, reader.maxima(newer, block_seconds=block_seconds))
    reader.failures.finish()


def as_calibrated(camera: CalibratedCamera, how: SessionOptions) -> SessionOptions:
    """How footage is read for a calibrated camera: in segments of the same length and hop, and
    still ones skipped if they were.

    Raises:
        UsageError: another length or hop is asked for, or still ones skipped where they were not.
    """
    for name, option in options.LENGTHS.items():
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
    lengths = {name: getattr(camera, name) for name in options.LENGTHS}
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
        maxima=tuple(maxima[np.isfinite(maxima)].tolist()),
        ema_weight=reader.ema_weight,
        **{name: getattr(how, name) for name in options.LENGTHS},
        skip_still=how.skip_still,
        footage=tuple(reader.kept),
    )


def _keep(folder: Path, name: str, camera: CalibratedCamera, reader: FootageReader) -> None:
    """Say what came of it, and write it into the probe's folder."""
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
    for line in clip_words(reader.probe, camera):
        echo(line)
    write_camera(folder, name, camera)
    if not reader.quiet:
        say(
            f"wrote {shown(folder / CALIBRATION_NAME)}; next: hiprobe detect {shown(folder)} VIDEO "
            f"--camera {shown(name)}"
        )


def clip_words(probe: Probe, camera: CalibratedCamera) -> list[str]:
    """What the threshold does to the labelled clips of the fit, each held out from it."""
    import numpy as np

    from hiprobe.probe import Probe
    from hiprobe.probe.fitting import training_set_for
    from hiprobe.probe.selection import cross_validate

    unknown = "what it does to the labelled clips is not known:"
    if "heads" in probe.facts():
        return [f"{unknown} of a probe on attention heads no clip can be held out afterwards"]
    try:
        examples = probe.examples()
    except ProbeFolderError:
        return [f"{unknown} the probe was saved without them"]
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
    """Alarms in newer footage, and whether it tells against the promise."""
    import numpy as np

    from hiprobe.calibration import drift

    promise, new = camera.promise, maxima[np.isfinite(maxima)]
    if not len(new):
        raise UsageError("no block of the newer footage has a score; give longer footage")
    hours = len(new) * promise.block_seconds / 3600
    alarms = int((new > promise.threshold).sum())
    echo(
        f"newer footage: {hours:.2g} hours, {alarms} alarms, {alarms / hours:.2g} an hour "
        f"({promise.promised_per_hour:.2g} promised)"
    )
    evidence = drift(camera.maxima, new)
    told = np.flatnonzero(evidence >= EVIDENCE)
    if not len(told):
        echo(f"no sign of drift: evidence {evidence.max():.2g}, and {EVIDENCE:g} would be one")
        return
    after = (int(told[0]) + 1) * promise.block_seconds / 3600
    echo(
        f"drift: after {after:.2g} hours of it the evidence reached {EVIDENCE:g}, which happens "
        "once in twenty times while the promise holds. Scores are higher than they were: calibrate "
        "again on footage of today, unless much that is abnormal happened in it"
    )
