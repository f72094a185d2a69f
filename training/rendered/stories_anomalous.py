"""Stories in which something goes wrong."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from hiprobe.scenes.figures import Pose
from hiprobe.scenes.lens import flicker, plume
from hiprobe.scenes.motion import (
    Track,
    facing_to,
    fall,
    ramp,
    stand,
    stride,
    walk,
    wobble,
    writhing,
)
from hiprobe.scenes.stories import during, fight_pair
from hiprobe.scenes.story import Setting, dressed
from rendered.effects import burst, debris
from rendered.told import ToldStory, bystanders, heading_of, told


def fire(s: Setting) -> ToldStory:
    """Flames grow, with smoke above."""
    says = ("A fire is burning", "Flames and smoke rise", "A fire breaks out and grows",
            "Something is on fire, flames leap up")  # fmt: skip
    rng, size = s.rng, float(s.rng.uniform(0.7, 2.6))
    level = flicker(rng, s.start - (2.5 if s.start <= 0 else 0), float(rng.uniform(0.6, 2.5)))
    flames = plume(rng, s.x, s.z, size=size, glow=True, level=level, wind=float(rng.normal(0, 0.4)))
    smoke = plume(rng, s.x, s.z + 0.3, size=size * 1.4, glow=False, base=size * 0.8,
                  level=lambda t: 0.7 * level(t), wind=float(rng.normal(0, 1)))  # fmt: skip
    return told(says, dressed(s, bystanders(s, 2)), fires=(flames,), smokes=(smoke,))


def smoke(s: Setting) -> ToldStory:
    """A cloud of smoke grows."""
    says = ("Thick smoke rises", "A cloud of smoke spreads", "Smoke pours out and fills the scene")
    level = flicker(s.rng, s.start - (2.5 if s.start <= 0 else 0.2), float(s.rng.uniform(0.5, 1.8)))
    cloud = plume(s.rng, s.x, s.z, size=float(s.rng.uniform(1.2, 3.5)), glow=False, level=level,
                  wind=float(s.rng.normal(0, 1.2)))  # fmt: skip
    return told(says, dressed(s, bystanders(s, 2)), smokes=(cloud,))


def explosion(s: Setting) -> ToldStory:
    """A flash, a ball of fire, debris, smoke, a trembling camera."""
    says = ("An explosion goes off with a bright flash", "Something explodes violently",
            "A sudden blast throws debris and smoke")  # fmt: skip
    rng, size = s.rng, float(s.rng.uniform(1.8, 4.0))
    ball = plume(rng, s.x, s.z, size=size, glow=True, level=burst(s.start, fade=0.7))
    cloud = plume(rng, s.x, s.z, size=size * 1.3, glow=False, level=lambda t: ramp(t, s.start, 1.0))
    flash, shake = burst(s.start, rise=0.05, fade=0.2), burst(s.start, fade=0.4)
    return told(says, dressed(s, bystanders(s, 3)), fires=(ball,), smokes=(cloud,), flash=flash,
                 shake=lambda t: 0.05 * shake(t),
                 pieces=((s.start, debris(rng, s.x, s.z, speed=9.0, count=34)),))  # fmt: skip


def watchers(tracks: list[Track]) -> tuple[str, ...]:
    """Words for the people beside the event."""
    if not tracks:
        return ("",)
    if len(tracks) == 1:
        return ("", " while another person is near", " and one bystander is there")
    return (
        "",
        " while others are near",
        f" and {('', '', 'two', 'three')[len(tracks)]} people watch",
    )


def fight(s: Setting) -> ToldStory:
    """Two people fight; others may stand by."""
    beside = bystanders(s, 3)
    says = tuple(
        a + b
        for a in ("Two people fight violently", "Two people hit and push each other",
                  "A violent fight between two people", "Two men struggle and throw punches")
        for b in watchers(beside)
    )  # fmt: skip
    pair = fight_pair(s, s.x, s.z, float(s.rng.uniform(0.8, 1.3)))
    return told(says, dressed(s, pair + beside))


def brawl_group(s: Setting) -> ToldStory:
    """Two or three pairs fight in one place."""
    count = int(s.rng.integers(2, 4))
    says = ("A group of people fight each other violently", "A violent brawl of several people",
            f"{('Four', 'Six')[count - 2]} people hit and kick each other in a brawl")  # fmt: skip
    tracks: list[Track] = []
    for _ in range(count):
        x, z = s.x + s.rng.normal(0, 0.8), s.z + s.rng.normal(0, 0.7)
        tracks += fight_pair(s, x, z, float(s.rng.uniform(0.8, 1.3)))
    return told(says, dressed(s, tracks + bystanders(s, 2)))


def push(s: Setting) -> ToldStory:
    """One shoves another, who falls on the back."""
    says = ("A person pushes another to the ground", "Someone violently shoves a person, who falls",
            "One person knocks another down")  # fmt: skip
    axis = float(s.rng.uniform(-0.5, 0.5) + s.rng.choice([0, pi]))
    ax, az = s.x - 0.45 * cos(axis), s.z - 0.45 * sin(axis)
    bx, bz = s.x + 0.35 * cos(axis), s.z + 0.35 * sin(axis)
    attacker, start = stand(s.rng, ax, az, axis, gesture=0.8), s.start

    def shove(t: float) -> Pose:
        hit = ramp(t, start - 0.15, 0.15) * (1 - 0.7 * ramp(t, start + 0.25, 0.5))
        p = attacker(t)
        return p._replace(x=p.x + 0.3 * hit * cos(axis), z=p.z + 0.3 * hit * sin(axis),
                          lean=0.5 * hit, arm_left=1.6 * hit, arm_right=1.6 * hit,
                          hip_left=0.6 * hit, hip_right=-0.5 * hit)  # fmt: skip

    victim = fall(stand(s.rng, bx, bz, axis + pi), start + 0.08, direction=-1,
                  seconds=float(s.rng.uniform(0.5, 0.8)))  # fmt: skip
    return told(says, dressed(s, [shove, victim, *bystanders(s, 2)]))


def chase(s: Setting) -> ToldStory:
    """One runs after another at full speed."""
    says = ("A person runs away from a pursuer", "One person chases another at full speed",
            "Someone flees while another runs after them")  # fmt: skip
    heading, pace = heading_of(s.rng), float(s.rng.uniform(4.2, 6.0))

    def runner(behind: float, phase: float) -> Track:
        def track(t: float) -> Pose:
            along = pace * (t - s.seconds / 2) - behind
            way = (along + 12) % 24 - 12
            return stride(
                t, s.x + way * cos(heading), s.z + way * sin(heading), heading, pace, phase
            )

        return track

    gap = float(s.rng.uniform(1.0, 2.2))
    return told(says, dressed(s, [runner(-gap / 2, 0.4), runner(gap / 2, 2.0), *bystanders(s, 2)]))


def falling(s: Setting) -> ToldStory:
    """A person falls out of walking or standing."""
    says = ("A person suddenly falls to the ground", "Someone collapses and lies on the ground",
            "A person stumbles and falls down")  # fmt: skip
    base = (walk(s.rng, (s.x, s.z), seconds=2 * s.start, speed=1.2, heading=heading_of(s.rng))
            if s.rng.random() < 0.6 else stand(s.rng, s.x, s.z, heading_of(s.rng)))  # fmt: skip
    down = fall(base, s.start, direction=float(s.rng.choice([-1, 1])),
                seconds=float(s.rng.uniform(0.5, 0.9)))  # fmt: skip
    if s.rng.random() < 0.5:
        down = writhing(s.rng, down, s.start + 0.6)
    return told(says, dressed(s, [down, *bystanders(s, 2)]))


def beating_down(s: Setting) -> ToldStory:
    """One to three people beat someone on the ground."""
    count = int(s.rng.integers(1, 4))
    n = ("A person kicks", "Two people kick", "Three people kick")[count - 1]
    says = (f"{n} someone who lies on the ground",
            f"{n} and beat{'s' if count == 1 else ''} a victim on the ground",
            "A violent attack on a person lying on the ground")  # fmt: skip
    tracks: list[Track] = [lie(s.rng, s.x, s.z, float(s.rng.uniform(-0.6, 0.6)), force=1.0)]
    for i in range(count):
        a = 2 * pi * i / count + float(s.rng.uniform(0, 1.2))
        x, z = s.x + 0.7 * cos(a), s.z + 0.6 * sin(a)
        calm = stand(s.rng, x, z, facing_to(x, z, s.x, s.z))
        tracks.append(during(s, calm, kicker(s, x, z, facing_to(x, z, s.x, s.z))))
    return told(says, dressed(s, tracks + bystanders(s, 2)))


def kicker(s: Setting, x: float, z: float, facing: float) -> Track:
    """Someone who stamps and punches downwards."""
    kick, arm, lean = wobble(s.rng, 0.8, 2.0), wobble(s.rng, 1.2, 3.0), wobble(s.rng, 0.7, 2.0)
    return lambda t: Pose(
        x + 0.12 * lean(t), z, facing + 0.3 * lean(t), 0.0, 0.5 + 0.4 * lean(t),
        1.1 * max(0.0, kick(t)), -0.2, 0.3 + 1.2 * max(0.0, -kick(t)), 0.25,
        0.9 + 1.0 * arm(t), 0.8 - 1.0 * arm(t), 0.6, 0.6, 0.4, 0.15,
    )  # fmt: skip


def throwing(s: Setting) -> ToldStory:
    """One throws something at another, who falls."""
    says = ("A person throws an object at another", "Someone hurls a stone at a person",
            "An object is thrown at someone")  # fmt: skip
    heading, far = float(s.rng.uniform(-0.4, 0.4)), float(s.rng.uniform(2.0, 4.0))
    hx, hz = s.x - far / 2 * cos(heading), s.z - far / 2 * sin(heading)
    tx, tz = s.x + far / 2 * cos(heading), s.z + far / 2 * sin(heading)
    base, flight = stand(s.rng, hx, hz, heading), 0.45

    def thrower(t: float) -> Pose:
        back, out = ramp(t, s.start - 0.35, 0.25), ramp(t, s.start - 0.08, 0.12)
        return base(t)._replace(arm_left=-1.9 * back * (1 - out) + 1.7 * out,
                                lean=0.45 * out - 0.2 * back,
                                hip_left=0.5 * out, hip_right=-0.4 * out)  # fmt: skip

    target = fall(stand(s.rng, tx, tz, heading + pi), s.start + flight, direction=-1, seconds=0.7)

    def ball(t: float) -> tuple[float, float, float, float]:
        w = (t - s.start) / flight
        if w < 0:
            return hx, -9.0, hz, 0.0
        w, late = min(w, 1.0), max(0.0, t - s.start - flight)
        high = 1.6 + 1.2 * w * (1 - w) - min(1.5, 4.9 * late * late)
        return hx + (tx - hx) * w, high, hz + (tz - hz) * w, 0.12

    return told(says, dressed(s, [thrower, target, *bystanders(s, 2)]), ball=ball)


def lie(rng: np.random.Generator, x: float, z: float, facing: float, *, force: float) -> Track:
    """Lying on the ground, curled and jerking with `force`."""
    jerk, other = wobble(rng, 1.0, 3.0), wobble(rng, 0.8, 2.5)
    return lambda t: Pose(
        x + 0.06 * force * jerk(t), z, facing + 0.1 * force * other(t), -pi / 2, 0.35,
        0.9 + 0.4 * force * jerk(t), 0.7 + 0.3 * force * other(t), 1.2, 1.0,
        2.0 + 0.5 * force * other(t), 1.8 + 0.6 * force * jerk(t), 1.3, 1.5, 0.4, 0.1,
    )  # fmt: skip
