"""The rendered scenes to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.scenes.stories import DEMO_ABNORMAL, DEMO_NORMAL, DEMO_SEEDS

TRAINING = Path(__file__).parents[2] / "training"


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TRAINING))
    from rendered import kinds

    return kinds


def small(kinds: Any, kind: str, number: int = 0, **changes: object) -> Any:
    given = {"seed": number, "frame_count": 24, "size": (96, 72), "fps": 12.0} | changes
    return kinds.render_captioned(kind, **given)


def test_every_kind_renders_consistently(kinds: Any) -> None:
    for kind in kinds.TRAINING_KINDS:
        found = small(kinds, kind, frame_indices=(0, 11, 23))
        assert [f.shape for f in found.frames] == [(72, 96, 3)] * 3
        assert all(f.dtype == np.uint8 for f in found.frames)
        span = found.scene.span_frames
        assert found.scene.kind.label == kinds.label_of(kind) == int(span is not None)
        assert len(found.caption.split()) >= 4
        assert found.caption.endswith(".") and found.caption[0].isupper()
        assert "  " not in found.caption


def test_spans_lie_in_the_scene(kinds: Any) -> None:
    for kind in kinds.TRAINING_ANOMALOUS:
        for number in range(4):
            found = small(kinds, kind, number, frame_indices=())
            first, end = found.scene.span_frames or (-1, -1)
            assert 0 <= first < end <= 24


@pytest.mark.parametrize("kind", ["fight", "vehicle_collision", "fire"])
def test_chosen_frames_equal_those_of_the_full_render(kinds: Any, kind: str) -> None:
    full = small(kinds, kind, 3)
    chosen = small(kinds, kind, 3, frame_indices=(20, 2, 9))
    for index, frame in zip((20, 2, 9), chosen.frames, strict=True):
        np.testing.assert_array_equal(frame, full.frames[index])
    assert chosen.caption == full.caption and chosen.scene.span_frames == full.scene.span_frames


def test_training_and_demo_share_nothing(kinds: Any) -> None:
    demo = DEMO_NORMAL + DEMO_ABNORMAL
    trained = kinds.KINDS.values()
    assert not {k.name for k in trained} & {k.name for k in demo}
    assert not {p.name for k in trained for p in k.places} & {
        p.name for k in demo for p in k.places
    }
    assert kinds.TRAINING_SEEDS.stop <= DEMO_SEEDS.start
    assert not {k.build for k in trained} & {k.build for k in demo}
    assert len(trained) == len({k.build for k in trained}) == 29


@pytest.mark.parametrize(
    ("kind", "seed"), [("fight", DEMO_SEEDS.start), ("fight", -1), ("dance", 1)]
)
def test_seeds_and_kinds_of_the_other_side_are_refused(kinds: Any, kind: str, seed: int) -> None:
    with pytest.raises(UsageError, match=kind):
        small(kinds, kind, seed)


def test_a_frame_that_the_scene_does_not_have_is_refused(kinds: Any) -> None:
    with pytest.raises(UsageError):
        small(kinds, "fight", frame_indices=(24,))


def test_captions_vary_and_name_place_and_night(kinds: Any) -> None:
    said = {
        small(kinds, kind, number, frame_indices=()).caption
        for kind in ("fight", "fire")
        for number in range(30)
    }
    assert len(said) > 35
    for words in ("left", "right", "night"):
        assert any(words in caption for caption in said)


def moving(found: Any) -> float:
    stack = np.stack(found.frames).astype(np.float32)
    return float(np.abs(np.diff(stack, axis=0)).mean(axis=(0, 3)).max())


def test_fights_move_more_than_standing_people(kinds: Any) -> None:
    fights = [moving(small(kinds, "fight", n, moments=(0.0,))) for n in range(12)]
    standing = [moving(small(kinds, "standing", n)) for n in range(12)]
    assert np.median(fights) > 1.5 * np.median(standing)


def test_an_event_changes_the_picture_and_its_start_is_where_the_span_says(kinds: Any) -> None:
    found = small(kinds, "explosion", 4, moments=(1.0,))
    light = [float(f.mean()) for f in found.frames]
    first = (found.scene.span_frames or (0, 0))[0]
    assert max(light[first : first + 4]) > max(light[:first]) + 20
