"""A small real backbone, a probe, and videos, for the tests of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.errors import BackboneMemoryError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import VISION_READINGS, Reading, States
from hiprobe.timeline import Timeline


@dataclass
class ColourBackbone:
    """A small real backbone: the key frames' mean colours through one fixed matrix a layer.

    Layer l at reading r is tanh(colours @ W[l]) + r, so states are bounded, differ by layer and
    reading, and follow from the frames alone; vision readings are the colours.
    `memory_segments` is the largest batch that fits.
    """

    prompt: str = "what?"
    memory_segments: int = 1000
    seen: list[int] = field(default_factory=list)
    layers_run: set[int] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)

    layer_count = 5
    width = 7

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("colour", "seed 0", "float32", self.prompt)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        if len(segments) > self.memory_segments:
            raise BackboneMemoryError(f"{len(segments)} segments do not fit")
        self.seen += [s.index for s in segments]
        self.layers_run |= set(layers)
        colours = np.stack([np.mean(s.frames, axis=(0, 1, 2)) / 255 for s in segments])
        shift = {"last": 0.0, "visual_mean": 1.0, "prompt_mean": 2.0}
        rows = np.stack([np.tanh(colours @ self._matrix(layer)) for layer in layers], axis=1)
        found = {r: (rows + shift[r]).astype(np.float32) for r in readings if r in shift}
        vision = [r for r in readings if r in VISION_READINGS]
        return found | {r: colours[:, None].astype(np.float32) for r in vision}

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        return f"{prompt} {np.mean(frames):.0f} in {len(frames)} frames"

    def _matrix(self, layer: int) -> NDArray[np.float64]:
        return np.random.default_rng(layer).normal(size=(3, self.width))


@dataclass(frozen=True)
class BrightProbe:
    """Scores by the brightness that layer 3 tells, relative to the video's own range."""

    layer_: int = 3
    reading_: Reading = "last"
    provenance_: None = None

    def detect(self, states: States) -> Timeline:
        values = np.abs(states.layer(self.layer_)).sum(axis=1).astype(np.float64)
        scores = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
        return Timeline(states.start_seconds, states.end_seconds, scores, scores, 0.5, 0.0, ())


def write_video(path: Path, *, frames: int = 60, bright: range = range(0), fps: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            level = 220 if number in bright else 20 + number % 24
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


class Interrupting(ColourBackbone):
    """Stops at a segment, as Ctrl-C or a defect does."""

    error: BaseException = KeyboardInterrupt()
    at: int = 7

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        if any(s.index == self.at for s in segments):
            raise self.error
        return super().states(segments, layers=layers, readings=readings)


class AskedColour(ColourBackbone):
    """Reads any prompt: each shifts the states by a number of its own; `looks` counts segments."""

    looks = 0

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        found = self.states_by_prompt(
            segments, prompts=(self.prompt,), layers=layers, readings=readings
        )
        return found[self.prompt]

    def states_by_prompt(self, segments, *, prompts, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        self.looks += len(segments)
        seen = ColourBackbone.states(self, segments, layers=layers, readings=readings)
        shifts = {prompt: np.float32(sum(map(ord, prompt)) % 97) for prompt in prompts}
        return {p: {r: v + shift for r, v in seen.items()} for p, shift in shifts.items()}
