"""A probe on made-up states and the results of two videos of such states, without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiprobe.fingerprint import Fingerprint
from hiprobe.probe import Probe
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.states import LabelledStates, States, VideoStates
from hiprobe.store.states_file import write_states

LAYERS, WIDTH, BEST_LAYER = (1, 2, 3, 4), 12, 3
FINGERPRINT = Fingerprint("lite", "w" * 8, "float32", "prompt")

NORMAL, FIGHT, DOG = 0, 1, 2
"""Kinds of segments: a dog looks a little like a fight, and is none."""

KITCHEN = (NORMAL,) * 4 + (FIGHT,) * 3 + (NORMAL,) * 4 + (DOG,) * 3 + (NORMAL,) * 3
YARD = (NORMAL,) * 3 + (DOG,) * 3 + (NORMAL,) * 5


def states(kinds: Sequence[int], rng: np.random.Generator) -> States:
    """One row for each kind; only `BEST_LAYER` tells the kinds apart."""
    values = rng.normal(size=(len(kinds), len(LAYERS), WIDTH)).astype(np.float32)
    kind = np.array(kinds)
    best = values[:, LAYERS.index(BEST_LAYER)]
    best[kind == FIGHT, :6] += 3
    best[kind == DOG, :4] += 3
    best[kind == DOG, 8:] += 4
    starts = np.arange(len(kinds), dtype=np.float64)
    return States(
        values=values,
        layers=LAYERS,
        start_seconds=starts,
        end_seconds=starts + 1.0,
        reading="last",
        fingerprint=FINGERPRINT,
        layer_count=len(LAYERS),
        failed=np.zeros(len(kinds), bool),
    )


def clip(name: str, kind: int, rng: np.random.Generator) -> LabelledStates:
    whole, segments = states([kind], rng), states([kind] * 3, rng)
    return LabelledStates(name, kind, name, whole, segments, ("normal", "fight")[kind])


@dataclass(frozen=True)
class ReviewCase:
    """Where the probe and the results lie."""

    probe: Path
    results: Path


def make_case(folder: Path) -> ReviewCase:
    """A probe on six normal clips and six fights, which takes dogs for fights in two videos."""
    rng = np.random.default_rng(5)
    clips = [clip(f"{kind}-{n}.mp4", kind, rng) for n in range(6) for kind in (NORMAL, FIGHT)]
    probe = Probe(kappa=0.0).fit(clips)
    probe.save(folder / "probe")
    for name, kinds in (("kitchen", KITCHEN), ("yard", YARD)):
        path = folder / "videos" / f"{name}.safetensors"
        found = states(kinds, rng)
        write_states(path, VideoStates(states={"last": found}))
        timeline = probe.detect(found)
        document = timeline_document(timeline, video=str(path), probe=probe.facts())
        write_json(document, folder / "results" / f"{name}.json")
    return ReviewCase(folder / "probe", folder / "results")
