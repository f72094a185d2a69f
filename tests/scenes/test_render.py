import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.scenes import (
    DEMO_KINDS,
    DEMO_SEEDS,
    TRAINING_ANOMALOUS,
    TRAINING_KINDS,
    TRAINING_SEEDS,
    label_of,
)
from hiprobe.scenes.backdrop import DEMO_PLACES, TRAINING_PLACES
from hiprobe.scenes.render import BUILDERS, Scene, render_scene

ALL = TRAINING_KINDS + DEMO_KINDS


def small(kind: str, number: int = 0, **changes: object) -> Scene:
    seed = number + (DEMO_SEEDS.start if kind in DEMO_KINDS else 0)
    given = {"seed": seed, "frame_count": 24, "size": (96, 72), "fps": 12.0} | changes
    return render_scene(kind, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_renders_consistently(kind: str) -> None:
    scene = small(kind, frame_indices=(0, 11, 23))
    assert [f.shape for f in scene.frames] == [(72, 96, 3)] * 3
    assert all(f.dtype == np.uint8 for f in scene.frames)
    assert scene.label == label_of(kind) == int(scene.span_frames is not None)
    assert len(scene.caption.split()) >= 4
    assert scene.caption.endswith(".") and scene.caption[0].isupper()
    assert "  " not in scene.caption


@pytest.mark.parametrize("kind", TRAINING_ANOMALOUS)
def test_spans_lie_in_the_scene(kind: str) -> None:
    for number in range(4):
        first, end = small(kind, number, frame_indices=()).span_frames or (-1, -1)
        assert 0 <= first < end <= 24


@pytest.mark.parametrize("kind", ["fight", "vehicle_collision", "fire", "kiosk_flames"])
def test_chosen_frames_equal_those_of_the_full_render(kind: str) -> None:
    full = small(kind, 3)
    chosen = small(kind, 3, frame_indices=(20, 2, 9))
    for index, frame in zip((20, 2, 9), chosen.frames, strict=True):
        np.testing.assert_array_equal(frame, full.frames[index])
    assert chosen.caption == full.caption and chosen.span_frames == full.span_frames


def test_the_seed_decides_everything() -> None:
    first, again, other = small("fight", 1), small("fight", 1), small("fight", 2)
    np.testing.assert_array_equal(np.stack(first.frames), np.stack(again.frames))
    assert not np.array_equal(first.frames[0], other.frames[0])


def test_training_and_demo_share_nothing() -> None:
    assert not set(TRAINING_KINDS) & set(DEMO_KINDS)
    assert not set(TRAINING_PLACES) & set(DEMO_PLACES)
    assert TRAINING_SEEDS.stop <= DEMO_SEEDS.start
    assert set(BUILDERS) == set(ALL) and len(ALL) == len(set(ALL))


@pytest.mark.parametrize(
    ("kind", "seed"), [("fight", DEMO_SEEDS.start), ("kiosk_queue", 5), ("fight", -1), ("dance", 1)]
)
def test_seeds_and_kinds_of_the_other_side_are_refused(kind: str, seed: int) -> None:
    with pytest.raises(UsageError, match=kind):
        render_scene(kind, seed=seed, frame_count=2, size=(64, 64), fps=10.0)


@pytest.mark.parametrize(
    "changes",
    [{"frame_count": 0}, {"size": (8, 64)}, {"fps": 0.0}, {"frame_indices": (24,)},
     {"moments": (9.0,)}, {"moments": (1.0, 0.5)}, {"moments": ()}],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        small("fight", **changes)


def test_moments_set_the_span() -> None:
    assert small("fight", moments=(0.5, 1.5)).span_frames == (6, 18)
    assert small("fire", moments=(1.0,)).span_frames == (12, 24)


def test_captions_vary_and_name_place_and_night() -> None:
    said = {small(k, n, frame_indices=()).caption for k in ("fight", "fire") for n in range(30)}
    assert len(said) > 35
    for words in ("left", "right", "night"):
        assert any(words in caption for caption in said)


def moving(scene: Scene) -> float:
    stack = np.stack(scene.frames).astype(np.float32)
    return float(np.abs(np.diff(stack, axis=0)).mean(axis=(0, 3)).max())


def test_fights_move_more_than_standing_people() -> None:
    fights = [moving(small("fight", n, moments=(0.0,))) for n in range(12)]
    standing = [moving(small("standing", n)) for n in range(12)]
    assert np.median(fights) > 1.5 * np.median(standing)


def test_an_event_changes_the_picture_and_its_start_is_where_the_span_says() -> None:
    scene = small("explosion", 4, moments=(1.0,))
    light = [float(f.mean()) for f in scene.frames]
    first = (scene.span_frames or (0, 0))[0]
    assert max(light[first : first + 4]) > max(light[:first]) + 20


def test_a_given_picture_serves_as_backdrop() -> None:
    red = np.zeros((50, 50, 3), np.uint8)
    red[..., 0] = 200
    frame = small("empty", 7, frame_indices=(0,), backdrop=red).frames[0]
    plain = small("empty", 7, frame_indices=(0,)).frames[0]
    assert not np.array_equal(frame, plain)
