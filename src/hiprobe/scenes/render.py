"""From a story to frames."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import cos, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.scenes import stories_anomalous as bad
from hiprobe.scenes import stories_normal as good
from hiprobe.scenes.backdrop import DEMO_PLACES, ROADS, TRAINING_PLACES, paint
from hiprobe.scenes.cast import Setting, Story, describe
from hiprobe.scenes.figures import (
    Camera,
    Points,
    draw_figure,
    draw_shadow,
    draw_vehicle,
    footprint,
    joints,
    lamp_points,
    place_camera,
)
from hiprobe.scenes.kinds import check_seed, label_of
from hiprobe.scenes.lens import (
    Lens,
    choose_lens,
    draw_debris,
    draw_fire,
    draw_smoke,
    expose,
    light,
    move,
)
from hiprobe.segment import Frame

Picture = NDArray[np.uint8]
Drawing = tuple[float, Callable[[Picture], None]]


def draw_moment(stage: Stage, index: int, t: float) -> Picture:
    """The picture at `t` seconds, uint8 RGB; `index` seeds its noise."""
    rng = np.random.default_rng([stage.seed, index, 7])
    story, camera = stage.story, stage.camera
    image = _things(stage, t)
    for smoke in story.smokes:
        draw_smoke(image, camera, smoke, t)
    for start, pieces in story.pieces:
        draw_debris(image, camera, pieces, t - start)
    image = light(stage.lens, image, story.light(t) if story.light else 1.0)
    image = _shine(stage, image, t)
    shake = stage.lens.jitter + (story.shake(t) if story.shake else 0.0)
    pan = story.pan(t) * camera.width if story.pan else 0.0
    by = rng.normal(0, 1, 3) * shake
    image = move(image, pan + by[0] * camera.width, by[1] * camera.height, 0.5 * by[2])
    return expose(stage.lens, image, rng, t)


def _things(stage: Stage, t: float) -> Picture:
    camera, story = stage.camera, stage.story
    mask, drawings = np.zeros_like(stage.backdrop), list[Drawing]()
    for look, track in story.people:
        pose = track(t)
        if pose.z < 1.0:
            continue
        body = joints(pose, look.height)
        draw_shadow(mask, camera, body, stage.sun)
        drawings.append((pose.z, partial(draw_figure, camera=camera, body=body, look=look)))
    for build, route in story.vehicles:
        at = route(t)
        hull = cv2.convexHull(
            np.rint(camera.project(footprint(at, build, stage.sun))).astype(np.int32)
        )
        cv2.fillPoly(mask, [hull], (255, 255, 255), cv2.LINE_AA)
        drawings.append((at.z, partial(draw_vehicle, camera=camera, at=at, build=build)))
    soft = cv2.blur(mask, (3, 3))
    dark = cv2.addWeighted(soft, -stage.shade, soft, 0, 255)
    image: Picture = np.asarray(cv2.multiply(stage.backdrop, dark, scale=1 / 255), np.uint8)
    _door(stage, image, t)
    for _, draw in sorted(drawings, key=lambda pair: -pair[0]):
        draw(image)
    _extras(stage, image, t)
    return image


def _door(stage: Stage, image: Picture, t: float) -> None:
    if stage.story.door is None or not stage.story.people:
        return
    pose, camera = stage.story.people[0][1](t), stage.camera
    angle, hinge = 1.4 * stage.story.door(t), (pose.x + 0.4, pose.z + 0.9)
    for wide, tone in ((0.0, (28, 26, 24)), (angle, (128, 92, 60))):
        x, z = hinge[0] + 0.95 * cos(wide), hinge[1] - 0.95 * sin(wide)
        corners = np.array([[*_at(hinge, 0)], [*_at(hinge, 2.1)], [x, 2.1, z], [x, 0, z]])
        cv2.fillPoly(image, [np.rint(camera.project(corners)).astype(np.int32)], tone, cv2.LINE_AA)


def _at(ground: tuple[float, float], up: float) -> tuple[float, float, float]:
    return ground[0], up, ground[1]


def _extras(stage: Stage, image: Picture, t: float) -> None:
    camera, story = stage.camera, stage.story
    for ball in story.balls:
        x, y, z, radius = ball(t)
        if radius > 0:
            where = np.rint(camera.project(np.array([[x, y, z]]))[0]).astype(int).tolist()
            cv2.circle(image, where, max(1, round(radius * camera.pixels_per_metre(z))),
                       (70, 60, 52), -1, cv2.LINE_AA)  # fmt: skip
    if "bicycle" in story.extra:
        pose = story.people[0][1](t)
        for end in (-0.52, 0.52):
            hub = np.array(
                [[pose.x + end * cos(pose.facing), 0.34, pose.z + end * sin(pose.facing)]]
            )
            unit = camera.pixels_per_metre(pose.z)
            axes = (max(1, round(0.34 * unit * abs(cos(pose.facing)))), max(1, round(0.34 * unit)))
            centre = np.rint(camera.project(hub)[0]).astype(int).tolist()
            cv2.ellipse(image, centre, axes, 0, 0, 360, (25, 25, 25), 1, cv2.LINE_AA)


def _shine(stage: Stage, image: Picture, t: float) -> Picture:
    story: Story = stage.story
    if story.fires or (stage.lens.night and story.vehicles):
        layer = np.zeros_like(image)
        for fire in story.fires:
            draw_fire(layer, stage.camera, fire, t)
        if stage.lens.night:
            _headlights(stage, layer, t)
        if stage.lens.grey:
            layer[:] = layer.max(axis=2, keepdims=True)
        image = np.asarray(cv2.add(image, layer))
    if story.flash:
        image = np.asarray(cv2.convertScaleAbs(image, alpha=1.0, beta=220 * story.flash(t)))
    return image


def _headlights(stage: Stage, layer: Picture, t: float) -> None:
    for build, route in stage.story.vehicles:
        at = route(t)
        radius = max(1, round(0.28 * stage.camera.pixels_per_metre(at.z)))
        for end, tone in ((1, (220, 215, 180)), (-1, (150, 20, 20))):
            if end * (cos(at.heading) * at.x + sin(at.heading) * at.z) > 1.5:
                continue
            for x, y in (
                np.rint(stage.camera.project(lamp_points(at, build, end))).astype(int).tolist()
            ):
                cv2.circle(layer, (x, y), radius, tone, -1, cv2.LINE_AA)
    cv2.GaussianBlur(layer, (7, 7), 0, dst=layer)


Builder = Callable[[Setting], Story]
BUILDERS: dict[str, Builder] = {
    "empty": good.empty, "person_walking": good.person_walking,
    "people_walking": good.people_walking, "crowd_walking": good.crowd_walking,
    "standing": good.standing, "talking": good.talking, "running": good.running,
    "cycling": good.cycling, "vehicles_passing": good.vehicles_passing,
    "parked_car": good.parked_car, "door_opening": good.door_opening,
    "light_change": good.light_change, "camera_shake": good.camera_shake,
    "waving": good.waving, "picking_up": good.picking_up, "camera_pan": good.camera_pan,
    "fight": bad.fight, "brawl": bad.brawl_group, "push": bad.push, "chase": bad.chase,
    "fall": bad.falling, "beating_down": bad.beating_down,
    "vehicle_collision": good.vehicle_collision,
    "vehicle_crash_single": good.vehicle_crash_single, "pedestrian_hit": good.pedestrian_hit,
    "fire": bad.fire, "smoke": bad.smoke, "explosion": bad.explosion,
    "throwing": bad.throwing,
    "corridor_patrol": good.corridor_patrol, "corridor_scuffle": good.corridor_scuffle,
    "courtyard_stroll": good.courtyard_stroll, "courtyard_tumble": good.courtyard_tumble,
    "kiosk_queue": good.kiosk_queue, "kiosk_flames": good.kiosk_flames,
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
