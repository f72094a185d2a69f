"""One English sentence about a scene: what happens, where on the picture, by night or day."""

from __future__ import annotations

import numpy as np

from hiprobe.scenes.cast import Story

PLACES = {
    "street": "in a street", "car park": "in a car park", "square": "in a square",
    "hall": "in a hall", "shop": "in a shop", "yard": "in a yard", "corridor": "",
    "courtyard": "", "kiosk": "",
}  # fmt: skip


def describe(rng: np.random.Generator, story: Story, *, u: float, place: str, night: bool) -> str:
    """The sentence; `u` is the share of the picture's width at which the story plays."""
    what = story.says[rng.integers(len(story.says))]
    parts = [what]
    if story.where_said:
        parts.append(_where(rng, u))
    if story.place_said and PLACES[place] and rng.random() < 0.3:
        parts.append(PLACES[place])
    when = "at night" if night else ("in daylight" if rng.random() < 0.1 else "")
    if when and rng.random() < 0.4:
        return f"{when[0].upper()}{when[1:]}, {what[0].lower()}{' '.join(parts)[1:]}."
    return " ".join([*parts, when]).strip() + "."


def _where(rng: np.random.Generator, u: float) -> str:
    if u < 0.38:
        return "on the left"
    if u > 0.62:
        return "on the right"
    return str(rng.choice(["in the middle", "in the centre", "in front of the camera"]))
