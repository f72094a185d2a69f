"""A small real backbone that answers by the brightness of what it sees."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.baselines.asked import CALM_QUESTION
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import VISION_READINGS, Reading

GOOD_HEAD = (2, 1)


@dataclass
class Answerer:
    """Says Yes to the odd question the more, the brighter; adds `bias` to any Yes.

    Head `GOOD_HEAD` holds the brightness under every prompt, the others noise that follows from
    frames and prompt.
    """

    bias: float = 0.0
    answers: Sequence[str] = ("0.1", "0.9")
    asked: list[str] = field(default_factory=list)

    layer_count = 3
    width = 4
    head_count = 2
    head_width = 3

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("answerer", f"bias {self.bias}", "float32", "own prompt")

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        light = np.array([brightness(s.frames) for s in segments])
        rows = np.stack([np.outer(light, np.arange(4) + layer) for layer in layers], axis=1)
        made = rows.astype(np.float32)
        return {r: made[:, :1] if r in VISION_READINGS else made for r in readings}

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        self.asked.append(prompt)
        return self.answers[int(brightness(frames) > 0.5)]

    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        self.asked += prompts
        light = np.array([brightness(s.frames) for s in segments])
        turned = np.array([-1 if prompt == CALM_QUESTION else 1 for prompt in prompts])
        yes = 0.5 / (1 + np.exp(-self.bias - turned[:, None] * 4 * (light - 0.5)))
        return np.log(np.stack([yes, 0.5 - yes], axis=-1))

    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        shape = (len(prompts), len(segments), len(layers), self.head_count, self.head_width)
        made = np.empty(shape)
        for (number, prompt), (row, segment) in product(enumerate(prompts), enumerate(segments)):
            light = brightness(segment.frames)
            rng = np.random.default_rng(zlib.crc32(f"{light:.6f}{prompt}".encode()))
            for column, layer in enumerate(layers):
                made[number, row, column] = rng.normal(size=(self.head_count, self.head_width))
                if layer == GOOD_HEAD[0]:
                    made[number, row, column, GOOD_HEAD[1]] += 30 * light
        return made.astype(np.float32)


def brightness(frames: Sequence[Frame]) -> float:
    """0 for black, 1 for white."""
    return float(np.mean([f.mean() for f in frames])) / 255


def write_video(path: Path, levels: Sequence[int], *, fps: int = 24) -> Path:
    """One second of each grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in levels:
            for _ in range(fps):
                picture = np.full((48, 64, 3), level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def segment(level: int, *, size: tuple[int, int] = (8, 8)) -> Segment:
    """A segment of two grey frames."""
    frame = np.full((*size, 3), level, np.uint8)
    return Segment(0, 0.0, 1.0, 0, 24, 1 / 24, 0, 24, (frame, frame), (0.25, 0.75))
