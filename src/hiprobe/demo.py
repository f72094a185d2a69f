"""What the demonstration runs on: clips to fit on, and one untrimmed video whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.datasets.clips import LabelledClip, read_clips
from hiprobe.datasets.joining import common_shape, hold_out, joining_order
from hiprobe.errors import UsageError, VideoError

RENDERED_NAME, JOINED_NAME = "rendered-scenes.mp4", "joined-clips.mp4"
"""Results are named after the video, so even a table of numbers says what it is of."""


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
    from hiprobe.scenes.demo import cuts_of, plan_parts, write_demo_clips, write_demo_video
    from hiprobe.scenes.kinds import DEMO_SEEDS

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
    normal: str | None = None,
    seed: int = 0,
    skip: Callable[[Path, str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Material:
    """Real labelled clips: some sources to fit on, clips of the others joined to one video.

    Args:
        path: folder or table of clips, as `read_clips` takes it.
        folder: where the joined video is written.
        skip: told of each held-out clip that cannot be read; the others go on.
        say: told how many files are passed over since HiProbe wrote them.

    Raises:
        LabelError: too few sources to hold some out.
        VideoError: none of the held-out clips can be read.
    """
    from hiprobe.video.join import JoinPart, join_clips

    clips = read_clips(path, normal=normal, say=say)
    _refuse_states(clips)
    split = hold_out(clips, seed=seed)
    ordered = joining_order(_readable(split.held_out, skip), seed=seed)
    parts = [
        JoinPart(c.video, c.label, c.source, c.name, c.start_seconds, c.end_seconds)
        for c in ordered
    ]
    width, height, fps = common_shape(c.video for c in ordered)
    joined = join_clips(
        parts, folder / JOINED_NAME, width=width, height=height, fps=fps, fit="crop"
    )
    what = f"{len(split.fit)} clips, and a video joined from {len(parts)} clips of unseen sources"
    cuts = joined.cuts_seconds
    return Material(split.fit, joined.path, joined.spans, cuts, False, "joined clips", what)


def _refuse_states(clips: Iterable[LabelledClip]) -> None:
    from hiprobe.datasets.clips import STATES_SUFFIX

    for clip in clips:
        if clip.video.suffix == STATES_SUFFIX:
            raise UsageError(f"{clip.video} holds states; a demonstration joins videos, give those")


def _readable(
    clips: Sequence[LabelledClip], skip: Callable[[Path, str], None] | None
) -> list[LabelledClip]:
    from hiprobe.video.probe import video_info

    usable = []
    for clip in clips:
        try:
            video_info(clip.video)
            usable.append(clip)
        except VideoError as error:
            if skip is not None:
                skip(clip.video, str(error))
    if not usable:
        raise VideoError("none of the held-out clips can be read; check the files")
    return usable
