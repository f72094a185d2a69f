"""Draw one moment of a scene: shadows, figures and vehicles by depth, smoke, light, lens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, sin
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.cast import Story
from hiprobe.scenes.effects import draw_debris, draw_fire, draw_smoke
from hiprobe.scenes.figure import draw_figure, draw_shadow, joints
from hiprobe.scenes.lens import expose, light, move
from hiprobe.scenes.vehicle import draw_vehicle, footprint, lamp_points

if TYPE_CHECKING:
    from hiprobe.scenes.render import Stage

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
