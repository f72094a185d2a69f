"""Stories of fire, smoke and explosions."""

from __future__ import annotations

from hiprobe.scenes.cast import Setting, Story
from hiprobe.scenes.effects import burst, debris, flicker, plume
from hiprobe.scenes.extras import bystanders, dressed
from hiprobe.scenes.motion import (
    ramp,
)


def fire(s: Setting) -> Story:
    """Flames grow, with smoke above."""
    says = ("A fire is burning", "Flames and smoke rise", "A fire breaks out and grows",
            "Something is on fire, flames leap up")  # fmt: skip
    rng, size = s.rng, float(s.rng.uniform(0.7, 2.6))
    level = flicker(rng, s.start - (2.5 if s.start <= 0 else 0), float(rng.uniform(0.6, 2.5)))
    flames = plume(rng, s.x, s.z, size=size, glow=True, level=level, wind=float(rng.normal(0, 0.4)))
    smoke = plume(rng, s.x, s.z + 0.3, size=size * 1.4, glow=False, base=size * 0.8,
                  level=lambda t: 0.7 * level(t), wind=float(rng.normal(0, 1)))  # fmt: skip
    return Story(says, dressed(s, bystanders(s, 2)), fires=(flames,), smokes=(smoke,))


def smoke(s: Setting) -> Story:
    """A cloud of smoke grows."""
    says = ("Thick smoke rises", "A cloud of smoke spreads", "Smoke pours out and fills the scene")
    level = flicker(s.rng, s.start - (2.5 if s.start <= 0 else 0.2), float(s.rng.uniform(0.5, 1.8)))
    cloud = plume(s.rng, s.x, s.z, size=float(s.rng.uniform(1.2, 3.5)), glow=False, level=level,
                  wind=float(s.rng.normal(0, 1.2)))  # fmt: skip
    return Story(says, dressed(s, bystanders(s, 2)), smokes=(cloud,))


def explosion(s: Setting) -> Story:
    """A flash, a ball of fire, debris, smoke, a trembling camera."""
    says = ("An explosion goes off with a bright flash", "Something explodes violently",
            "A sudden blast throws debris and smoke")  # fmt: skip
    rng, size = s.rng, float(s.rng.uniform(1.8, 4.0))
    ball = plume(rng, s.x, s.z, size=size, glow=True, level=burst(s.start, fade=0.7))
    cloud = plume(rng, s.x, s.z, size=size * 1.3, glow=False, level=lambda t: ramp(t, s.start, 1.0))
    flash, shake = burst(s.start, rise=0.05, fade=0.2), burst(s.start, fade=0.4)
    return Story(says, dressed(s, bystanders(s, 3)), fires=(ball,), smokes=(cloud,), flash=flash,
                 shake=lambda t: 0.05 * shake(t),
                 pieces=((s.start, debris(rng, s.x, s.z, speed=9.0, count=34)),))  # fmt: skip
