"""What the model is taught to answer to which question, with the weight of each part."""

from __future__ import annotations

import numpy as np

from hiprobe.backbones.interface import DETECT_PROMPT
from rendered.kinds import TRAINING_KINDS, label_of

Part = tuple[str, float]
"""Words and the weight of their tokens in the loss."""

DESCRIBE = ("Describe this video.", "What happens in this video?")
YES_NO = (
    "Does this video show anything abnormal or dangerous? Answer yes or no.",
    "Is anyone in danger in this video? Answer yes or no.",
)
STILL = ("Describe this picture.", "What does this picture show?", "Describe this video.")
ABNORMAL_CLIPS = ("struggle", "collide", "fall", "flicker")
VERDICT_WEIGHT, CHANGE_WEIGHT, SCENE_WEIGHT = 4.0, 3.0, 1.0


def is_abnormal(kind: str) -> bool:
    """Whether a training clip's kind counts as abnormal."""
    return bool(label_of(kind)) if kind in TRAINING_KINDS else kind in ABNORMAL_CLIPS


def clip_answer(
    texts: list[dict[str, str]], rng: np.random.Generator | None
) -> tuple[str, list[list[Part]]]:
    """One question for a batch of clips and each one's answer; the default one without `rng`."""
    draw = rng.random() if rng is not None else 0.0
    if draw < 0.6:
        return DETECT_PROMPT, [_verdict(t) for t in texts]
    if draw < 0.88:
        return DESCRIBE[int(draw * 1000) % 2], [_described(t) for t in texts]
    return YES_NO[int(draw * 1000) % 2], [
        [("Yes" if is_abnormal(t["kind"]) else "No", VERDICT_WEIGHT), (".", 1.0)] for t in texts
    ]


def still_answer(
    texts: list[dict[str, str]], rng: np.random.Generator
) -> tuple[str, list[list[Part]]]:
    """A question about photographs and one caption of each."""
    captions = [str(rng.choice(t["scene"].split("\n"))).rstrip(" .") + "." for t in texts]
    prompt = STILL[int(rng.integers(len(STILL)))]
    return prompt, [[(c, SCENE_WEIGHT)] for c in captions]


def _verdict(text: dict[str, str]) -> list[Part]:
    """What changes and whether it is abnormal; the place is left to the other questions."""
    word = "Abnormal:" if is_abnormal(text["kind"]) else "Normal:"
    return [(word, VERDICT_WEIGHT), (" " + text["change"], CHANGE_WEIGHT)]


def _described(text: dict[str, str]) -> list[Part]:
    scene: list[Part] = [(f" {text['scene']}", SCENE_WEIGHT)] if text["scene"] else []
    return [(text["change"], CHANGE_WEIGHT), *scene]
