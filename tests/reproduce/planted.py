"""A backbone whose states tell hard noise from grey by construction, not by luck of its weights.

Random weights tell the two apart on one processor and less so on another: a probe on few clips
weighs the last digits of a product. Here each state is that of the tiny model plus a planted part,
so large that nothing the model adds can turn a score around. Reading, joining and scoring are the
product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import backbone_cases
import numpy as np
import tiny_sets
from numpy.typing import NDArray

from hiprobe.backbones.interface import TextReading
from hiprobe.backbones.lite.lite_model import LiteBackbone, load_lite
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.segment import Segment
from hiprobe.states import VISION_LAYERS, VISION_READINGS, Reading
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.write import write_video

PLANTED = 1e4
"""What a wholly abnormal segment or text is moved by, in each dimension."""

NOISE_STEP = 10.0
"""Mean step between neighbouring pixels: some 30 in the hard noise, under 2 in the grey."""


class PlantedLite(LiteBackbone):
    """A lite backbone with a planted part from layer 1 on."""

    abnormal_text: Callable[[str], bool]

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        found = super().states_by_prompt(
            segments, prompts=prompts, layers=layers, readings=readings
        )
        shares = [share_of_noise(s) for s in segments]

        def moved(reading: Reading, own: NDArray[np.float32]) -> NDArray[np.float32]:
            read = VISION_LAYERS if reading in VISION_READINGS else layers
            return own + self._parts(shares, read, own.shape[2])

        return {p: {r: moved(r, own) for r, own in values.items()} for p, values in found.items()}

    def text_states(
        self, texts: Sequence[str], *, layers: Sequence[int]
    ) -> Mapping[TextReading, NDArray[np.float32]]:
        found = super().text_states(texts, layers=layers)
        parts = self._parts([float(self.abnormal_text(t)) for t in texts], layers, self.width)
        return {reading: own + parts for reading, own in found.items()}

    def _parts(
        self, shares: Sequence[float], layers: Sequence[int], width: int
    ) -> NDArray[np.float32]:
        """`[segments, layers, width]`: each dimension moves its own way, layer 0 does not."""
        signs = np.where(np.arange(width) % 2, -PLANTED, PLANTED)
        deep = np.asarray([layer > 0 for layer in layers], np.float64)
        moved = np.asarray(shares)[:, None, None] * deep[None, :, None] * signs
        return moved.astype(np.float32)


def share_of_noise(segment: Segment) -> float:
    """Share of the key frames that show the hard noise of `tiny_sets`."""
    steps = [np.abs(np.diff(f.astype(np.float64), axis=1)).mean() for f in segment.frames]
    return float(np.mean([step > NOISE_STEP for step in steps]))


def planted_opener(
    folder: Path, *, abnormal_text: Callable[[str], bool] = lambda text: False
) -> Callable[[], LiteBackbone]:
    """Writes the tiny lite model; gives what opens it with the planted part."""
    trained = backbone_cases.write_tiny_lite(folder)

    def opened() -> LiteBackbone:
        backbone = PlantedLite.__new__(PlantedLite)
        vars(backbone).update(vars(load_lite(folder, trained=trained)))
        backbone.abnormal_text = abnormal_text
        return backbone

    return opened


def bench_on_files(folder: Path, *, say: Callable[[str], None] = lambda line: None) -> Bench:
    """A bench on 16 written clips of a source each, every other one hard noise throughout."""
    lines = ["video,label,source"]
    for i in range(16):
        spans = ((0, 24),) if i % 2 else ()
        write_video(folder / f"{i}.mp4", tiny_sets.span_frames(24, spans, seed=i), fps=10)
        lines.append(f"{i}.mp4,{('normal', 'abnormal')[i % 2]},s{i}")
    (folder / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    data = (DataSource("small", folder / "clips.csv"),)
    request = ReproduceRequest(data=data, out=folder / "out", seeds=(0,), folds=2, draws=10)
    extraction = Extraction(request, planted_opener(folder), StatesCache(folder / "states"))
    return Bench(request, extraction, FinishedPieces(folder / "kept"), say=say)
