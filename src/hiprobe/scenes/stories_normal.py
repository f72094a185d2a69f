"""Stories of ordinary days, on foot and on wheels, and those of the demonstration."""

from __future__ import annotations

from dataclasses import replace
from math import cos, exp, pi, sin

import numpy as np
from numpy.typing import NDArray

from hiprobe.scenes.cast import (
    NUMBERS,
    Route,
    Setting,
    Story,
    bystanders,
    circle,
    dressed,
    drive_by,
    heading_of,
    parked_at,
    road_heading,
    traffic,
    vehicle,
    walkers,
)
from hiprobe.scenes.figures import Drive, Pose
from hiprobe.scenes.lens import Plume, burst, debris, flicker, plume
from hiprobe.scenes.motion import Track, fall, ramp, stand, switch, walk, wobble, writhing
from hiprobe.scenes.stories_anomalous import during, fight_pair

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


def corridor_patrol(s: Setting) -> Story:
    """A guard, sometimes two people, walk along a corridor."""
    tracks = [guard(s, i) for i in range(int(s.rng.integers(1, 4)))]
    return Story(("A guard walks along a corridor",), dressed(s, tracks))


def guard(s: Setting, lane: int) -> Track:
    """One who walks along the corridor's length."""
    middle = s.x + 0.9 * (lane - 0.5), s.z + 2.5
    return walk(s.rng, middle, seconds=s.seconds, speed=float(s.rng.uniform(0.8, 1.5)),
                heading=float(s.rng.choice([pi / 2, -pi / 2]) + s.rng.uniform(-0.15, 0.15)),
                reach=3.5)  # fmt: skip


def corridor_scuffle(s: Setting) -> Story:
    """Two people come to blows in a corridor; others may pass."""
    pair = fight_pair(s, s.x, s.z, float(s.rng.uniform(0.9, 1.3)))
    passing = [guard(s, 2)] if s.rng.random() < 0.5 else []
    return Story(("Two people scuffle in a corridor",), dressed(s, pair + passing))


def courtyard_stroll(s: Setting) -> Story:
    """A few people stroll or chat in a courtyard."""
    return Story(("People stroll through a courtyard",), dressed(s, strollers(s, 2, 5)))


def strollers(s: Setting, low: int, high: int) -> list[Track]:
    """Walkers and perhaps a pair who talk."""
    found: list[Track] = []
    for _ in range(int(s.rng.integers(low, high))):
        middle = s.x + s.rng.normal(0, 2.0), max(2.5, s.z + s.rng.normal(0, 1.5))
        heading = float(s.rng.choice([0, pi]) + s.rng.uniform(-0.4, 0.4))
        pace = float(s.rng.uniform(0.8, 1.5))
        found.append(walk(s.rng, middle, seconds=s.seconds, speed=pace, heading=heading))
    return found + (circle(s, 2, 0.6) if s.rng.random() < 0.4 else [])


def courtyard_tumble(s: Setting) -> Story:
    """Someone collapses in a courtyard, twitches, and gets up when the event is over."""
    base = stand(s.rng, s.x, s.z, float(s.rng.choice([0, pi])))
    dropped = fall(base, s.start, direction=float(s.rng.choice([-1, 1])), seconds=0.7)
    down = writhing(s.rng, dropped, s.start + 0.7)
    tumble = down if s.end >= s.seconds else switch(down, base, s.end - 0.8, 0.8)
    others = [helper(s, 1.0), helper(s, -1.0)] if s.rng.random() < 0.6 else []
    return Story(("Someone collapses in a courtyard",), dressed(s, [tumble, *others]))


def helper(s: Setting, side: float) -> Track:
    """One who bends over the fallen person."""
    base = stand(s.rng, s.x + 1.3 * side, s.z + 0.3, pi if side > 0 else 0.0, gesture=0.8)

    def bent(t: float) -> Pose:
        p = base(t)
        return p._replace(lean=0.9, arm_left=1.1, arm_right=0.9 + 0.4 * p.arm_right)

    return during(s, base, bent)


def kiosk_queue(s: Setting) -> Story:
    """People wait in a line at a kiosk."""
    count = int(s.rng.integers(2, 5))
    line = [stand(s.rng, s.x + 0.9 * i, s.z + 0.1 * i, pi) for i in range(count)]
    return Story(("People queue at a kiosk",), dressed(s, line + strollers(s, 0, 2)))


def kiosk_flames(s: Setting) -> Story:
    """Fire breaks out at a kiosk."""
    level, over = flicker(s.rng, s.start - 0.2, 1.2), s.end
    size = float(s.rng.uniform(1.2, 2.2))

    def lasting(t: float) -> float:
        return (
            level(t) if t < over or over >= s.seconds else level(t) * max(0.0, 1 - 2 * (t - over))
        )

    flames = plume(s.rng, s.x, s.z + 1, size=size, glow=True, level=lasting)
    cloud = plume(s.rng, s.x, s.z + 1.2, size=size * 1.3, glow=False, base=size,
                  level=lambda t: 0.7 * lasting(t))  # fmt: skip
    return Story(("Flames rise at a kiosk",), dressed(s, strollers(s, 0, 3)), fires=(flames,),
                 smokes=(cloud,))  # fmt: skip


def empty(s: Setting) -> Story:
    """Nobody; sometimes a parked vehicle."""
    says = ("Nothing moves", "The scene is empty and still", "There is nobody to be seen",
            "An empty scene, nothing happens")  # fmt: skip
    parked = ((vehicle(s.rng), parked_at(s)),) if s.rng.random() < 0.25 else ()
    return Story(says, vehicles=parked, where_said=False)


def person_walking(s: Setting) -> Story:
    """One person walks through the scene."""
    says = ("One person walks calmly by", "A person is walking", "Someone walks along at ease",
            "A single pedestrian passes")  # fmt: skip
    return Story(says, dressed(s, walkers(s, 1, (0.8, 1.7), 0.2)))


def people_walking(s: Setting) -> Story:
    """Two to five people walk, each their own way."""
    count = int(s.rng.integers(2, 6))
    n = NUMBERS[count]
    says = (f"{n} people walk by calmly", f"{n} pedestrians are walking",
            f"{n} people stroll along in no hurry")  # fmt: skip
    return Story(says, dressed(s, walkers(s, count, (0.8, 1.6), 1.3)))


def crowd_walking(s: Setting) -> Story:
    """Seven to fourteen people walk in all directions."""
    says = ("A crowd walks through the scene", "Many people walk in both directions",
            "A dense crowd moves along calmly")  # fmt: skip
    count = int(s.rng.integers(7, 15))
    return Story(says, dressed(s, walkers(s, count, (0.7, 1.6), 2.6)), where_said=False)


def standing(s: Setting) -> Story:
    """One to three people stand still."""
    count = int(s.rng.integers(1, 4))
    n = ("One person stands", "Two people stand", "Three people stand")[count - 1]
    says = (f"{n} still", f"{n} and wait{'s' if count == 1 else ''} quietly", f"{n} around calmly")
    tracks = [
        stand(s.rng, s.x + i * s.rng.uniform(0.7, 1.6), s.z + s.rng.normal(0, 0.6),
              float(s.rng.uniform(0, 2 * pi))) for i in range(count)
    ]  # fmt: skip
    return Story(says, dressed(s, tracks))


def talking(s: Setting) -> Story:
    """Two to four people talk in a ring."""
    count = int(s.rng.integers(2, 5))
    n = NUMBERS[count]
    says = (f"{n} people stand and talk", f"{n} people chat in a friendly way",
            f"A quiet conversation between {n.lower()} people")  # fmt: skip
    return Story(says, dressed(s, circle(s, count, 0.7) + bystanders(s, 1)))


def running(s: Setting) -> Story:
    """Joggers at an even pace."""
    count = int(s.rng.integers(1, 4))
    n = ("A jogger runs", "Two joggers run", "Three joggers run")[count - 1]
    says = (f"{n} past for exercise", f"{n} along at a steady pace", f"{n} by in sports clothes")
    heading, pace = heading_of(s.rng), float(s.rng.uniform(2.4, 3.4))
    tracks = [
        walk(s.rng, (s.x + 0.5 * i, s.z + 0.9 * i), seconds=s.seconds, speed=pace, heading=heading,
             reach=12) for i in range(count)
    ]  # fmt: skip
    return Story(says, dressed(s, tracks))


def cycling(s: Setting) -> Story:
    """A cyclist passes."""
    says = ("A cyclist rides by", "Someone passes on a bicycle", "A person cycles along")
    base = walk(s.rng, (s.x, s.z), seconds=s.seconds, speed=float(s.rng.uniform(2.5, 4.5)),
                heading=heading_of(s.rng), reach=14)  # fmt: skip

    def ride(t: float) -> Pose:
        p, turn = base(t), 7.0 * t
        return Pose(p.x, p.z, p.facing, 0.0, 0.55, 0.9 + 0.35 * sin(turn), 0.9 - 0.35 * sin(turn),
                    1.1 + 0.3 * cos(turn), 1.1 - 0.3 * cos(turn), 1.1, 1.1, 0.3, 0.3, 0.1, 0.0,
                    0.3)  # fmt: skip

    return Story(says, dressed(s, [ride, *bystanders(s, 1)]), extra=("bicycle",))


def door_opening(s: Setting) -> Story:
    """Someone opens a door."""
    says = ("Someone opens a door", "A door is opened by a person", "A person comes to a door")
    start, spot = float(s.rng.uniform(0.1, 0.5)) * s.seconds, stand(s.rng, s.x - 0.5, s.z, pi / 3)

    def track(t: float) -> Pose:
        reach = ramp(t, start - 0.2, 0.3) * (1 - ramp(t, start + 1.0, 0.5))
        return spot(t)._replace(arm_left=1.4 * reach, elbow_left=0.2)

    return Story(says, dressed(s, [track]), door=lambda t: ramp(t, start, 0.9))


def light_change(s: Setting) -> Story:
    """Only the light changes."""
    says = ("The light changes, nothing else happens", "The lights go on or off in a calm scene",
            "Only the brightness of the picture changes")  # fmt: skip
    start, to = float(s.rng.uniform(0.1, 0.7)) * s.seconds, float(s.rng.choice([0.4, 0.6, 1.5]))
    slow = float(s.rng.choice([0.05, 1.0]))
    return Story(says, dressed(s, bystanders(s, 1)), where_said=False,
                 light=lambda t: 1 + (to - 1) * ramp(t, start, slow))  # fmt: skip


def camera_shake(s: Setting) -> Story:
    """The camera trembles over a calm scene."""
    says = ("The camera shakes, the scene is calm", "The picture trembles but nothing happens",
            "A shaking camera shows a calm scene")  # fmt: skip
    force = float(s.rng.uniform(0.01, 0.04))
    people = dressed(s, bystanders(s, 2))
    return Story(says, people, where_said=False, shake=lambda t: force)


def camera_pan(s: Setting) -> Story:
    """The camera turns slowly over a calm scene."""
    says = ("The camera turns slowly over a calm scene", "The camera pans, nothing happens")
    sway = wobble(s.rng, 0.05, 0.3)
    people = dressed(s, bystanders(s, 2))
    return Story(says, people, where_said=False, pan=lambda t: 0.12 * sway(t))


def waving(s: Setting) -> Story:
    """A person waves."""
    says = ("A person waves a hand", "Someone waves in a friendly way", "A person greets by waving")
    base, wave = stand(s.rng, s.x, s.z, float(s.rng.uniform(-2.4, -0.8))), s.rng.uniform(6, 12)

    def track(t: float) -> Pose:
        return base(t)._replace(arm_left=2.6, spread=0.5, elbow_left=0.4 + 0.5 * sin(wave * t))

    return Story(says, dressed(s, [track, *bystanders(s, 2)]))


def picking_up(s: Setting) -> Story:
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

    return Story(says, dressed(s, [track, *bystanders(s, 1)]))
