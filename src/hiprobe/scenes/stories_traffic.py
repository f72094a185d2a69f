"""Stories of vehicles: traffic, parked cars, collisions, a pedestrian who is hit."""

from __future__ import annotations

from dataclasses import replace
from math import cos, exp, pi, sin

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.cast import Route, Setting, Story, vehicle
from hiprobe.scenes.effects import Plume, burst, debris, plume
from hiprobe.scenes.extras import bystanders, dressed
from hiprobe.scenes.figure import Pose
from hiprobe.scenes.motion import (
    fall,
    ramp,
    walk,
)
from hiprobe.scenes.traffic import drive_by, parked_at, road_heading, traffic
from hiprobe.scenes.vehicle import Drive

Pieces = tuple[tuple[float, NDArray[np.float64]], ...]


def vehicles_passing(s: Setting) -> Story:
    """Vehicles that drive past."""
    first, heading = vehicle(s.rng), road_heading(s.rng)
    count = int(s.rng.integers(0, 7))
    n = (f"A {first.word} drives", "Two vehicles drive", "Three vehicles drive")[min(count, 2)]
    n = "Several vehicles drive" if count > 2 else n
    says = (f"{n} past normally", f"{n} by at an even speed", f"{n} along the lane", f"{n} calmly")
    route = drive_by(s, speed=float(s.rng.uniform(3, 11)), heading=heading,
                     at=float(s.rng.uniform(0.2, 0.8)))  # fmt: skip
    routes = ((first, route), *traffic(s, count, heading))
    return Story(says, dressed(s, bystanders(s, 2)), routes)


def parked_car(s: Setting) -> Story:
    """A parked vehicle; perhaps someone near."""
    build = vehicle(s.rng)
    says = (f"A {build.word} is parked", f"A parked {build.word} stands still",
            f"A {build.word} stands there, nothing happens")  # fmt: skip
    return Story(says, dressed(s, bystanders(s, 1)), ((build, parked_at(s)),))


def spun(before: Route, start: float, *, turn: float, slide: float, roll: float = 0.0) -> Route:
    """`before` until start, then a sharp stop with spin, slide to the left and roll."""

    def route(t: float) -> Drive:
        at, since = before(min(t, start)), ramp(t, start, 0.9) ** 0.5
        c, n = cos(at.heading), sin(at.heading)
        ahead, left = 0.8 * slide * since, slide * since
        jump = 0.25 * sin(pi * ramp(t, start, 0.5))
        return Drive(at.x + ahead * c - left * n, at.z + ahead * n + left * c,
                     at.heading + turn * since, roll * since, jump)  # fmt: skip

    return route


def wreckage(s: Setting, x: float, z: float) -> tuple[tuple[Plume, ...], Pieces]:
    """Dust and flying pieces of a crash at (x, z)."""
    dust = plume(s.rng, x, z, size=float(s.rng.uniform(1.0, 2.4)), glow=False,
                 level=burst(s.start, fade=1.0))  # fmt: skip
    flying = debris(s.rng, x, z, speed=float(s.rng.uniform(2, 6)))
    return (dust,) if s.rng.random() < 0.7 else (), ((s.start, flying),)


def vehicle_collision(s: Setting) -> Story:
    """Two vehicles meet at the anchor when the event starts, both are thrown about."""
    a, b, rng = vehicle(s.rng), vehicle(s.rng), s.rng
    says = (f"A {a.word} crashes into a {b.word}", "Two vehicles collide violently",
            f"A traffic accident, a {a.word} hits a {b.word}")  # fmt: skip
    heading, angle = road_heading(rng), float(rng.choice([pi, pi / 2, -pi / 2, 0.8 * pi, 0.0]))
    other = float(rng.uniform(4, 9)) if rng.random() < 0.6 and angle != 0.0 else 0.0
    across = abs(cos(angle)) < 0.5
    gap = a.length / 2 + (b.width if across else b.length) / 2 - 0.3
    behind = replace(s, x=s.x - gap * cos(heading), z=s.z - gap * sin(heading))
    speed = float(rng.uniform(6, 14))
    first = drive_by(behind, speed=speed, heading=heading, at=s.start / s.seconds)
    second = drive_by(s, speed=other, heading=heading + angle, at=s.start / s.seconds)
    turn, slide = float(rng.uniform(0.3, 2.0) * rng.choice([-1, 1])), float(rng.uniform(0.4, 1.8))
    routes = (
        (a, spun(first, s.start, turn=0.4 * turn, slide=-0.3 * slide)),
        (b, spun(second, s.start, turn=turn, slide=slide, roll=float(rng.choice([0, 0, 1.4])))),
        *traffic(s, int(rng.integers(0, 4)), heading),
    )
    dust, pieces = wreckage(s, s.x, s.z)
    return Story(says, dressed(s, bystanders(s, 2)), routes, smokes=dust, pieces=pieces)


def vehicle_crash_single(s: Setting) -> Story:
    """One vehicle loses control, spins and may overturn."""
    a, heading = vehicle(s.rng), road_heading(s.rng)
    says = (f"A {a.word} loses control and overturns", f"A {a.word} skids and crashes",
            f"An accident, a {a.word} spins off its lane")  # fmt: skip
    overturns = s.rng.random() < 0.5
    first = drive_by(s, speed=float(s.rng.uniform(7, 13)), heading=heading, at=s.start / s.seconds)
    wreck = spun(first, s.start, turn=float(s.rng.uniform(1.0, 2.6) * s.rng.choice([-1, 1])),
                 slide=float(s.rng.uniform(0.8, 2.0)), roll=1.5 * overturns)  # fmt: skip
    routes = ((a, wreck), *traffic(s, int(s.rng.integers(0, 3)), heading))
    dust, pieces = wreckage(s, s.x, s.z)
    return Story(says[:1] if overturns else says[1:], dressed(s, bystanders(s, 2)), routes,
                 smokes=dust, pieces=pieces)  # fmt: skip


def pedestrian_hit(s: Setting) -> Story:
    """A vehicle runs into someone who crosses; the person is flung ahead, the vehicle brakes."""
    a, heading = vehicle(s.rng), road_heading(s.rng)
    says = (f"A {a.word} hits a pedestrian", f"A pedestrian is run over by a {a.word}",
            f"A {a.word} knocks a person down")  # fmt: skip
    speed, c, n = float(s.rng.uniform(6, 12)), cos(heading), sin(heading)
    car = drive_by(s, speed=speed, heading=heading, at=s.start / s.seconds)

    def braking(t: float) -> Drive:
        at, way = car(min(t, s.start)), speed * 0.25 * (1 - exp(-3 * max(0.0, t - s.start)))
        return at._replace(x=at.x + way * c, z=at.z + way * n)

    half = a.length / 2
    walker = walk(s.rng, (s.x + half * c, s.z + half * n), seconds=2 * s.start, speed=1.2,
                  heading=heading + pi / 2)  # fmt: skip
    down = fall(walker, s.start, direction=-1, seconds=0.6)

    def flung(t: float) -> Pose:
        p, since = down(t), max(0.0, t - s.start)
        way = speed * 0.4 * (1 - exp(-2.5 * since))
        lift = 1.1 * sin(pi * min(1.0, since / 0.6))
        return p._replace(x=p.x + way * c, z=p.z + way * n, lift=lift)

    return Story(says, dressed(s, [flung, *bystanders(s, 2)]), ((a, braking),))
