"""`hiprobe zero-label`: score by the backbone alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli import options
from hiprobe.cli.console import format_number, print_rich, progress_bar, say
from hiprobe.cli.named_files import clips_of, expand_videos
from hiprobe.cli.option_types import MAX_SCORE, MAX_SIGMA, Number
from hiprobe.cli.options import formats as output_formats
from hiprobe.cli.run_files import RunFile
from hiprobe.cli.session import Session, SessionOptions, open_session
from hiprobe.errors import UsageError
from hiprobe.names import shown

if TYPE_CHECKING:
    from hiprobe.baselines.asked import Method
    from hiprobe.baselines.attention_heads import FittedHeads
    from hiprobe.baselines.zero_label_video import ZeroLabelResult


# The methods of `hiprobe.baselines`, which is not loaded for a help text.
METHOD_NAMES = ("first-token", "ordinal", "decoded", "heads")


@click.command("zero-label")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB...")
@click.option(
    "--method",
    type=click.Choice(METHOD_NAMES),
    default="first-token",
    show_default=True,
    help="P(yes) of the first answer token, its mean over ten graded questions, the number that "
    "the model says, or attention heads.",
)
@click.option(
    "--questions",
    type=click.Choice(("pair", "ordinal")),
    help="With first-token: one question and its opposite, or ten of growing seriousness (the same "
    "as --method ordinal) [default: pair].",
)
@click.option(
    "--choose-on",
    type=click.Path(path_type=Path),
    metavar="FOLDER|CSV",
    help="Labelled clips to choose and weigh heads on; for --method heads only.",
)
@options.normal
@options.out("hiprobe-zero-label")
@output_formats
@click.option(
    "--threshold",
    type=Number(-MAX_SCORE, MAX_SCORE),
    help="Smoothed score above which there is an event [default: 0.5].",
)
@click.option("--sigma", type=Number(0, MAX_SIGMA), help="Smoothing over time, in segments.")
@options.how_to_read(with_prompt=False, with_workers=False)
def zero_label(
    videos: tuple[str, ...],
    method: Method,
    questions: str | None,
    choose_on: Path | None,
    normal: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    threshold: float | None,
    sigma: float | None,
    how: SessionOptions,
) -> None:
    """Score videos by what the backbone says, without a probe: baselines to compare with.

    first-token asks two Yes-or-No questions and compares with a blank clip; ordinal asks ten, from
    "is anything moving" to "is there an emergency", and takes the mean of P(yes); decoded asks for
    a number from 0 to 1 (an answer without one has no score, and is counted); heads reads the
    attention heads that separate abnormal from normal best and most stably over prompts. The first
    three use no labels. heads is chosen on labelled clips, as a probe is fitted on them.

    Results are those of `hiprobe detect`. `hiprobe reproduce zero-label` compares all of them with
    the probe on labelled clips.

    \b
    Examples:
      hiprobe zero-label camera.mp4
      hiprobe zero-label camera.mp4 --questions ordinal
      hiprobe zero-label recordings/ --method decoded --threshold 0.7
      hiprobe zero-label camera.mp4 --method heads --choose-on clips/
    """
    if questions is not None and method != "first-token":
        raise UsageError(f"--questions goes with --method first-token, not with {method}")
    asked = Asked(
        "ordinal" if questions == "ordinal" else method, choose_on, normal, threshold, sigma
    )
    score_without_probe(videos, asked, out, formats, how)


def score_without_probe(
    videos: Sequence[str],
    asked: Asked,
    out: Path,
    formats: Sequence[str],
    how: SessionOptions,
) -> None:
    """Score videos by a baseline, list their events and write their results.

    Raises:
        UsageError: a file holds states, which cannot be asked.
        BackboneError: the backbone cannot be opened, or does not offer what the method reads.
        LabelError: the labelled clips for the heads cannot be used.
    """
    from hiprobe.pipeline.source import open_source

    files = expand_videos(videos, out=out, tell=None if how.quiet else say)
    # All of them are looked at before the backbone is opened.
    for file in files:
        if not open_source(file).has_pictures:
            raise UsageError(f"{file} holds states; a baseline asks about the video itself")
    run = ZeroLabelRun(files, asked, out, formats, open_session(how))
    if asked.choose_on is not None:
        run.choose_heads(asked.choose_on)
    run.run_file.over(files, run.one)
    run.run_file.failures.finish()


NOTES: dict[Method, str] = {
    "first-token": "Scored without a probe and without labels, by the first token of the model's "
    "answer. The threshold is the middle of the scale, not fitted to anything.",
    "ordinal": "Scored without a probe and without labels, by the first token of the model's "
    "answers to ten questions of growing seriousness. The threshold is the middle of the scale, "
    "not fitted to anything.",
    "decoded": "Scored without a probe and without labels, by the number that the model says. The "
    "threshold is the middle of the scale, not fitted to anything.",
    "heads": "Scored without a probe, by attention heads that were chosen and weighed on labelled "
    "clips. The threshold is the middle of the scale, not fitted to anything.",
}


@dataclass(frozen=True)
class Asked:
    """Which baseline, and how scores become events; None is the default."""

    method: Method
    choose_on: Path | None = None
    normal: tuple[str, ...] = ()
    threshold: float | None = None
    sigma: float | None = None

    def __post_init__(self) -> None:
        from hiprobe.localize import check_threshold

        if self.threshold is not None:
            check_threshold(self.threshold)
        if (self.method == "heads") != (self.choose_on is not None):
            need = "needs" if self.method == "heads" else "takes no"
            raise UsageError(
                f"method {self.method} {need} labelled clips: --choose-on goes with --method heads"
            )


@dataclass
class ZeroLabelRun:
    """One run of `hiprobe zero-label`."""

    files: Sequence[Path]
    asked: Asked
    out: Path
    formats: Sequence[str]
    session: Session
    heads: FittedHeads | None = None

    def __post_init__(self) -> None:
        tell = None if self.session.quiet else say
        self.run_file = RunFile(self.out, hash_of=self.session.hash_of, say=tell)
        self.shown = self.run_file.shown(self.files)

    def choose_heads(self, clips: Path) -> None:
        """Choose heads on labelled clips, and say which.

        Raises:
            LabelError: the clips cannot be used.
            BackboneError: the backbone does not offer its heads.
        """
        from hiprobe.baselines.attention_heads import HeadsView, fit_heads_on, head_states_of

        labelled = clips_of(
            clips,
            normal=self.asked.normal,
            split=None,
            cached=self.session.cache is not None,
            quiet=self.session.quiet,
        )
        with progress_bar("clips", quiet=self.session.quiet) as progress:
            views, failures = head_states_of(
                labelled,
                backbone=self.session.backbone,
                settings=self.session.settings,
                cache=self.session.cache,
                progress=progress,
            )
        for failure in failures:
            self.run_file.add_failure(failure)
        count = HeadsView(self.session.backbone).heads_backbone.head_count
        self.heads = fit_heads_on(views, head_count=count)
        if not self.session.quiet:
            say(f"heads, chosen on {len(views[0])} labelled clips: {_named(self.heads)}")

    def one(self, file: Path, name: str) -> ZeroLabelResult:
        """Score one file, print its events, write its results.

        Args:
            name: what its results are named after.
        """
        from hiprobe.baselines.zero_label_video import zero_label_video
        from hiprobe.paper import SIGMA_SEGMENTS
        from hiprobe.report.terminal import events_table
        from hiprobe.report.writers import ScoredVideo, write_result

        quiet = self.session.quiet
        with progress_bar(self.shown[file], quiet=quiet) as progress:
            found = zero_label_video(
                file,
                backbone=self.session.backbone,
                method=self.asked.method,
                heads=self.heads,
                threshold=self.asked.threshold,
                sigma_segments=SIGMA_SEGMENTS if self.asked.sigma is None else self.asked.sigma,
                settings=self.session.settings,
                cache=self.session.cache,
                progress=progress,
            )
        timeline = found.timeline
        print_rich(events_table(timeline, video=shown(self.shown[file])))
        for line in _remarks(found):
            say(f"{shown(self.shown[file])}: {line}")
        scored = ScoredVideo(
            file,
            timeline,
            probe=self._facts(found),
            facts={"segments": len(timeline)},
            notes=(NOTES[self.asked.method],),
        )
        paths = write_result(scored, self.out, formats=self.formats, name=name)
        self.run_file.add(file, events=len(timeline.events), files=paths)
        if not quiet:
            for path in paths:
                say(f"wrote {shown(path)}")
        return found

    def _facts(self, found: ZeroLabelResult) -> dict[str, Any]:
        """What reports show in place of the facts of a probe, name to value."""
        fingerprint = self.session.backbone.fingerprint
        facts: dict[str, Any] = {
            "method": self.asked.method,
            "labels": "none" if self.heads is None else "heads chosen on labelled clips",
            "model": fingerprint.model,
            "fingerprint": fingerprint.digest,
            "unanswered_segments": found.unanswered,
        }
        if self.heads is not None:
            facts["heads"] = _named(self.heads)
        if found.mass is not None:
            facts["probability_of_yes_and_no"] = round(found.mass, 6)
        return facts


def _named(heads: FittedHeads) -> str:
    return ", ".join(f"layer {h.layer} head {h.number}" for h in heads.heads)


def _remarks(found: ZeroLabelResult) -> list[str]:
    """What a user must know about the answers to judge the scores."""
    # A model that answers with other words than Yes and No gives a ratio of two tiny numbers: noise
    # that looks like any other score.
    lines = []
    if found.unanswered:
        lines.append(
            f"{found.unanswered} of {len(found.timeline)} answers held no number; those segments "
            "have no score"
        )
    if found.mass is not None:
        share = format_number(found.mass, 3)
        lines.append(f"Yes and No together make up {share} of the first answer token's probability")
    return lines
