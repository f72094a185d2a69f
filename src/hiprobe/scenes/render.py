"""Render one scene: everything is a function of time, so any frames can be drawn alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hiprobe.errors import UsageError
from hiprobe.scenes import stories_anomalous as bad
from hiprobe.scenes import stories_demo as demo
from hiprobe.scenes import stories_hazard as hazard
from hiprobe.scenes import stories_normal as good
from hiprobe.scenes import stories_traffic as road
from hiprobe.scenes.backdrop import DEMO_PLACES, ROADS, TRAINING_PLACES, paint
from hiprobe.scenes.camera import Camera, Points, place_camera
from hiprobe.scenes.caption import describe
from hiprobe.scenes.cast import Setting, Story
from hiprobe.scenes.draw import draw_moment
from hiprobe.scenes.kinds import check_seed, label_of
from hiprobe.scenes.lens import Lens, choose_lens
from hiprobe.segment import Frame

Builder = Callable[[Setting], Story]
BUILDERS: dict[str, Builder] = {
    "empty": good.empty, "person_walking": good.person_walking,
    "people_walking": good.people_walking, "crowd_walking": good.crowd_walking,
    "standing": good.standing, "talking": good.talking, "running": good.running,
    "cycling": good.cycling, "vehicles_passing": road.vehicles_passing,
    "parked_car": road.parked_car, "door_opening": good.door_opening,
    "light_change": good.light_change, "camera_shake": good.camera_shake,
    "waving": good.waving, "picking_up": good.picking_up, "camera_pan": good.camera_pan,
    "fight": bad.fight, "brawl": bad.brawl_group, "push": bad.push, "chase": bad.chase,
    "fall": bad.falling, "beating_down": bad.beating_down,
    "vehicle_collision": road.vehicle_collision,
    "vehicle_crash_single": road.vehicle_crash_single, "pedestrian_hit": road.pedestrian_hit,
    "fire": hazard.fire, "smoke": hazard.smoke, "explosion": hazard.explosion,
    "throwing": bad.throwing,
    "corridor_patrol": demo.corridor_patrol, "corridor_scuffle": demo.corridor_scuffle,
    "courtyard_stroll": demo.courtyard_stroll, "courtyard_tumble": demo.courtyard_tumble,
    "kiosk_queue": demo.kiosk_queue, "kiosk_flames": demo.kiosk_flames,
}  # fmt: skip
VEHICLE_KINDS = ("vehicles_passing", "parked_car", "vehicle_collision", "vehicle_crash_single",
                 "pedestrian_hit", "cycling")  # fmt: skip
LASTING_KINDS = ("fight", "brawl", "beating_down", "fire", "smoke", "chase")


@dataclass(frozen=True)
class Scene:
    """A rendered scene; `span_frames` is the half-open anomalous part, None where normal.

    `frames` are those asked for (all, or the ones of `frame_indices`); `span_frames` counts
    the frames of the whole scene.
    """

    frames: tuple[Frame, ...]
    fps: float
    kind: str
    label: int
    caption: str
    span_frames: tuple[int, int] | None


@dataclass(frozen=True)
class Stage:
    """Everything that is fixed for a scene before its frames are drawn."""

    seed: int
    camera: Camera
    backdrop: Frame
    story: Story
    lens: Lens
    sun: Points
    shade: float


def render_scene(
    kind: str, *, seed: int, frame_count: int, size: tuple[int, int], fps: float,
    moments: Sequence[float] | None = None, frame_indices: Sequence[int] | None = None,
    backdrop: Frame | None = None,
) -> Scene:  # fmt: skip
    """Render `frame_count` frames of `size` (width, height), uint8 RGB `[height, width, 3]`.

    Args:
        moments: `(start,)` or `(start, end)` of the anomalous part in seconds; drawn where None.
        frame_indices: draw only these frames of the scene, in this order.
        backdrop: a picture to use as the empty scene instead of a painted one.

    Raises:
        UsageError: unknown kind, a seed of the other range, or sizes and indices out of range.
    """
    check_seed(kind, seed)
    indices = _checked(frame_count, size, fps, frame_indices)
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    start, end = _event(rng, kind, frame_count / fps, moments)
    night = bool(rng.random() < 0.28)
    stage, u, place = _stage(
        rng, kind, seed, size, frame_count / fps, (start, end), night, backdrop
    )
    caption = describe(rng, stage.story, u=u, place=place, night=night)
    frames = tuple(draw_moment(stage, index, index / fps) for index in indices)
    first = min(frame_count - 1, max(0, round(start * fps)))
    span = (first, max(first + 1, min(frame_count, round(end * fps))))
    label = label_of(kind)
    return Scene(frames, fps, kind, label, caption, span if label else None)


def _checked(
    frame_count: int, size: tuple[int, int], fps: float, chosen: Sequence[int] | None
) -> Sequence[int]:
    if frame_count < 1 or min(size) < 16 or not fps > 0:
        raise UsageError(
            f"cannot render {frame_count} frames of {size} at {fps} frames a second; "
            "take at least 1 frame, 16 pixels and a positive rate"
        )
    indices = range(frame_count) if chosen is None else chosen
    if any(not 0 <= index < frame_count for index in indices):
        raise UsageError(f"frame_indices {list(indices)} leave [0, {frame_count})")
    return indices


def _event(
    rng: np.random.Generator, kind: str, seconds: float, moments: Sequence[float] | None
) -> tuple[float, float]:
    begin = float(rng.uniform(0.12, 0.45)) * seconds
    if (kind in LASTING_KINDS and rng.random() < 0.75) or kind == "chase":
        begin = 0.0
    if moments is None:
        return begin, seconds
    if len(moments) not in (1, 2) or not 0 <= moments[0] < seconds:
        raise UsageError(f"moments {list(moments)} must be (start,) or (start, end) in the scene")
    end = moments[1] if len(moments) == 2 else seconds
    if not end > moments[0]:
        raise UsageError(f"moments {list(moments)} end before they start")
    return float(moments[0]), float(end)


def _stage(
    rng: np.random.Generator, kind: str, seed: int, size: tuple[int, int], seconds: float,
    event: tuple[float, float], night: bool, backdrop: Frame | None,
) -> tuple[Stage, float, str]:  # fmt: skip
    vehicles = kind in VEHICLE_KINDS
    camera = place_camera(rng, *size, vehicles=vehicles)
    place = _place(rng, kind, vehicles)
    u, v = float(rng.uniform(0.18, 0.82)), float(rng.uniform(0.66, 0.86))
    x, z = camera.ground(u, v)
    story = BUILDERS[kind](Setting(rng, camera, seconds, *event, u, x, z))
    empty = paint(rng, camera, place)
    if backdrop is not None:
        empty = np.asarray(cv2.resize(backdrop, size, interpolation=cv2.INTER_AREA), np.uint8)
    sun = rng.uniform(-0.9, 0.9, 2) * (0.3 if night else 1.0)
    lens = choose_lens(rng, camera, night=night)
    return Stage(seed, camera, empty, story, lens, sun, float(rng.uniform(0.1, 0.5))), u, place


def _place(rng: np.random.Generator, kind: str, vehicles: bool) -> str:
    for name in DEMO_PLACES:
        if kind.startswith(name):
            return name
    return str(rng.choice(ROADS if vehicles else TRAINING_PLACES))
