"""What is trained on, and which of it each step sees."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from answers import Part, clip_answer, still_answer
from captioned import Captioned, read_captioned
from hiprobe.backbones.lite.parts import FEATURE_CHANNELS, Projector, ProjectorConfig

VALIDATION_EVERY = 40  # every fortieth clip is only looked at


@dataclass(frozen=True)
class Material:
    """Clips and their kinds' numbers, stills; rows of the clips trained on, and only looked at."""

    clips: Captioned
    kinds: Tensor
    stills: Captioned | None
    used: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class Batch:
    """One question over some clips or stills, each one's answer, and the number of its kind."""

    still: bool
    features: Tensor
    prompt: str
    answers: list[list[Part]]
    kinds: Tensor


def read_material(given: argparse.Namespace) -> Material:
    clips = read_captioned(given.clips)
    stills = read_captioned([given.stills]) if given.stills else None
    rows = np.arange(len(clips.texts))
    return Material(
        clips,
        kind_numbers(clips),
        stills,
        rows[rows % VALIDATION_EVERY > 0],
        rows[::VALIDATION_EVERY],
    )


def draw(data: Material, given: argparse.Namespace, step: int) -> Batch:
    """The batch of a step, the same however often a run was interrupted."""
    rng = np.random.default_rng((given.seed, step))
    stills = data.stills
    if stills is not None and (step < given.first_stills or rng.random() < given.stills_share):
        chosen = rng.choice(len(stills.texts), given.stills_batch, replace=False)
        prompt, answers = still_answer([stills.texts[i] for i in chosen], rng)
        return Batch(True, stills.batch(chosen), prompt, answers, torch.zeros(0).long())
    chosen = rng.choice(data.used, given.batch, replace=False)
    texts = [data.clips.texts[i] for i in chosen]
    prompt, answers = clip_answer(texts, rng)
    return Batch(False, data.clips.batch(chosen), prompt, answers, data.kinds[chosen])


def new_projector(clips: Captioned, stills: Captioned | None) -> Projector:
    """A projector with random weights that standardises by the training features."""
    projector = Projector(ProjectorConfig())
    moving = _rows(clips, 5)
    seen = moving if stills is None else torch.cat([moving, _rows(stills, 3)])
    at = FEATURE_CHANNELS
    for tokens, rows in ((projector.seen, seen[:, :at]), (projector.change, moving[:, at:])):
        tokens.mean.copy_(rows.mean(0))
        tokens.scale.copy_(rows.std(0).clamp_min(1e-3))
    return projector


def kind_numbers(clips: Captioned) -> Tensor:
    """The kind of each clip's event as a number, 0 for the first by name, `[clips]`."""
    names = sorted({t["kind"] for t in clips.texts})
    return torch.tensor([names.index(t["kind"]) for t in clips.texts])


def _rows(data: Captioned, every: int) -> Tensor:
    return torch.from_numpy(data.features[::every].astype(np.float32)).flatten(0, 2)
