import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.scenes.render import Scene, set_scene
from hiprobe.scenes.stories import DEMO_ABNORMAL, DEMO_NORMAL, DEMO_SEEDS
from hiprobe.scenes.story import SceneKind

KINDS = {kind.name: kind for kind in DEMO_NORMAL + DEMO_ABNORMAL}


def small(kind: str, number: int = 0, **changes: object) -> Scene:
    seed = number + DEMO_SEEDS.start
    given = {"seed": seed, "frame_count": 24, "size": (96, 72), "fps": 12.0} | changes
    return set_scene(KINDS[kind], **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_renders_consistently(kind: SceneKind) -> None:
    scene = small(kind.name)
    frames = [scene.frame(index) for index in (0, 11, 23)]
    assert [f.shape for f in frames] == [(72, 96, 3)] * 3
    assert all(f.dtype == np.uint8 for f in frames)
    assert kind.label == int(scene.span_frames is not None) == int(kind in DEMO_ABNORMAL)


def test_a_frame_is_the_same_whichever_others_are_drawn() -> None:
    full = list(small("kiosk_flames", 3).frames())
    scene = small("kiosk_flames", 3)
    for index in (20, 2, 9):
        np.testing.assert_array_equal(scene.frame(index), full[index])


def test_the_seed_decides_everything() -> None:
    first, again, other = (
        np.stack(list(small("corridor_scuffle", seed).frames())) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    "changes",
    [{"frame_count": 0}, {"size": (8, 64)}, {"fps": 0.0}, {"seed": 5}, {"seed": -1},
     {"moments": (9.0,)}, {"moments": (1.0, 0.5)}, {"moments": ()}],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        small("corridor_scuffle", **changes)


@pytest.mark.parametrize("index", [-1, 24])
def test_frames_that_the_scene_does_not_have_are_refused(index: int) -> None:
    with pytest.raises(UsageError, match=f"{index}"):
        small("kiosk_queue").frame(index)


def test_moments_set_the_span() -> None:
    assert small("corridor_scuffle", moments=(0.5, 1.5)).span_frames == (6, 18)
    assert small("kiosk_flames", moments=(1.0,)).span_frames == (12, 24)
