"""One class for all backbones of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from itertools import pairwise
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, DynamicLayer

from hiprobe.backbones.decoder import DecoderBackbone, in_turn
from hiprobe.backbones.decoder_outputs import cut_at, vision_readings
from hiprobe.backbones.hf.family import UNTIMED_GAP_SECONDS, Family, Pictures, Wording
from hiprobe.backbones.interface import Speech
from hiprobe.backbones.shared_prefix import Keeping
from hiprobe.errors import BackboneError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame
from hiprobe.states import VisionReading

# Decoders from this size on are asked for JSON; smaller ones, as a rule, cannot keep to it.
STRUCTURED_PARAMETERS = 1_000_000_000


@dataclass(frozen=True)
class Prepared:
    """One segment ready for the model: token ids `[length]` and tensors of its frames."""

    ids: tuple[int, ...]
    tensors: Mapping[str, Tensor]

    @property
    def length(self) -> int:
        """Positions of the prompt."""
        return len(self.ids)


class HfBackbone(DecoderBackbone):
    """A frozen model of transformers. Built by `hiprobe.backbones.hf.hf_load.load_hf`."""

    def __init__(
        self,
        *,
        model: Any,
        layer_count: int,
        family: Family,
        wording: Wording,
        name: str,
        weights: str,
        prompt: str,
    ) -> None:
        super().__init__(layer_count=layer_count, weights=weights, prompt=prompt)
        self.model = model.eval().requires_grad_(False)
        self.family = family
        self.wording = wording
        self._name = name

    @property
    def decoder(self) -> Any:
        """The decoder with `layers` and `norm`."""
        return attrgetter(self.family.decoder)(self.model)

    @property
    def stack(self) -> Any:
        """The same."""
        return self.decoder

    @property
    def speaker(self) -> Any:
        """The whole model."""
        return self.model

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""
        return Fingerprint(
            model=self._name,
            weights=self._weights,
            dtype=str(self.model.dtype).removeprefix("torch."),
            prompt=self.prompt,
            settings={**self.family.settings, "wording": self.wording.digest()},
        )

    @property
    @in_turn
    def speech(self) -> Speech:
        """JSON for decoders that are large enough, plain words for the others."""
        size = sum(p.numel() for p in self.decoder.parameters())
        return Speech(structured=size >= STRUCTURED_PARAMETERS)

    def look(self, frames: Sequence[Frame], offsets: Sequence[float] | None) -> Pictures:
        """Frames made ready, with their times where known.

        Raises:
            UsageError: there are no frames, or another number of times.
        """
        if offsets is None:
            offsets = [UNTIMED_GAP_SECONDS * n for n in range(len(frames))]
        if not frames or len(offsets) != len(frames):
            raise UsageError(
                f"{len(frames)} frames and {len(offsets)} times cannot be shown; give one frame or "
                "more, and one time for each"
            )
        return replace(self.family.read(frames, offsets), frame_count=len(frames))

    def alike(self, look: Pictures) -> str:
        """What stands before the question: equal texts make prompts of equal length."""
        return look.lead

    def embed(self, looks: Sequence[Pictures], *, prompt: str) -> tuple[dict[str, Tensor], Tensor]:
        """Token ids and pictures, on the model's device and in its format."""
        inputs = self.inputs([self._worded(pictures, prompt) for pictures in looks])
        return inputs, self.family.is_visual(inputs["input_ids"])

    def looked_at_once(self) -> AbstractContextManager[Mapping[str, Any]]:
        """The vision tower runs at the first pass of the block; gives what it said by then."""
        return vision_once(self.model.model)

    def keeping(self) -> Keeping | None:
        """The library's growing cache; None for decoders of another attention than the full one.

        A sliding window forgets positions, and a recurrence cannot be taken back.
        """
        cache = DynamicCache(config=self.stack.config)
        if any(type(layer) is not DynamicLayer for layer in cache.layers):
            return None
        return Keeping(
            {"past_key_values": cache, "use_cache": True},
            lambda: [layer.get_seq_length() for layer in cache.layers],
            lambda positions: cache.crop(-positions),
        )

    def from_vision(
        self, looks: Sequence[Pictures], seen: Mapping[str, Any]
    ) -> dict[VisionReading, Tensor]:
        """Means over the places of the tower's last states, before they are made into tokens.

        A change is the absolute difference of two frames' states at each place, and then the mean
        over the places. Where the tower reads some frames as one patch, these count as one frame.

        Raises:
            BackboneError: the tower's states cannot be told, or parted by frame.
        """
        if not seen:  # nothing has run it yet: the model without any layer of its decoder
            inputs, _ = self.embed(looks, prompt=self.prompt)
            with cut_at(self.stack, 0):
                self.model.model(**inputs, use_cache=False)
        made = [_pooled(maps) for maps in self._maps(looks, seen)]
        return {reading: torch.stack([m[reading] for m in made]) for reading in made[0]}

    def _maps(self, looks: Sequence[Pictures], seen: Mapping[str, Any]) -> Tensor:
        """What the tower said: `[looks, frames, places, width]`."""
        states = next((getattr(s, "last_hidden_state", None) for s in seen.values()), None)
        if not isinstance(states, Tensor):
            raise BackboneError(
                f"{self._name} does not tell what its vision tower gives in a form known here; "
                "leave out the readings that begin with vision"
            )
        frames = -(-looks[0].frame_count // self.family.frames_together)
        rows = states.flatten(0, -2)
        if len(rows) % (len(looks) * frames):
            raise BackboneError(
                f"the vision tower of {self._name} gave {len(rows)} states for {len(looks)} times "
                f"{frames} frames, which are of different sizes; give frames of one size, or leave "
                "out the readings that begin with vision"
            )
        return rows.reshape(len(looks), frames, -1, rows.shape[-1])

    def prepare(
        self, frames: Sequence[Frame], *, prompt: str, frame_seconds: Sequence[float] | None = None
    ) -> Prepared:
        """Frames and a question as the model takes them, on the CPU; times as in `describe`."""
        return self._worded(self.look(frames, frame_seconds), prompt)

    def inputs(self, prepared: Sequence[Prepared]) -> dict[str, Tensor]:
        """Inputs of the model for segments of equal length, on its device and in its format."""
        model, family = self.model, self.family
        ids = torch.tensor([p.ids for p in prepared], device=model.device)
        made = {"input_ids": ids}
        if family.token_types:
            made[family.token_types] = (ids == family.visual_token).int() * family.token_type
        for name in prepared[0].tensors:
            joined = torch.cat([p.tensors[name] for p in prepared])
            rounds = joined.is_floating_point() and name not in family.exact
            made[name] = joined.to(device=model.device, dtype=model.dtype if rounds else None)
        return made

    def plain_ids(self, text: str) -> Sequence[int]:
        """Token ids of a bare text."""
        return self.wording.plain_ids(text)

    def said(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return self.wording.words(ids)

    def choosing(self, speech: Speech) -> dict[str, Any]:
        """Settings of the library's own."""
        return {
            "repetition_penalty": speech.repetition_penalty,
            "no_repeat_ngram_size": speech.no_repeat_tokens,
        }

    def _worded(self, pictures: Pictures, prompt: str) -> Prepared:
        return Prepared(self.wording.ids(pictures.lead + prompt), pictures.tensors)


def _pooled(maps: Tensor) -> dict[VisionReading, Tensor]:
    """The readings of one segment from states `[frames, places, width]`."""
    frames = maps.float().mean(dim=1)
    changes = [(b.float() - a.float()).abs().mean(dim=0) for a, b in pairwise(maps)]
    return vision_readings(frames, torch.stack(changes) if changes else frames[:0])


# Methods by which the models of transformers ask their vision tower, in `forward`.
_FEATURES = ("get_image_features", "get_video_features")


@contextmanager
def vision_once(model: Any) -> Iterator[Mapping[str, Any]]:
    """Within the block each of `_FEATURES` is computed at its first call and repeated after it.

    All calls in the block must be about the same pictures: nothing is compared. Gives what was
    computed, by name, as far as it was.
    """
    found: dict[str, Any] = {}
    patched = [name for name in _FEATURES if callable(getattr(model, name, None))]
    of_a_block_around = {name: vars(model)[name] for name in patched if name in vars(model)}
    for name in patched:
        setattr(model, name, _remembered(getattr(model, name), name, found))
    try:
        yield found
    finally:
        for name in patched:
            delattr(model, name)  # the class's own method shows again
        vars(model).update(of_a_block_around)


def _remembered(
    compute: Callable[..., Any], name: str, found: dict[str, Any]
) -> Callable[..., Any]:
    @wraps(compute)
    def once(*args: Any, **named: Any) -> Any:
        if name not in found:
            found[name] = compute(*args, **named)
        return found[name]

    return once
