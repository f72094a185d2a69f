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

from hiprobe.backbones.interface import Backbone, FirstToken, HeadStates, Speech
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame, Segment
from hiprobe.states import Fingerprint, Reading
from hiprobe.zero_label.heads import Head
from hiprobe.zero_label.number import read_number
from hiprobe.zero_label.questions import HEAD_PROMPTS, NO, QUESTIONS, YES, Method, Questions

VERSION = 1
"""Raised when a view gives other values, so that cached ones are not taken."""

GREY = 127
"""Brightness of the blank clip."""

FIRST_TOKEN_COLUMNS = ("odd", "odd_mass", "calm", "calm_mass", "blank_odd", "blank_calm")
NUMBER_COLUMNS = ("number", "answered")

_States = Mapping[Reading, NDArray[np.float32]]


@dataclass
class _View:
    """What all views have in common: one layer, one reading, the backbone's words."""

    backbone: Backbone
    layer_count = 1

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
    ) -> str:
        """The backbone's own words."""
        return self.backbone.describe(
            frames, prompt=prompt, max_new_tokens=max_new_tokens, speech=speech
        )

    def _fingerprint(self, method: Method, prompt: str) -> Fingerprint:
        own = self.backbone.fingerprint
        settings = {**own.settings, "zero_label": method, "zero_label_version": VERSION}
        return replace(own, prompt=prompt, settings=settings)


@dataclass
class FirstTokenView(_View):
    """Log-odds of Yes against No of two questions, for the clip and for a blank one.

    Columns: `FIRST_TOKEN_COLUMNS`; a mass is the probability of Yes and No together.

    Raises:
        BackboneError: the backbone does not tell its first token.
    """

    questions: Questions = QUESTIONS
    _blank: dict[tuple[int, ...], tuple[float, float]] = field(default_factory=dict)

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
        return self._fingerprint("first-token", asked)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> _States:
        """`FIRST_TOKEN_COLUMNS` of each segment, at each reading the same."""
        odd, odd_mass = self._odds(segments, self.questions.odd)
        calm, calm_mass = self._odds(segments, self.questions.calm)
        blank = np.array([self._of_blank(s) for s in segments])
        columns = np.column_stack([odd, odd_mass, calm, calm_mass, blank])
        return dict.fromkeys(readings, columns[:, None].astype(np.float32))

    def _odds(
        self, segments: Sequence[Segment], question: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not isinstance(self._asked, FirstToken):  # refused when built
            raise BackboneError("the backbone does not tell its first answer token")
        logs = self._asked.first_token(segments, prompt=question, words=(YES, NO))
        return logs[:, 0] - logs[:, 1], np.exp(logs).sum(axis=1)

    def _of_blank(self, segment: Segment) -> tuple[float, float]:
        """Log-odds of both questions for grey frames of the same size and number."""
        shape = (len(segment.frames), *segment.frames[0].shape)
        if shape not in self._blank:
            grey = np.full(segment.frames[0].shape, GREY, np.uint8)
            blank = replace(segment, frames=(grey,) * len(segment.frames))
            questions = (self.questions.odd, self.questions.calm)
            odd, calm = (float(self._odds([blank], q)[0][0]) for q in questions)
            self._blank[shape] = (odd, calm)
        return self._blank[shape]


@dataclass
class NumberView(_View):
    """The number 0..1 that the backbone answers, and whether it answered with one."""

    questions: Questions = QUESTIONS

    width = len(NUMBER_COLUMNS)

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, with the question."""
        found = self._fingerprint("decoded", self.questions.number)
        return replace(
            found, settings={**found.settings, "max_new_tokens": self.questions.number_tokens}
        )

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> _States:
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
        )


@dataclass
class HeadsView(_View):
    """What the attention heads give at the last position, all heads of a layer side by side."""

    prompt: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, HeadStates):
            raise BackboneError(
                f"the heads of backbone {self.backbone.fingerprint.model} cannot be read one by "
                "one; choose another method"
            )
        self.heads_backbone: HeadStates = self.backbone
        self.layer_count = self.backbone.layer_count
        self.width = self.heads_backbone.head_count * self.heads_backbone.head_width

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, under the prompt."""
        own = self.backbone.fingerprint.prompt
        return self._fingerprint("heads", own if self.prompt is None else self.prompt)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> _States:
        """float32 `[segments, layers, heads * head width]`, at each reading the same."""
        return self.states_by_prompt(
            segments, prompts=(self.fingerprint.prompt,), layers=layers, readings=readings
        )[self.fingerprint.prompt]

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, _States]:
        """The same under several prompts; the video is decoded once."""
        found: dict[str, _States] = {}
        for prompt in prompts:
            made = self.heads_backbone.head_states(segments, layers=layers, prompt=prompt)
            rows = made.reshape(*made.shape[:2], self.width)
            found[prompt] = dict.fromkeys(readings, rows)
        return found


@dataclass
class ChosenHeadsView(_View):
    """Outputs of some heads side by side, read no deeper than the deepest of them."""

    heads: Sequence[Head] = ()

    def __post_init__(self) -> None:
        self._inner = HeadsView(self.backbone).heads_backbone
        self.width = len(self.heads) * self._inner.head_width

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, with the heads."""
        found = self._fingerprint("heads", HEAD_PROMPTS[0])
        chosen = ",".join(f"{h.layer}.{h.number}" for h in self.heads)
        return replace(found, settings={**found.settings, "heads": chosen})

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> _States:
        """float32 `[segments, 1, heads * head width]`, at each reading the same."""
        wanted = sorted({h.layer for h in self.heads})
        made = self._inner.head_states(segments, layers=wanted, prompt=HEAD_PROMPTS[0])
        rows = np.concatenate([made[:, wanted.index(h.layer), h.number] for h in self.heads], 1)
        return dict.fromkeys(readings, rows[:, None])
