"""Stories of calm people and empty scenes; each builds a `Story` from a `Setting`."""

from __future__ import annotations

from math import cos, pi, sin

from hiprobe.scenes.cast import Setting, Story, vehicle
from hiprobe.scenes.extras import NUMBERS, bystanders, circle, dressed, heading_of, walkers
from hiprobe.scenes.figure import Pose
from hiprobe.scenes.motion import (
    ramp,
    stand,
    walk,
    wobble,
)
from hiprobe.scenes.traffic import parked_at


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
