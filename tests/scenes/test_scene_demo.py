import csv
import itertools
from pathlib import Path

import pytest

from hiprobe.errors import UsageError
from hiprobe.scenes.demo_scenes import (
    cuts_of,
    plan_parts,
    spans_of,
    write_demo_clips,
    write_demo_video,
)
from hiprobe.scenes.stories import DEMO_ABNORMAL, DEMO_NORMAL, DEMO_SEEDS


@pytest.mark.parametrize("seed", [DEMO_SEEDS.start, DEMO_SEEDS.start + 77])
def test_the_untrimmed_video_is_mostly_normal_with_three_events(seed: int) -> None:
    parts = plan_parts(seed)
    seconds, spans = sum(part.seconds for part in parts), spans_of(parts)
    assert 40 <= seconds <= 75 and len(spans) == 3
    assert {part.kind for part in parts} <= set(DEMO_NORMAL + DEMO_ABNORMAL)
    assert sum(b - a for a, b in spans) < seconds / 2
    assert all(a < b for a, b in spans)
    assert all(x[1] < y[0] for x, y in itertools.pairwise(spans))
    assert len(cuts_of(parts)) == len(parts) - 1
    assert not set(cuts_of(parts)) & {edge for span in spans for edge in span}


def test_clips_and_table_are_written(tmp_path: Path) -> None:
    table = write_demo_clips(tmp_path, clips_per_class=1, seconds=0.5)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["normal", "abnormal"]
    assert len({row["source"] for row in rows}) == 2
    assert all((tmp_path / row["video"]).stat().st_size > 500 for row in rows)


def test_the_video_is_written_and_its_events_returned(tmp_path: Path) -> None:
    seed = DEMO_SEEDS.start + 500_000
    spans = write_demo_video(tmp_path / "untrimmed.mp4", seed=seed)
    assert spans == spans_of(plan_parts(seed))
    assert (tmp_path / "untrimmed.mp4").stat().st_size > 10_000


def test_seeds_of_training_and_empty_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seed"):
        write_demo_clips(tmp_path, clips_per_class=1, seed=3)
    with pytest.raises(UsageError, match="clips_per_class"):
        write_demo_clips(tmp_path, clips_per_class=0)
