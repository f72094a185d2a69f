"""The kinds of scenes to train on, and rendering one of them with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.errors import UsageError
from hiprobe.scenes.render import Scene, set_scene
from hiprobe.scenes.stories import DEMO_SEEDS
from hiprobe.scenes.story import SceneKind
from hiprobe.segment import Frame
from rendered import stories_anomalous as bad
from rendered import stories_normal as good
from rendered.places import PLACES, ROADS
from rendered.told import ToldStory, describe

TRAINING_SEEDS = range(DEMO_SEEDS.start)

_NORMAL = {
    "empty": good.empty, "person_walking": good.person_walking,
    "people_walking": good.people_walking, "crowd_walking": good.crowd_walking,
    "standing": good.standing, "talking": good.talking, "running": good.running,
    "cycling": good.cycling, "vehicles_passing": good.vehicles_passing,
    "parked_car": good.parked_car, "door_opening": good.door_opening,
    "light_change": good.light_change, "camera_shake": good.camera_shake,
    "waving": good.waving, "picking_up": good.picking_up, "camera_pan": good.camera_pan,
}  # fmt: skip
_ANOMALOUS = {
    "fight": bad.fight, "brawl": bad.brawl_group, "push": bad.push, "chase": bad.chase,
    "fall": bad.falling, "beating_down": bad.beating_down,
    "vehicle_collision": good.vehicle_collision,
    "vehicle_crash_single": good.vehicle_crash_single, "pedestrian_hit": good.pedestrian_hit,
    "fire": bad.fire, "smoke": bad.smoke, "explosion": bad.explosion, "throwing": bad.throwing,
}  # fmt: skip
_ON_ROADS = ("vehicles_passing", "parked_car", "vehicle_collision", "vehicle_crash_single",
             "pedestrian_hit", "cycling")  # fmt: skip
_BEGUN = {"chase": 1.0} | dict.fromkeys(("fight", "brawl", "beating_down", "fire", "smoke"), 0.75)

KINDS = {
    name: SceneKind(
        name,
        label,
        build,
        ROADS if name in _ON_ROADS else PLACES,
        TRAINING_SEEDS,
        wide=name in _ON_ROADS,
        begun=_BEGUN.get(name, 0.0),
    )
    for label, builders in enumerate((_NORMAL, _ANOMALOUS))
    for name, build in builders.items()
}

TRAINING_KINDS = tuple(KINDS)
TRAINING_ANOMALOUS = tuple(_ANOMALOUS)


def kind_of(name: str) -> SceneKind:
    """A kind by its name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in KINDS:
        raise UsageError(f"unknown scene kind {name!r}; choose one of {', '.join(KINDS)}")
    return KINDS[name]


def label_of(name: str) -> int:
    """0 for a normal kind, 1 for an anomalous one."""
    return kind_of(name).label


@dataclass(frozen=True)
class CaptionedScene:
    """Frames of a scene, those asked for, and a sentence about it."""

    scene: Scene
    frames: tuple[Frame, ...]
    caption: str


def render_captioned(
    name: str, *, seed: int, frame_count: int, size: tuple[int, int], fps: float,
    moments: Sequence[float] | None = None, frame_indices: Sequence[int] | None = None,
) -> CaptionedScene:  # fmt: skip
    """Render a scene, or only its frames `frame_indices` in their order; see `set_scene`."""
    scene = set_scene(
        kind_of(name), seed=seed, frame_count=frame_count, size=size, fps=fps, moments=moments
    )
    story, night = scene.story, scene.lens.night
    assert isinstance(story, ToldStory)
    caption = describe(scene.rng, story, u=scene.u, place=scene.place.name, night=night)
    chosen = range(frame_count) if frame_indices is None else frame_indices
    return CaptionedScene(scene, tuple(map(scene.frame, chosen)), caption)
