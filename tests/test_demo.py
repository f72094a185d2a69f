from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hiprobe.datasets.clips import LabelledClip
from hiprobe.demo import hold_out, joining_order, real_material
from hiprobe.errors import LabelError
from hiprobe.video.probe import video_info
from hiprobe.video.write import write_video


def clips(normal: int, anomalous: int, *, per_source: int = 1) -> list[LabelledClip]:
    labels = [0] * normal + [1] * anomalous
    return [
        LabelledClip(Path(f"{i}.mp4"), v, str(v), f"{v}-{i // per_source}", None, None, f"{i}.mp4")
        for i, v in enumerate(labels)
    ]


@pytest.mark.parametrize("counts", [(2, 2), (4, 2), (12, 12), (77, 116)])
def test_sources_are_never_on_both_sides(counts: tuple[int, int]) -> None:
    split = hold_out(clips(*counts, per_source=2 if min(counts) > 3 else 1), seed=3)
    assert not {c.source for c in split.fit} & {c.source for c in split.held_out}
    assert {c.label for c in split.fit} == {c.label for c in split.held_out} == {0, 1}


def test_most_clips_stay_for_fitting() -> None:
    every = clips(40, 40)
    split = hold_out(every, seed=0)
    assert len(split.fit) + len(split.held_out) == len(every)
    assert len(split.fit) >= 0.6 * len(every)


def test_one_source_for_each_class_is_too_few() -> None:
    with pytest.raises(LabelError, match="at least two"):
        hold_out(clips(4, 4, per_source=4), seed=0)


@pytest.mark.parametrize("counts", [(19, 6), (13, 6), (60, 60), (4, 9)])
def test_normal_cuts_are_as_frequent_as_cuts_at_events(counts: tuple[int, int]) -> None:
    order = joining_order(clips(*counts), seed=1)
    labels = [c.label for c in order]
    pairs = list(pairwise(labels))
    assert labels[0] == labels[-1] == 0
    assert pairs.count((0, 0)) == pairs.count((0, 1)) + pairs.count((1, 0))
    assert len(set(order)) == len(order)


def test_the_seed_decides_and_nothing_else() -> None:
    every = clips(30, 30)
    assert hold_out(every, seed=5) == hold_out(list(every), seed=5)
    assert hold_out(every, seed=5) != hold_out(every, seed=6)


def write_clip(path: Path, shade: int) -> None:
    frames = (np.full((48, 64, 3), shade + i, np.uint8) for i in range(12))
    write_video(path, frames, fps=12)


def test_real_clips_become_a_joined_video_with_known_truth(tmp_path: Path) -> None:
    for i in range(5):
        for name in ("normal", "abnormal"):
            (tmp_path / "clips" / name).mkdir(parents=True, exist_ok=True)
            write_clip(tmp_path / "clips" / name / f"{i}.mp4", 40 * i)
    skipped: list[Path] = []
    (tmp_path / "clips" / "normal" / "broken.mp4").write_text("no video")
    material = real_material(
        tmp_path / "clips", tmp_path / "out", seed=2, skip=lambda p, _: skipped.append(p)
    )
    length = video_info(material.video).duration_seconds_from_header
    assert not material.rendered
    assert length == pytest.approx(len(material.cuts_seconds) + 1.0, abs=0.1)
    assert all(end - start == pytest.approx(1.0) for start, end in material.truth_spans)
    assert all(start in material.cuts_seconds for start, _ in material.truth_spans)
    assert material.truth_spans
