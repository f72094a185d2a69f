"""Folds by source, each with a video joined from its held-out clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.joining import join_labelled, joining_order
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.datasets.video_files import is_states_name
from hiprobe.documents.checked import read_json
from hiprobe.documents.schemas import JoinedFacts
from hiprobe.errors import LabelError
from hiprobe.evaluation.frame_scores import seconds_to_frames
from hiprobe.paper import KEY_FRAMES
from hiprobe.reproduce.clip_states import Bench, Extraction, OwnTruth
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo, VideoPart
from hiprobe.reproduce.held_out import source_folds
from hiprobe.reproduce.request import DataSource
from hiprobe.segment import covered_seconds
from hiprobe.states import LabelledStates, States
from hiprobe.store.atomic import atomic_path

# Most anomalous clips in one joined video.
EVENTS = 6

JOINED = (
    "{folds} folds grouped by source; held-out clips joined to one video a fold (cuts between "
    "normal clips as often as at events)"
)
NATURAL = "{folds} folds grouped by source; held-out videos whole, with their frame-level truth"
SPLIT = (
    "fitted on {share} of the training split, drawn by seed, one label a video; tested on every "
    "frame of the test split"
)
# Where neither manifest nor video says.
NOMINAL_FPS = 25.0

CLIPS = "{folds} folds grouped by source; clips only"


def tests_of(
    bench: Bench,
    data: DataSource,
    *,
    seed: int,
    key_frames: int = KEY_FRAMES,
    by_frame: bool = True,
) -> Iterator[FrameTest]:
    """One test for each fold, or one for a data set with a test split.

    Clips without frame-level truth are joined to untrimmed videos whose truth is known; videos
    with spans are tested as they are. Extracted states in place of videos give clips only.

    Args:
        by_frame: False leaves the videos out.
    """
    examples = bench.extraction.examples(data, key_frames=key_frames)
    truth = bench.extraction.truth(data)
    if truth is not None and truth.labelled is not None:
        yield _split_test(bench, data, truth, truth.labelled, examples, seed, key_frames)
        return
    rows = _rows_by_clip(bench, data, truth) if truth is not None and by_frame else {}
    # With true spans nothing needs to be joined.
    joined = by_frame and truth is None and bool(clips_of(bench, data, examples))
    protocol = NATURAL if truth is not None and by_frame else JOINED if joined else CLIPS
    pairs = source_folds(examples, folds=bench.request.folds, seed=seed)
    for number, (train, rest) in enumerate(pairs):
        held = tuple(examples[i] for i in rest)
        videos = tuple(
            _natural(bench, rows[e.name], key_frames=key_frames) for e in held if e.name in rows
        )
        clips = clips_of(bench, data, held) if joined else []
        if clips:
            where = joining(bench, data, key_frames=key_frames)
            made = where.video(clips, name=f"seed{seed}-fold{number}", seed=seed)
            videos = () if made is None else (made,)
        fit = tuple(examples[i] for i in train)
        yield FrameTest(data.name, fit, videos, held, protocol.format(folds=len(pairs)))


def _split_test(
    bench: Bench,
    data: DataSource,
    truth: OwnTruth,
    labelled: Sequence[Manifest],
    examples: Sequence[LabelledStates],
    seed: int,
    key_frames: int,
) -> FrameTest:
    """The one test of a data set with a test split: its videos stand for held-out clips too."""
    names = {r.name for r in labelled[bench.request.seeds.index(seed)].rows}
    fit = tuple(e for e in examples if e.name in names)
    videos = tuple(_natural(bench, r, key_frames=key_frames, source=r.name) for r in truth.tested)
    share = f"{bench.request.labelled_share:.0%}"
    return FrameTest(data.name, fit, videos, (), SPLIT.format(share=share))


def _rows_by_clip(bench: Bench, data: DataSource, truth: OwnTruth) -> dict[str, ManifestRow]:
    """Rows with frame-level truth by the name of the clip."""
    # By path: clips are named otherwise than the rows of a manifest.
    rows = {r.video.resolve(): r for r in truth.tested}
    found = ((c.name, rows.get(c.video.resolve())) for c in bench.extraction.clips(data))
    return {name: row for name, row in found if row is not None}


def _natural(
    bench: Bench, row: ManifestRow, *, key_frames: int, source: str | None = None
) -> TestVideo:
    """A whole video with its own truth.

    Args:
        source: the recording that it counts as; the row's own unless given. In a published split
            a test video is its own source.
    """
    frames = row.frame_count or 0
    load = partial(bench.extraction.video, row.video, key_frames=key_frames)
    return TestVideo(
        name=row.name,
        load=load,
        frames=frames,
        fps=row.fps or _rate(row, load),
        spans=row.spans,
        parts=(VideoPart(0, frames, source or row.source),),
        joined=False,
        path=None if is_states_name(row.video) else row.video,
    )


def joining(bench: Bench, data: DataSource, *, key_frames: int = KEY_FRAMES) -> Joining:
    """How videos of a data set are joined; they lie in the folder of the results."""
    return Joining(bench.extraction, bench.request.out / "joined" / data.name, key_frames)


def clips_of(bench: Bench, data: DataSource, held: Sequence[LabelledStates]) -> list[LabelledClip]:
    """The videos of some labelled states; none for states that came from a file.

    Args:
        held: states of some of the data set's clips.
    """
    names = {e.name for e in held}
    found = (c for c in bench.extraction.clips(data) if c.name in names)
    return [c for c in found if not is_states_name(c.video)]


def _rate(row: ManifestRow, load: Callable[[], States]) -> float:
    """Frames a second where the manifest has none."""
    from hiprobe.video.video_info import video_info

    if is_states_name(row.video):
        states = load()
        seconds = covered_seconds(states.start_seconds, states.end_seconds)
        return (row.frame_count or 0) / seconds
    return video_info(row.video).fps_from_header or NOMINAL_FPS


@dataclass(frozen=True)
class Joining:
    """Where joined videos of one data set are kept, and how they are read."""

    extraction: Extraction
    folder: Path
    key_frames: int

    def video(self, clips: Sequence[LabelledClip], *, name: str, seed: int) -> TestVideo | None:
        """One video of clips of both kinds; None where there are too few of a kind.

        As many cuts lie between normal clips as at events, since a cut is itself a change.

        Args:
            name: of the file and its facts.
            seed: of the order.

        Raises:
            VideoError: a clip cannot be read.
        """
        try:
            ordered = joining_order(clips, seed=seed, events=EVENTS)
        except LabelError:
            return None
        return self._kept(ordered, name)

    def normal_video(self, clips: Sequence[LabelledClip], *, name: str) -> TestVideo | None:
        """One video of normal clips only; None where there are fewer than two."""
        ordered = tuple(c for c in clips if not c.label)
        return self._kept(ordered, name) if len(ordered) > 1 else None

    def path(self, name: str) -> Path:
        """The file of a joined video."""
        return self.folder / f"{name}.mp4"

    def _kept(self, ordered: Sequence[LabelledClip], name: str) -> TestVideo:
        names = [c.name for c in ordered]
        # joined once for all experiments of a run, and kept: encoding takes longer than fitting
        facts = _read(self.folder / f"{name}.json", names)
        if facts is None or not self.path(name).is_file():
            facts = _join(ordered, self.path(name))
        return TestVideo(
            name=name,
            load=partial(self.extraction.video, self.path(name), key_frames=self.key_frames),
            frames=facts["frames"],
            fps=facts["fps"],
            spans=tuple((int(a), int(b)) for a, b in facts["spans"]),
            parts=tuple(VideoPart(*p) for p in facts["parts"]),
            joined=True,
            path=self.path(name),
        )


def _join(ordered: Sequence[LabelledClip], path: Path) -> dict[str, Any]:
    """Write the video, then its facts: without them it does not count as finished."""
    joined = join_labelled(ordered, path)
    rate = float(joined.fps)
    edges = [0]
    for part in joined.parts:
        edges.append(edges[-1] + part.frame_count)
    facts = {
        "clips": [c.name for c in ordered],
        "frames": edges[-1],
        "fps": rate,
        "spans": [seconds_to_frames(span, fps=rate).tolist() for span in joined.spans],
        "parts": [
            [first, end, p.part.source]
            for first, end, p in zip(edges[:-1], edges[1:], joined.parts, strict=True)
        ],
    }
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")
    return facts


def _read(path: Path, names: Sequence[str]) -> dict[str, Any] | None:
    """Facts of a finished video; None unless it is joined from exactly these clips."""
    try:
        facts: dict[str, Any] = read_json(path, JoinedFacts, names=True)
    except (OSError, ValueError):
        return None
    return facts if facts.get("clips") == list(names) else None
