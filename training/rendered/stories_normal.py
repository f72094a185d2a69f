"""Stories of ordinary days, on foot and on wheels, and accidents of vehicles."""

from __future__ import annotations

from dataclasses import replace
from math import cos, exp, pi, sin

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.figures import Pose
from hiprobe.scenes.lens import Plume, plume
from hiprobe.scenes.motion import fall, ramp, stand, walk, wobble
from hiprobe.scenes.stories import circle
from hiprobe.scenes.story import Setting, dressed
from rendered.effects import burst, debris
from rendered.told import NUMBERS, ToldStory, bystanders, heading_of, told, walkers
from rendered.vehicles import Drive, Route, drive_by, parked_at, road_heading, traffic, vehicle

Pieces = tuple[tuple[float, NDArray[np.float64]], ...]


def vehicles_passing(s: Setting) -> ToldStory:
    """Vehicles that drive past."""
    first, heading = vehicle(s.rng), road_heading(s.rng)
    count = int(s.rng.integers(0, 7))
    n = (f"A {first.word} drives", "Two vehicles drive", "Three vehicles drive")[min(count, 2)]
    n = "Several vehicles drive" if count > 2 else n
    says = (f"{n} past normally", f"{n} by at an even speed", f"{n} along the lane", f"{n} calmly")
    route = drive_by(s, speed=float(s.rng.uniform(3, 11)), heading=heading,
                     at=float(s.rng.uniform(0.2, 0.8)))  # fmt: skip
    routes = ((first, route), *traffic(s, count, heading))
    return told(says, dressed(s, bystanders(s, 2)), routes)


def parked_car(s: Setting) -> ToldStory:
    """A parked vehicle; perhaps someone near."""
    build = vehicle(s.rng)
    says = (f"A {build.word} is parked", f"A parked {build.word} stands still",
            f"A {build.word} stands there, nothing happens")  # fmt: skip
    return told(says, dressed(s, bystanders(s, 1)), ((build, parked_at(s)),))


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


def vehicle_collision(s: Setting) -> ToldStory:
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
    return told(says, dressed(s, bystanders(s, 2)), routes, smokes=dust, pieces=pieces)


def vehicle_crash_single(s: Setting) -> ToldStory:
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
    return told(says[:1] if overturns else says[1:], dressed(s, bystanders(s, 2)), routes,
                 smokes=dust, pieces=pieces)  # fmt: skip


def pedestrian_hit(s: Setting) -> ToldStory:
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

    return told(says, dressed(s, [flung, *bystanders(s, 2)]), ((a, braking),))


def empty(s: Setting) -> ToldStory:
    """Nobody; sometimes a parked vehicle."""
    says = ("Nothing moves", "The scene is empty and still", "There is nobody to be seen",
            "An empty scene, nothing happens")  # fmt: skip
    parked = ((vehicle(s.rng), parked_at(s)),) if s.rng.random() < 0.25 else ()
    return told(says, vehicles=parked, where_said=False)


def person_walking(s: Setting) -> ToldStory:
    """One person walks through the scene."""
    says = ("One person walks calmly by", "A person is walking", "Someone walks along at ease",
            "A single pedestrian passes")  # fmt: skip
    return told(says, dressed(s, walkers(s, 1, (0.8, 1.7), 0.2)))


def people_walking(s: Setting) -> ToldStory:
    """Two to five people walk, each their own way."""
    count = int(s.rng.integers(2, 6))
    n = NUMBERS[count]
    says = (f"{n} people walk by calmly", f"{n} pedestrians are walking",
            f"{n} people stroll along in no hurry")  # fmt: skip
    return told(says, dressed(s, walkers(s, count, (0.8, 1.6), 1.3)))


def crowd_walking(s: Setting) -> ToldStory:
    """Seven to fourteen people walk in all directions."""
    says = ("A crowd walks through the scene", "Many people walk in both directions",
            "A dense crowd moves along calmly")  # fmt: skip
    count = int(s.rng.integers(7, 15))
    return told(says, dressed(s, walkers(s, count, (0.7, 1.6), 2.6)), where_said=False)


def standing(s: Setting) -> ToldStory:
    """One to three people stand still."""
    count = int(s.rng.integers(1, 4))
    n = ("One person stands", "Two people stand", "Three people stand")[count - 1]
    says = (f"{n} still", f"{n} and wait{'s' if count == 1 else ''} quietly", f"{n} around calmly")
    tracks = [
        stand(s.rng, s.x + i * s.rng.uniform(0.7, 1.6), s.z + s.rng.normal(0, 0.6),
              float(s.rng.uniform(0, 2 * pi))) for i in range(count)
    ]  # fmt: skip
    return told(says, dressed(s, tracks))


def talking(s: Setting) -> ToldStory:
    """Two to four people talk in a ring."""
    count = int(s.rng.integers(2, 5))
    n = NUMBERS[count]
    says = (f"{n} people stand and talk", f"{n} people chat in a friendly way",
            f"A quiet conversation between {n.lower()} people")  # fmt: skip
    return told(says, dressed(s, circle(s, count, 0.7) + bystanders(s, 1)))


def running(s: Setting) -> ToldStory:
    """Joggers at an even pace."""
    count = int(s.rng.integers(1, 4))
    n = ("A jogger runs", "Two joggers run", "Three joggers run")[count - 1]
    says = (f"{n} past for exercise", f"{n} along at a steady pace", f"{n} by in sports clothes")
    heading, pace = heading_of(s.rng), float(s.rng.uniform(2.4, 3.4))
    tracks = [
        walk(s.rng, (s.x + 0.5 * i, s.z + 0.9 * i), seconds=s.seconds, speed=pace, heading=heading,
             reach=12) for i in range(count)
    ]  # fmt: skip
    return told(says, dressed(s, tracks))


def cycling(s: Setting) -> ToldStory:
    """A cyclist passes."""
    says = ("A cyclist rides by", "Someone passes on a bicycle", "A person cycles along")
    base = walk(s.rng, (s.x, s.z), seconds=s.seconds, speed=float(s.rng.uniform(2.5, 4.5)),
                heading=heading_of(s.rng), reach=14)  # fmt: skip

    def ride(t: float) -> Pose:
        p, turn = base(t), 7.0 * t
        return Pose(p.x, p.z, p.facing, 0.0, 0.55, 0.9 + 0.35 * sin(turn), 0.9 - 0.35 * sin(turn),
                    1.1 + 0.3 * cos(turn), 1.1 - 0.3 * cos(turn), 1.1, 1.1, 0.3, 0.3, 0.1, 0.0,
                    0.3)  # fmt: skip

    return told(says, dressed(s, [ride, *bystanders(s, 1)]), bicycle=True)


def door_opening(s: Setting) -> ToldStory:
    """Someone opens a door."""
    says = ("Someone opens a door", "A door is opened by a person", "A person comes to a door")
    start, spot = float(s.rng.uniform(0.1, 0.5)) * s.seconds, stand(s.rng, s.x - 0.5, s.z, pi / 3)

    def track(t: float) -> Pose:
        reach = ramp(t, start - 0.2, 0.3) * (1 - ramp(t, start + 1.0, 0.5))
        return spot(t)._replace(arm_left=1.4 * reach, elbow_left=0.2)

    return told(says, dressed(s, [track]), door=lambda t: ramp(t, start, 0.9))


def light_change(s: Setting) -> ToldStory:
    """Only the light changes."""
    says = ("The light changes, nothing else happens", "The lights go on or off in a calm scene",
            "Only the brightness of the picture changes")  # fmt: skip
    start, to = float(s.rng.uniform(0.1, 0.7)) * s.seconds, float(s.rng.choice([0.4, 0.6, 1.5]))
    slow = float(s.rng.choice([0.05, 1.0]))
    return told(says, dressed(s, bystanders(s, 1)), where_said=False,
                 light=lambda t: 1 + (to - 1) * ramp(t, start, slow))  # fmt: skip


def camera_shake(s: Setting) -> ToldStory:
    """The camera trembles over a calm scene."""
    says = ("The camera shakes, the scene is calm", "The picture trembles but nothing happens",
            "A shaking camera shows a calm scene")  # fmt: skip
    force = float(s.rng.uniform(0.01, 0.04))
    people = dressed(s, bystanders(s, 2))
    return told(says, people, where_said=False, shake=lambda t: force)


def camera_pan(s: Setting) -> ToldStory:
    """The camera turns slowly over a calm scene."""
    says = ("The camera turns slowly over a calm scene", "The camera pans, nothing happens")
    sway = wobble(s.rng, 0.05, 0.3)
    people = dressed(s, bystanders(s, 2))
    return told(says, people, where_said=False, pan=lambda t: 0.12 * sway(t))


def waving(s: Setting) -> ToldStory:
    """A person waves."""
    says = ("A person waves a hand", "Someone waves in a friendly way", "A person greets by waving")
    base, wave = stand(s.rng, s.x, s.z, float(s.rng.uniform(-2.4, -0.8))), s.rng.uniform(6, 12)

    def track(t: float) -> Pose:
        return base(t)._replace(arm_left=2.6, spread=0.5, elbow_left=0.4 + 0.5 * sin(wave * t))

    return told(says, dressed(s, [track, *bystanders(s, 2)]))


def picking_up(s: Setting) -> ToldStory:
    """A person bends down and straightens up again."""
    says = ("A person bends down and picks something up", "Someone bends over to lift a bag")
    base, start = stand(s.rng, s.x, s.z, heading_of(s.rng)), s.rng.uniform(0.0, 0.5) * s.seconds

    def track(t: float) -> Pose:
        bend = ramp(t, start, 0.8) * (1 - ramp(t, start + 1.2, 0.9))
        return base(t)._replace(
            lean=1.25 * bend, hip_left=0.5 * bend, hip_right=0.4 * bend,
            knee_left=0.06 + 0.8 * bend, knee_right=0.06 + 0.7 * bend,
            arm_left=1.2 * bend, arm_right=1.2 * bend,
        )  # fmt: skip

    return told(says, dressed(s, [track, *bystanders(s, 1)]))
