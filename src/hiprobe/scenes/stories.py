"""The six kinds of scenes of the demonstration; no training has seen any of them."""

from __future__ import annotations

from math import cos, pi, sin

from hiprobe.scenes.backdrop import CORRIDOR, COURTYARD, KIOSK
from hiprobe.scenes.figures import Pose
from hiprobe.scenes.lens import fire_of, flicker, plume, smoke_of
from hiprobe.scenes.motion import (
    Track,
    brawl,
    drift,
    facing_to,
    fall,
    stand,
    switch,
    walk,
    writhing,
)
from hiprobe.scenes.story import SceneKind, Setting, Story, dressed

# Training uses those below, so that no scene of the demonstration was trained on.
DEMO_SEEDS = range(1_000_000, 2**31)


def corridor_patrol(s: Setting) -> Story:
    """A guard, sometimes two people, walk along a corridor."""
    tracks = [guard(s, i) for i in range(int(s.rng.integers(1, 4)))]
    return Story(dressed(s, tracks))


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
    return Story(dressed(s, pair + passing))


def courtyard_stroll(s: Setting) -> Story:
    """A few people stroll or chat in a courtyard."""
    return Story(dressed(s, strollers(s, 2, 5)))


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
    # a body that lies quite still looks like a coat on the ground
    down = writhing(s.rng, dropped, s.start + 0.7)
    tumble = down if s.end >= s.seconds else switch(down, base, s.end - 0.8, 0.8)
    others = [helper(s, 1.0), helper(s, -1.0)] if s.rng.random() < 0.6 else []
    return Story(dressed(s, [tumble, *others]))


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
    return Story(dressed(s, line + strollers(s, 0, 2)))


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
    return Story(dressed(s, strollers(s, 0, 3)), over=(smoke_of(cloud),), fires=(fire_of(flames),))


def during(s: Setting, calm: Track, wild: Track) -> Track:
    """`wild` from the event's start to its end, `calm` around it."""
    before = wild if s.start <= 0 else switch(calm, wild, s.start)
    return before if s.end >= s.seconds else switch(before, calm, s.end, 0.5)


def fight_pair(s: Setting, x: float, z: float, force: float) -> list[Track]:
    """Two people fighting around (x, z) during the event."""
    axis = float(s.rng.uniform(-0.7, 0.7))
    centre = drift(s.rng, x, z, axis, float(s.rng.uniform(0.1, 0.5)))
    found = []
    for side in (1.0, -1.0):
        gap = 0.6 * side
        calm = stand(s.rng, x + gap * cos(axis), z + gap * sin(axis),
                     axis + (pi if side > 0 else 0.0), gesture=0.6)  # fmt: skip
        # Both stand calmly around the event, so that the frame before it shows the same people.
        found.append(during(s, calm, brawl(s.rng, centre, side, force=force)))
    return found


def circle(s: Setting, count: int, gesture: float) -> list[Track]:
    """People in a ring who face each other."""
    wide, turn = 0.35 + 0.12 * count, s.rng.uniform(0, 2 * pi)
    found = []
    for i in range(count):
        a = turn + 2 * pi * i / count
        x, z = s.x + wide * cos(a), s.z + wide * sin(a)
        found.append(stand(s.rng, x, z, facing_to(x, z, s.x, s.z), gesture=gesture))
    return found


_NORMAL = (
    ("corridor_patrol", corridor_patrol, CORRIDOR),
    ("courtyard_stroll", courtyard_stroll, COURTYARD),
    ("kiosk_queue", kiosk_queue, KIOSK),
)
_ABNORMAL = (
    ("corridor_scuffle", corridor_scuffle, CORRIDOR),
    ("courtyard_tumble", courtyard_tumble, COURTYARD),
    ("kiosk_flames", kiosk_flames, KIOSK),
)
DEMO_NORMAL, DEMO_ABNORMAL = (
    tuple(SceneKind(name, label, build, (place,), DEMO_SEEDS) for name, build, place in kinds)
    for label, kinds in ((0, _NORMAL), (1, _ABNORMAL))
)
