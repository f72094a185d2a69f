"""Poses as functions of time: walking, running, talking, fighting, falling, lying."""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, pi, sin

import numpy as np

from hiprobe.scenes.figures import Pose, mix

Track = Callable[[float], Pose]
Signal = Callable[[float], float]


def ramp(t: float, start: float, seconds: float) -> float:
    """0 before `start`, 1 after `start + seconds`, smooth between."""
    share = min(1.0, max(0.0, (t - start) / max(seconds, 1e-6)))
    # Smoothstep: starts and ends without a jerk.
    return share * share * (3 - 2 * share)


def wobble(rng: np.random.Generator, low: float, high: float) -> Signal:
    """A smooth irregular signal in about [-1, 1], three sines between low and high hertz."""
    rates, phases = rng.uniform(low, high, 3) * 2 * pi, rng.uniform(0, 2 * pi, 3)
    pairs = [(float(r), float(p)) for r, p in zip(rates, phases, strict=True)]
    # Sines, not noise: they have a value at any time, whatever the frame rate.
    return lambda t: sum(sin(r * t + p) for r, p in pairs) / 2.2


def walk(
    rng: np.random.Generator, middle: tuple[float, float], *, seconds: float, speed: float,
    heading: float, reach: float = 7.0,
) -> Track:  # fmt: skip
    """To and fro through `middle`, `reach` metres to either side; above 2.2 m/s it runs."""
    phase, start = rng.uniform(0, 2 * pi), float(rng.uniform(-0.8, 0.8))
    sway = wobble(rng, 0.05, 0.2)

    def track(t: float) -> Pose:
        way = start + speed * (t - seconds / 2) + reach
        turn = int(way // (2 * reach)) % 2
        inside = way % (2 * reach)
        along = (2 * reach - inside if turn else inside) - reach
        x = middle[0] + along * cos(heading) - 0.2 * sway(t) * sin(heading)
        z = middle[1] + along * sin(heading) + 0.2 * sway(t) * cos(heading)
        return stride(t, x, z, heading + pi * turn, speed, phase)

    return track


def stride(t: float, x: float, z: float, facing: float, speed: float, phase: float) -> Pose:
    """One moment of a gait of `speed` metres a second."""
    # Between a walk of 1.8 m/s and a run of 2.7 m/s the gait changes gradually.
    running = ramp(speed, 1.8, 0.9)
    swing = min(0.25 + 0.22 * speed, 0.95)
    angle = 2 * pi * (0.55 + 0.28 * speed) * t + phase
    s, c = sin(angle), cos(angle)
    bend = 0.55 + 0.9 * running
    return Pose(
        x, z, facing, 0.0, 0.04 + 0.2 * running, swing * s, -swing * s,
        0.08 + bend * max(0.0, c), 0.08 + bend * max(0.0, -c), -swing * s, swing * s,
        0.25 + 1.2 * running, 0.25 + 1.2 * running, 0.12, 0.0, 0.06 * running * abs(c),
    )  # fmt: skip


def stand(
    rng: np.random.Generator, x: float, z: float, facing: float, *, gesture: float = 0.2
) -> Track:
    """Standing with small movements; `gesture` 0.2 is still, 1 is lively talk."""
    slow, hand, other = wobble(rng, 0.1, 0.4), wobble(rng, 0.3, 1.0), wobble(rng, 0.1, 0.5)
    bent = float(rng.uniform(0.2, 1.4))

    def track(t: float) -> Pose:
        return Pose(
            x + 0.03 * slow(t), z, facing + 0.15 * other(t), 0.0, 0.04 * slow(t),
            0.05 * slow(t), -0.05 * slow(t), 0.06, 0.06, 0.1 + 0.5 * gesture * max(0, hand(t)),
            0.15 * other(t), bent * (0.4 + gesture * abs(hand(t))), 0.3, 0.15, 0.08,
        )  # fmt: skip

    return track


def brawl(rng: np.random.Generator, centre: Track, side: float, *, force: float) -> Track:
    """One of a fighting pair around `centre`: punches, kicks, tugs; side is +1 or -1."""
    tug, lean, turn = wobble(rng, 0.8, 2.2), wobble(rng, 1.0, 2.5), wobble(rng, 0.2, 0.8)
    flail = [wobble(rng, 1.5, 4.0) for _ in range(4)]
    kick, gap = wobble(rng, 0.5, 1.6), float(rng.uniform(0.3, 0.55))

    def track(t: float) -> Pose:
        base = centre(t)
        axis = base.facing + 0.6 * turn(t)
        away = side * (gap + 0.22 * force * tug(t))
        f = [force * s(t) for s in flail]
        up = max(0.0, kick(t) - 0.45) * 1.6 * force
        return Pose(
            base.x + away * cos(axis), base.z + away * sin(axis),
            axis + (pi if side > 0 else 0.0), 0.12 * force * lean(t), 0.3 + 0.35 * force * lean(t),
            0.35 + 1.2 * up + 0.3 * f[0], -0.4 + 0.25 * f[1], 0.3 + 0.3 * abs(f[1]), 0.25,
            1.25 + 0.9 * f[0], 1.2 + 0.9 * f[1], 0.5 + 0.9 * abs(f[2]), 0.5 + 0.9 * abs(f[3]),
            0.35 + 0.3 * f[2], 0.2, 0.06 * max(0.0, f[3]),
        )  # fmt: skip

    return track


def drift(rng: np.random.Generator, x: float, z: float, axis: float, reach: float) -> Track:
    """A centre that wanders about (x, z) within `reach` metres; axis turns the pair."""
    a, b = wobble(rng, 0.15, 0.7), wobble(rng, 0.15, 0.7)
    return lambda t: Pose(x + reach * a(t), z + 0.6 * reach * b(t), axis)


def fall(before: Track, start: float, *, direction: float, seconds: float) -> Track:
    """`before` until start, then down to the ground; direction +1 on the face, -1 on the back."""

    def track(t: float) -> Pose:
        upright, down = before(min(t, start + 0.15)), ramp(t, start, seconds)
        lying = Pose(
            upright.x + direction * 0.7 * cos(upright.facing),
            upright.z + direction * 0.7 * sin(upright.facing), upright.facing,
            direction * pi / 2, 0.1, 0.3, 0.1, 0.5, 0.2, 1.6, 2.2, 0.5, 0.3, 0.7, 0.2,
        )  # fmt: skip
        # Arms fly up halfway down.
        hit = 4 * down * (1 - down)
        # Slow at first and then faster, as gravity does it.
        posed = mix(upright, lying, down**1.5)
        return posed._replace(arm_left=posed.arm_left + hit, arm_right=posed.arm_right + 0.8 * hit)

    return track


def writhing(rng: np.random.Generator, track: Track, start: float) -> Track:
    """`track`, with limbs that twist restlessly from `start` on."""
    twist, kick = wobble(rng, 0.5, 1.8), wobble(rng, 0.4, 1.5)

    def moved(t: float) -> Pose:
        p, force = track(t), ramp(t, start, 0.4)
        a, b = force * twist(t), force * kick(t)
        return p._replace(
            facing=p.facing + 0.12 * a, lean=p.lean + 0.2 * b, hip_left=p.hip_left + 0.5 * abs(b),
            knee_left=p.knee_left + 0.8 * abs(b), hip_right=p.hip_right + 0.4 * a,
            arm_left=p.arm_left + 0.6 * a, elbow_right=p.elbow_right + 0.8 * abs(a),
        )  # fmt: skip

    return moved


def switch(first: Track, second: Track, start: float, seconds: float = 0.3) -> Track:
    """`first`, then over `seconds` into `second`."""

    def track(t: float) -> Pose:
        weight = ramp(t, start, seconds)
        if weight in (0.0, 1.0):
            return second(t) if weight else first(t)
        return mix(first(t), second(t), weight)

    return track


def facing_to(x: float, z: float, to_x: float, to_z: float) -> float:
    """The facing of one at (x, z) who looks at (to_x, to_z)."""
    return atan2(to_z - z, to_x - x)
