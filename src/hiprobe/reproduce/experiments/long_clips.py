"""What to fit on when labelled clips are long and abnormal only in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import UsageError
from hiprobe.paper import KEY_FRAMES
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.selection import cross_validate
from hiprobe.probe.training_set import MODES, roc_auc, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import HIGHEST_AUC, Estimate
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.held_out import source_folds
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.reproduce.scored import states_digest
from hiprobe.segment import Segment
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.video.clip import read_clip

# Each divides the number of key frames, so that all clips of a video are shown equally.
CLIPS_OF_A_VIDEO = (1, 2, 4, 8)

GROUPS = 4
# In each group, or as many as it has abnormal clips.
VIDEOS_OF_A_KIND = 6

# Clips whose key frames are in memory at a time: a clip is part of several videos of its group,
# and its frames, a few of full size, take some 10 MB.
CLIPS_IN_MEMORY = 32

PROTOCOL = (
    "an abnormal video is one abnormal clip among normal ones, a normal video normal clips alone; "
    "{groups} groups of sources, up to {videos} videos of each kind from each; each group is "
    "scored by a fit on the others, layer by DLSP; the seeds draw the videos"
)
NOTE = (
    "Segments are those of the clips; the vector of a video is read from eight key frames over "
    "all of it. A video holds no segment across a cut."
)


def run(bench: Bench) -> Findings:
    """Every number of clips, every mode, on every data set.

    Raises:
        UsageError: a data set consists of extracted states, which have no pictures to show.
    """
    rows: list[ResultRow] = []
    steps = Steps(bench.say, "long-clips", len(bench.request.data) * len(CLIPS_OF_A_VIDEO))
    for data in bench.request.data:
        if any(is_states_name(c.video) for c in bench.extraction.clips(data)):
            raise UsageError(f"{data.name}: long videos are made of clips; give videos, not states")
        for count in CLIPS_OF_A_VIDEO:
            rows += _rows(bench, data, count)
            steps.step(f"{data.name}, {count} clips a video")
    return Findings(rows=tuple(rows), notes=(NOTE,))


def _rows(bench: Bench, data: DataSource, count: int) -> list[ResultRow]:
    examples = bench.extraction.examples(data)
    lengths = [e.covered_seconds for e in examples]
    setting = f"{count} clips a video, {count * float(np.median(lengths)):.0f} s"
    key: dict[str, Any] = {"states": states_digest(examples), "count": count}
    pieces = []
    for seed in bench.request.seeds:
        drawn = draw_videos(examples, count=count, seed=seed)
        pieces.append(
            bench.finished.piece(
                {**key, "seed": seed, "videos": [[e.name for e in v.parts] for v in drawn]},
                partial(_areas, bench, data, drawn),
            )
        )
    protocol = PROTOCOL.format(groups=GROUPS, videos=VIDEOS_OF_A_KIND)
    table = bench.table(data, "What is fitted on", protocol)
    return [
        table.row(setting, f"{HIGHEST_AUC}, {mode}", Estimate.of_seeds(p[mode] for p in pieces))
        for mode in MODES
    ]


@dataclass(frozen=True)
class DrawnVideo:
    """Clips in the order in which they follow each other, all of one group of sources."""

    parts: tuple[LabelledStates, ...]
    group: int

    @property
    def label(self) -> int:
        """1 where any of the clips is abnormal."""
        return max(e.label for e in self.parts)

    @property
    def name(self) -> str:
        """The names of its clips."""
        return "+".join(e.name for e in self.parts)


def draw_videos(examples: Sequence[LabelledStates], *, count: int, seed: int) -> list[DrawnVideo]:
    """Videos of `count` clips each; no clip comes twice in one, no group shares a source.

    Raises:
        UsageError: a group has fewer normal clips than a video needs.
    """
    rng = np.random.default_rng([seed, count])
    found: list[DrawnVideo] = []
    # The groups are the same for all seeds: those draw the videos only.
    groups = source_folds(examples, folds=GROUPS, seed=0)
    for number, (_, held) in enumerate(groups):
        normal = [examples[i] for i in held if not examples[i].label]
        abnormal = [examples[i] for i in held if examples[i].label]
        if len(normal) < count:
            raise UsageError(
                f"a group of sources has {len(normal)} normal clips, and a video takes {count}; "
                "give more normal clips"
            )
        kinds = min(VIDEOS_OF_A_KIND, len(abnormal))
        for event in rng.permutation(len(abnormal))[:kinds]:
            others = [normal[i] for i in rng.permutation(len(normal))[: count - 1]]
            others.insert(int(rng.integers(count)), abnormal[event])
            found.append(DrawnVideo(tuple(others), number))
            quiet = [normal[i] for i in rng.permutation(len(normal))[:count]]
            found.append(DrawnVideo(tuple(quiet), number))
    return found


def _areas(bench: Bench, data: DataSource, drawn: Sequence[DrawnVideo]) -> dict[str, float]:
    """AUC of each mode by the highest segment score of each video."""
    files = {c.name: c.video for c in bench.extraction.clips(data)}
    key_frames = KEY_FRAMES // len(drawn[0].parts)
    shown = lru_cache(CLIPS_IN_MEMORY)(lambda name: read_clip(files[name], key_frames=key_frames))
    videos = [_read(bench, video, shown) for video in drawn]
    found = training_set(videos)
    # The group is the source of a video, so the folds are the groups.
    checked = cross_validate(found, Parameters(mode="auto", folds=GROUPS).settled())
    return {mode: roc_auc(found.labels, scores) for mode, scores in checked.by_mode.items()}


def _read(bench: Bench, video: DrawnVideo, shown: Callable[[str], Segment]) -> LabelledStates:
    """States of a video; `shown` gives a clip's key frames by its name."""
    reading = bench.request.reading
    # Segments come from the cache: none of them spans two clips, so they are what they were.
    segments = _in_a_row([e.segments for e in video.parts if e.segments is not None])
    if len(video.parts) == 1:
        clip = video.parts[0].clip
    else:
        clip = _whole(bench, [shown(e.name) for e in video.parts], reading, like=segments)
    return LabelledStates(video.name, video.label, f"group {video.group}", clip, segments)


def _in_a_row(parts: Sequence[States]) -> States:
    """The segments of all parts, each part starting where the one before ended."""
    starts, ends, offset = [], [], 0.0
    for part in parts:
        starts.append(part.start_seconds - part.start_seconds[0] + offset)
        ends.append(part.end_seconds - part.start_seconds[0] + offset)
        offset = float(ends[-1][-1])
    return replace(
        parts[0],
        values=np.concatenate([p.values for p in parts]),
        start_seconds=np.concatenate(starts),
        end_seconds=np.concatenate(ends),
        failed=np.concatenate([p.failed for p in parts]),
        reused=np.concatenate([p.reused for p in parts]),
    )


def _whole(bench: Bench, shown: Sequence[Segment], reading: Reading, *, like: States) -> States:
    """States of one segment over all clips: their key frames one after the other."""
    end = float(like.end_seconds[-1])
    count = sum(s.frame_count for s in shown)
    frames = tuple(frame for s in shown for frame in s.frames)
    whole = Segment(
        index=0, start_seconds=0.0, end_seconds=end, start_pts=0, end_pts=count,
        time_base_seconds=end / count, first_frame=0, frame_count=count, frames=frames,
        frame_seconds=tuple((i + 0.5) * end / len(frames) for i in range(len(frames))),
    )  # fmt: skip
    values = bench.extraction.backbone.states([whole], layers=like.layers, readings=(reading,))
    return replace(
        like,
        values=values[reading],
        start_seconds=np.zeros(1),
        end_seconds=np.full(1, end),
        failed=np.zeros(1, np.bool_),
        reused=np.zeros(1, np.bool_),
    )
