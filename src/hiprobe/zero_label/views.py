"""What a baseline reads of a backbone, in the form of states.

So the pipeline that extracts states serves the baselines too: decoding beside the model, batches
that shrink, a cache by content and fingerprint, checkpoints. A view's fingerprint names method
and questions; its states are never taken for the backbone's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, FirstToken, Speech, speech_of
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame, Segment
from hiprobe.states import Fingerprint, Reading
from hiprobe.zero_label.number import read_number
from hiprobe.zero_label.questions import NO, QUESTIONS, YES, Method, Questions

VERSION = 1
"""Raised when a view gives other values, so that cached ones are not taken."""

GREY = 127
"""Brightness of the blank clip."""

FIRST_TOKEN_COLUMNS = ("odd", "odd_mass", "calm", "calm_mass", "blank_odd", "blank_calm")
NUMBER_COLUMNS = ("number", "answered")

_Floats = NDArray[np.float64]
ViewStates = Mapping[Reading, NDArray[np.float32]]


@dataclass
class View:
    """What all views have in common: one layer, one reading, the backbone's words."""

    backbone: Backbone
    layer_count = 1

    @property
    def speech(self) -> Speech:
        """How the backbone is asked for words."""
        return speech_of(self.backbone)

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """The backbone's own words."""
        return self.backbone.describe(
            frames,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            speech=speech,
            frame_seconds=frame_seconds,
        )

    def fingerprint_of(self, method: Method, prompt: str) -> Fingerprint:
        """The backbone's own, with method and question in it."""
        own = self.backbone.fingerprint
        settings = {**own.settings, "zero_label": method, "zero_label_version": VERSION}
        return replace(own, prompt=prompt, settings=settings)


@dataclass
class FirstTokenView(View):
    """Log-odds of Yes against No of two questions, for the clip and for a blank one.

    Columns: `FIRST_TOKEN_COLUMNS`; a mass is the probability of Yes and No together.

    Raises:
        BackboneError: the backbone does not tell its first token.
    """

    questions: Questions = QUESTIONS
    _blank: dict[tuple[float, ...], tuple[float, float]] = field(default_factory=dict)

    width = len(FIRST_TOKEN_COLUMNS)

    def __post_init__(self) -> None:
        self._asked = self.backbone
        if not isinstance(self._asked, FirstToken):
            raise BackboneError(
                f"the backbone {self.backbone.fingerprint.model} does not tell its first answer "
                "token; choose another method"
            )

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, with both questions."""
        asked = f"{self.questions.odd}\n{self.questions.calm}"
        return self.fingerprint_of("first-token", asked)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """`FIRST_TOKEN_COLUMNS` of each segment, at each reading the same."""
        (odd, calm), (odd_mass, calm_mass) = self._odds(segments)
        blank = np.array([self._of_blank(s) for s in segments])
        columns = np.column_stack([odd, odd_mass, calm, calm_mass, blank])
        return dict.fromkeys(readings, columns[:, None].astype(np.float32))

    def _odds(self, segments: Sequence[Segment]) -> tuple[_Floats, _Floats]:
        """Log-odds of Yes against No, and the mass of both: `[questions, segments]` each."""
        if not isinstance(self._asked, FirstToken):  # refused when built
            raise BackboneError("the backbone does not tell its first answer token")
        prompts = (self.questions.odd, self.questions.calm)
        logs = self._asked.first_token(segments, prompts=prompts, words=(YES, NO))
        return logs[..., 0] - logs[..., 1], np.exp(logs).sum(axis=-1)

    def _of_blank(self, segment: Segment) -> tuple[float, float]:
        """Log-odds of both questions for as many grey frames of the same size, at even times."""
        offsets, count = segment.frame_offsets_seconds, len(segment.frames)
        # rounded, and then shown so: what a segment gets must not depend on those before it
        first = round(offsets[0], 2)
        gap = round((offsets[-1] - offsets[0]) / max(1, count - 1), 3)
        shape = (*segment.frames[0].shape, count, first, gap)
        if shape not in self._blank:
            grey = np.full(segment.frames[0].shape, GREY, np.uint8)
            blank = replace(
                segment,
                start_seconds=0.0,
                end_seconds=segment.duration_seconds,
                frames=(grey,) * count,
                frame_seconds=tuple(first + i * gap for i in range(count)),
            )
            odd, calm = self._odds([blank])[0][:, 0]
            self._blank[shape] = (float(odd), float(calm))
        return self._blank[shape]


@dataclass
class NumberView(View):
    """The number 0..1 that the backbone answers, and whether it answered with one."""

    questions: Questions = QUESTIONS

    width = len(NUMBER_COLUMNS)

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, with the question."""
        found = self.fingerprint_of("decoded", self.questions.number)
        return replace(
            found, settings={**found.settings, "max_new_tokens": self.questions.number_tokens}
        )

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """`NUMBER_COLUMNS` of each segment, at each reading the same."""
        rows = []
        for segment in segments:
            number = read_number(self._answer(segment))
            rows.append((0.0, 0.0) if number is None else (number, 1.0))
        return dict.fromkeys(readings, np.array(rows, dtype=np.float32)[:, None])

    def _answer(self, segment: Segment) -> str:
        # digits repeat by their nature, so nothing keeps the model from repeating itself
        return self.backbone.describe(
            segment.frames,
            prompt=self.questions.number,
            max_new_tokens=self.questions.number_tokens,
            speech=Speech(),
            frame_seconds=segment.frame_offsets_seconds,
        )
