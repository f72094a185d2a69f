"""What the attention heads of a backbone give, in the form of states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.backbones.interface import HeadStates
from hiprobe.errors import BackboneError, StatesError
from hiprobe.segment import Segment
from hiprobe.states import Fingerprint, Reading
from hiprobe.zero_label.heads import Head
from hiprobe.zero_label.questions import HEAD_PROMPTS
from hiprobe.zero_label.views import View, ViewStates

_HEADS = "heads"
"""Setting of a fingerprint that names the heads, as layer.number."""


def named_heads(fingerprint: Fingerprint) -> tuple[Head, ...]:
    """The heads whose outputs states of a fingerprint hold; none where they are hidden states.

    Raises:
        StatesError: it names them in another way than `ChosenHeadsView` does.
    """
    named = str(fingerprint.settings.get(_HEADS, ""))
    pairs = [re.fullmatch(r"(\d+)\.(\d+)", part) for part in named.split(",") if named]
    found = [Head(int(pair[1]), int(pair[2])) for pair in pairs if pair]
    if len(found) != len(pairs):
        raise StatesError(f"heads {named!r} are not named as layer.number; fit the probe again")
    return tuple(found)


@dataclass
class HeadsView(View):
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
        return self.fingerprint_of("heads", own if self.prompt is None else self.prompt)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
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
    ) -> Mapping[str, ViewStates]:
        """The same under several prompts; the video is decoded once."""
        made = self.heads_backbone.head_states(segments, layers=layers, prompts=prompts)
        rows = made.reshape(*made.shape[:3], self.width)
        return {
            prompt: dict.fromkeys(readings, own) for prompt, own in zip(prompts, rows, strict=True)
        }


@dataclass
class ChosenHeadsView(View):
    """Outputs of some heads side by side, read no deeper than the deepest of them."""

    heads: Sequence[Head] = ()

    def __post_init__(self) -> None:
        self._inner = HeadsView(self.backbone).heads_backbone
        self.width = len(self.heads) * self._inner.head_width

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the backbone, with the heads."""
        found = self.fingerprint_of("heads", HEAD_PROMPTS[0])
        chosen = ",".join(f"{h.layer}.{h.number}" for h in self.heads)
        return replace(found, settings={**found.settings, _HEADS: chosen})

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """float32 `[segments, 1, heads * head width]`, at each reading the same."""
        wanted = sorted({h.layer for h in self.heads})
        made = self._inner.head_states(segments, layers=wanted, prompts=HEAD_PROMPTS[:1])[0]
        rows = np.concatenate([made[:, wanted.index(h.layer), h.number] for h in self.heads], 1)
        return dict.fromkeys(readings, rows[:, None])
