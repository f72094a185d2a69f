"""`hiprobe demo`: fit on some clips and detect in an unseen video, in one command."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, say
from hiprobe.cli.detect import Detection, KnownTruth, Scoring, Wanted
from hiprobe.cli.fit_clips import FitSettings, Fitting
from hiprobe.cli.fit_report import layer_curves
from hiprobe.cli.run_files import Failures
from hiprobe.cli.session import SessionOptions
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import UsageError, VideoError
from hiprobe.failures import failure_of
from hiprobe.report.writers import FORMATS
from hiprobe.spec import BackboneSpec
from hiprobe.store.content_hash import content_hash

if TYPE_CHECKING:
    from hiprobe.datasets.clips import LabelledClip
    from hiprobe.report.words import Span


# Results are named after the video, so even a table of numbers says what it is of.
RENDERED_NAME, JOINED_NAME = "rendered-scenes.mp4", "joined-clips.mp4"


@dataclass(frozen=True)
class Material:
    """Everything that the demonstration runs on.

    Attributes:
        fit: clips to fit on.
        video: the untrimmed video, of sources that are not among `fit`.
        truth_spans: its events, half-open, in seconds.
        cuts_seconds: where one clip or scene ends and the next begins.
        rendered: True where all of it was rendered by a program.
        kind: what the video is, in two words, for every output.
        what: the whole in one sentence.
    """

    fit: tuple[LabelledClip, ...]
    video: Path
    truth_spans: tuple[tuple[float, float], ...]
    cuts_seconds: tuple[float, ...]
    rendered: bool
    kind: str
    what: str


def rendered_material(folder: Path, *, seed: int = 0) -> Material:
    """Rendered scenes, of kinds and seeds that no training has used, below `folder`.

    Raises:
        StorageError: the folder cannot be written.
    """
    from hiprobe.datasets.clips import read_clips
    from hiprobe.scenes.demo_scenes import cuts_of, plan_parts, write_demo_clips, write_demo_video
    from hiprobe.scenes.stories import DEMO_SEEDS

    table = write_demo_clips(folder / "clips", seed=DEMO_SEEDS.start + 1000 * seed)
    video = folder / RENDERED_NAME
    half = len(DEMO_SEEDS) // 2  # far from the seeds of the clips
    of_video = DEMO_SEEDS.start + half + 1000 * seed
    spans, cuts = write_demo_video(video, seed=of_video), cuts_of(plan_parts(of_video))
    clips = read_clips(table)
    what = f"{len(clips)} rendered clips (no real footage) and a rendered video of unseen scenes"
    return Material(clips, video, spans, cuts, True, "rendered scenes", what)


def real_material(
    path: Path,
    folder: Path,
    *,
    normal: str | Sequence[str] | None = None,
    seed: int = 0,
    skip: Callable[[Path, str], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Material:
    """Real labelled clips: some sources to fit on, clips of the others joined to one video.

    Args:
        path: folder or table of clips, as `read_clips` takes it.
        folder: where the joined video is written.
        skip: called with each held-out clip that cannot be read, and why; the others are joined.
        tell: called with sentences on files that are left out or have the same content.

    Raises:
        LabelError: too few sources to hold some out.
        VideoError: none of the held-out clips can be read.
    """
    from hiprobe.datasets.clips import read_labelled
    from hiprobe.datasets.joining import hold_out, join_labelled, joining_order
    from hiprobe.datasets.same_content import settle_copies

    found = read_labelled(path, normal=normal)
    settled = settle_copies(found.clips, digest=content_hash)
    if tell is not None:
        for remark in (*found.remarks, *settled.remarks):
            tell(remark)
    clips = settled.clips
    for clip in clips:
        if is_states_name(clip.video):
            raise UsageError(f"{clip.video} holds states; a demonstration joins videos, give those")
    split = hold_out(clips, seed=seed)
    ordered = joining_order(_readable(split.held_out, skip), seed=seed)
    joined = join_labelled(ordered, folder / JOINED_NAME)
    what = f"{len(split.fit)} clips, and a video joined from {len(ordered)} clips of unseen sources"
    cuts = joined.cuts_seconds
    return Material(split.fit, joined.path, joined.spans, cuts, False, "joined clips", what)


def _readable(
    clips: Sequence[LabelledClip], skip: Callable[[Path, str], None] | None
) -> list[LabelledClip]:
    from hiprobe.video.video_info import video_info

    usable = []
    for clip in clips:
        try:
            video_info(clip.video)
            usable.append(clip)
        except Exception as error:
            failure = failure_of(clip.video, error)
            if skip is not None:
                skip(failure.video, failure.reason)
    if not usable:
        raise VideoError("none of the held-out clips can be read; check the files")
    return usable


def demonstrate(
    clips: Path | None,
    *,
    normal: Sequence[str],
    out: Path,
    backbone: BackboneSpec,
    seed: int,
    quiet: bool,
) -> None:
    """Fit, detect in an unseen untrimmed video, and write everything below `out`.

    Args:
        clips: real labelled clips; None for rendered scenes.
        normal: names of the normal classes of `clips`.
        seed: of the scenes, or of the sources that are held out and their order.
    """
    from hiprobe.report.words import JOINED_NOTE, RENDERED_NOTE

    began = time.monotonic()
    failures = Failures()
    if not quiet:
        say("rendering scenes" if clips is None else f"holding out sources of {clips}")
    material = (
        rendered_material(out, seed=seed)
        if clips is None
        else real_material(
            clips, out, normal=normal, seed=seed, skip=failures.add, tell=None if quiet else say
        )
    )
    # Good figures on rendered or joined video mislead, so the note comes before any of them.
    note = RENDERED_NOTE if material.rendered else JOINED_NOTE
    echo(material.what)
    echo(note)
    fitting = Fitting.of(
        material.fit,
        settings=FitSettings.usual(seed=seed),
        how=SessionOptions(backbone=backbone, quiet=quiet),
    )
    # In the order in which they were met: clips were held out before the others were read.
    fitting.failures.items[:0] = failures.items
    _detect(material, fitting, out, note=note, quiet=quiet)
    if not quiet:
        minutes = (time.monotonic() - began) / 60
        say(f"done in {minutes:.1f} min; open {out / material.video.stem}.html")
    fitting.failures.finish()


def _detect(material: Material, fitting: Fitting, out: Path, *, note: str, quiet: bool) -> None:
    from hiprobe.evaluation.cuts import measure_cuts
    from hiprobe.report.layer_chart import plot_layers
    from hiprobe.report.words import event_spans

    probe = fitting.save(out / "probe")
    curves = layer_curves(fitting.paper or probe)  # a committee has no one layer to show
    plot_layers(curves, out / "layers.png", note=note if material.rendered else None)
    run = Detection(
        probe=probe,
        files=(material.video,),
        wanted=Wanted(out=out, formats=FORMATS, explain=True),
        scoring=Scoring(),
        session=fitting.session,
        quiet=quiet,
        truth=KnownTruth(
            material.truth_spans, material.cuts_seconds, (note,), material.kind, curves
        ),
        failures=fitting.failures,
    )
    name = run.run_file.names.own(material.video, material.video.stem)
    timeline = run.one(material.video, name).timeline
    echo(compare(event_spans(timeline), material.truth_spans))
    spans, cuts = material.truth_spans, material.cuts_seconds
    for sentence in measure_cuts(timeline, truth_spans=spans, cuts_seconds=cuts).sentences():
        echo(sentence)
    run.run_file.write(interrupted=False)


def compare(detected: Sequence[Span], truth: Sequence[Span]) -> str:
    """How much of the truth was detected, and how much of what was detected is true."""
    from hiprobe.report.words import overlap_seconds

    met = sum(overlap_seconds(span, detected) > 0 for span in truth)
    true = sum(overlap_seconds(span, truth) > 0 for span in detected)
    seconds = sum(overlap_seconds(span, truth) for span in detected)
    length = sum(end - start for start, end in truth)
    return (
        f"{met} of {len(truth)} true events were found, {seconds:.1f} of their {length:.1f} s; "
        f"{len(detected) - true} of {len(detected)} detected events lie outside the truth"
    )


@click.command()
@click.option(
    "--clips",
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER|CSV",
    help="Labelled clips [default: rendered scenes, which say nothing about real cameras].",
)
@options.normal
@options.out("hiprobe-demo")
@options.how_opened(options.backbone, options.prompt, *options.numbers)
@options.seed
@options.quiet
def demo(
    clips: Path | None,
    normal: tuple[str, ...],
    out: Path,
    spec: BackboneSpec,
    seed: int,
    quiet: bool,
) -> None:
    """Try everything once: fit on a few clips, then detect in a video of other sources.

    With --clips, some sources are left out of the fit, and their clips are joined to one video to
    detect in, with as many joins between normal clips as at events. The folder then holds the
    probe, the events as JSON and CSV, the score curve with real and detected events, the annotated
    video, the chart of layers and a report.

    \b
    Examples:
      hiprobe demo
      hiprobe demo --clips clips.csv --out try
    """
    demonstrate(clips, normal=normal, out=out, backbone=spec, seed=seed, quiet=quiet)
