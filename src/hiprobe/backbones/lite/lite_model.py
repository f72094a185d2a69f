"""The lite backbone: EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor, nn

from hiprobe.backbones.decoder import DecoderBackbone, in_turn
from hiprobe.backbones.decoder_outputs import read_texts, vision_readings
from hiprobe.backbones.interface import DETECT_PROMPT, Speech, TextReading
from hiprobe.backbones.lite.packed import PackedVision, can_pack, pack_layer
from hiprobe.backbones.lite.parts import (
    FEATURE_CHANNELS,
    EfficientNetLite0,
    Projector,
    Trained,
    change_features,
    load_trained,
    merge_adapter,
    scaled,
    squashed,
)
from hiprobe.backbones.lite.small_llama import DecoderShape, Kept, SmallLlama
from hiprobe.backbones.shared_prefix import Keeping
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame
from hiprobe.states import VisionReading

# How many are remembered: a clip of some seconds, in some 30 megabytes.
PICTURES = 96
# New ones in one call: the calls of two cost less, and more of them fall out of the cache between
# two layers.
TOGETHER = 2

Maps = tuple[Tensor, Tensor]


class SeenPictures:
    """The maps of the last pictures, found again by what the pictures hold."""

    def __init__(self, look: Callable[[Tensor], Maps], *, pictures: int = PICTURES) -> None:
        self._look, self._pictures = look, pictures
        self._maps: OrderedDict[bytes, Maps] = OrderedDict()

    def maps(self, pictures: Sequence[Frame]) -> list[Maps]:
        """What `look` gives for each picture, uint8 `[pixels, pixels, 3]`.

        `look` takes some of them together, scaled as in training.
        """
        keys = [hashlib.blake2b(p.data, digest_size=16).digest() for p in pictures]
        found = {key: self._maps.pop(key) for key in dict.fromkeys(keys) if key in self._maps}
        new = {k: p for k, p in zip(keys, pictures, strict=True) if k not in found}
        for some in _groups(list(new), TOGETHER):
            coarse, fine = self._look(scaled(np.stack([new[key] for key in some])))
            found |= {key: (coarse[i : i + 1], fine[i : i + 1]) for i, key in enumerate(some)}
        for key in keys:
            self._maps[key] = found[key]
            self._maps.move_to_end(key)
        while len(self._maps) > self._pictures:
            self._maps.popitem(last=False)
        return [found[key] for key in keys]


def _groups(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


@dataclass(frozen=True)
class Look:
    """What is seen in one segment.

    Attributes:
        features: `[frames, cells, INPUT_CHANNELS]`.
        projector: makes visual tokens of them.
    """

    features: Tensor
    projector: Projector

    @cached_property
    def tokens(self) -> Tensor:
        """Visual tokens `[1, tokens, width]`, made when the decoder is first asked."""
        made: Tensor = self.projector(self.features[None])
        return made


END_OF_TURN = "<|im_end|>"

# 135 million parameters give no JSON, and repeat themselves when nothing keeps them from it.
SPEECH = Speech(structured=False, repetition_penalty=1.1, no_repeat_tokens=4)


class LiteBackbone(DecoderBackbone):
    """Runs on the CPU, in float32.

    Built by `load_lite`; the parts can also be given directly (tests, training).
    """

    # answers and heads were published read one by one; joined ones differ by rounding
    joins_answers = False

    def __init__(
        self,
        *,
        decoder: Any,
        layer_count: int,
        vision: nn.Module,
        projector: Projector,
        tokenizer: Tokenizer,
        weights: str,
        prompt: str = DETECT_PROMPT,
        input_pixels: int = 224,
    ) -> None:
        super().__init__(layer_count=layer_count, weights=weights, prompt=prompt)
        self.decoder = decoder.eval().requires_grad_(False)
        self.vision = vision.eval().requires_grad_(False)
        self.projector = projector.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self._input_pixels = input_pixels
        self._seen = SeenPictures(self.vision)

    @property
    def stack(self) -> Any:
        """The LLM's layers and final norm."""
        return self.decoder.model

    @property
    def speaker(self) -> Any:
        """The LLM."""
        return self.decoder

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""
        return Fingerprint(
            model="lite",
            weights=self._weights,
            dtype="float32",
            prompt=self.prompt,
            settings={
                "input_pixels": self._input_pixels,
                "cells": self.projector.config.cells,
            },
        )

    @property
    def speech(self) -> Speech:
        """Plain words, kept from repeating themselves."""
        return SPEECH

    def look(self, frames: Sequence[Frame], offsets: Sequence[float] | None) -> Look:
        """Visual tokens and their features; this model is not told times."""
        return Look(self.visual_features([frames])[0], self.projector)

    def alike(self, look: Look) -> int:
        """The number of visual tokens."""
        return look.features.shape[0] * look.features.shape[1]

    def keeping(self) -> Keeping:
        """Pairs of keys and values, one for each layer that was run."""
        past: list[Kept] = []

        def forget(positions: int) -> None:
            past[:] = [
                (keys[:, :, :-positions], values[:, :, :-positions]) for keys, values in past
            ]

        return Keeping({"past": past}, lambda: [keys.shape[2] for keys, _ in past], forget)

    def from_vision(self, looks: Sequence[Look], seen: object) -> dict[VisionReading, Tensor]:
        """What the projector reads, as mean over the cells of the picture.

        `vision_mean` is the coarse map (1280 numbers). A change is the absolute difference of two
        frames' maps, taken before pooling: mean and maximum within a cell of the coarse map, then
        of the fine one (2784 numbers). `vision_change_mean` is what `training/measure.py` calls
        vision change.
        """
        found = []
        for look in looks:
            cells = look.features.mean(dim=1)
            # a frame's own change is the one before it; the first has none
            found.append(vision_readings(cells[:, :FEATURE_CHANNELS], cells[1:, FEATURE_CHANNELS:]))
        return {reading: torch.stack([f[reading] for f in found]) for reading in found[0]}

    @in_turn
    def text_states(
        self, texts: Sequence[str], *, layers: Sequence[int]
    ) -> Mapping[TextReading, NDArray[np.float32]]:
        """See `hiprobe.backbones.interface.TextsBackbone`: the text stands where a frame would."""
        before, after = prompt_ends(self.prompt)
        pieces = [(self.plain_ids(before), self.plain_ids(t), self.plain_ids(after)) for t in texts]
        return read_texts(self.decoder.model, pieces, layers=layers, layer_count=self.layer_count)

    def visual_tokens(self, clips: Sequence[Sequence[Frame]]) -> Tensor:
        """Key frames to visual tokens `[clips, tokens, width]`."""
        tokens: Tensor = self.projector(self.visual_features(clips))
        return tokens

    @in_turn
    def visual_features(self, clips: Sequence[Sequence[Frame]]) -> Tensor:
        """What the projector reads: `[clips, frames, cells, INPUT_CHANNELS]`."""
        maps = [self._feature_maps(frames) for frames in clips]
        coarse, fine = (torch.stack([m[i] for m in maps]) for i in (0, 1))
        return change_features(coarse, fine, grid=self.projector.config.grid)

    def embed(self, looks: Sequence[Look], *, prompt: str) -> tuple[dict[str, Tensor], Tensor]:
        """The prompt's embeddings with visual tokens in place."""
        embedded, is_visual = self.embedded(torch.cat([k.tokens for k in looks]), prompt=prompt)
        return {"inputs_embeds": embedded}, is_visual.expand(embedded.shape[:2])

    def embedded(self, visual: Tensor, *, prompt: str) -> tuple[Tensor, Tensor]:
        """The prompt's embeddings with visual tokens in place, and where those stand.

        Returns float32 `[clips, positions, width]` and bool `[positions]`.
        """
        table = self.decoder.get_input_embeddings()
        ends = [torch.tensor(self.plain_ids(text)) for text in prompt_ends(prompt)]
        before, after = (table(ids).expand(len(visual), -1, -1) for ids in ends)
        is_visual = torch.zeros(
            before.shape[1] + visual.shape[1] + after.shape[1], dtype=torch.bool
        )
        is_visual[before.shape[1] : before.shape[1] + visual.shape[1]] = True
        return torch.cat([before, visual, after], dim=1), is_visual

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a bare text."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def said(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def choosing(self, speech: Speech) -> dict[str, Any]:
        """Arguments of the decoder's `generate`."""
        return {
            "repetition_penalty": speech.repetition_penalty,
            "no_repeat_tokens": speech.no_repeat_tokens,
            "eos_token_id": self.tokenizer.token_to_id(END_OF_TURN),
        }

    def _feature_maps(self, frames: Sequence[Frame]) -> tuple[Tensor, Tensor]:
        unique = {id(frame): frame for frame in frames}  # a short stretch repeats its arrays
        pictures = [squashed(f, pixels=self._input_pixels) for f in unique.values()]
        maps = dict(zip(unique, self._seen.maps(pictures), strict=True))
        coarse, fine = (torch.cat([maps[id(f)][i] for f in frames]) for i in (0, 1))
        return coarse, fine


def prompt_ends(prompt: str) -> tuple[str, str]:
    """What stands before the visual tokens and after them.

    There are no frame labels: they would take as many positions as the pictures themselves.
    """
    return "<|im_start|>user\n", f"\n{prompt}{END_OF_TURN}\n<|im_start|>assistant\n"


def load_lite(
    folder: Path,
    *,
    prompt: str = DETECT_PROMPT,
    cut_at_layer: int | None = None,
    trained: Trained | None = None,
    trainable: bool = False,
) -> LiteBackbone:
    """Load an assembled model folder; cut at a layer, the layers above it are never read.

    Args:
        trained: the package's own parts where None.
        trainable: gradients pass through the LLM, which is slower.

    Raises:
        BackboneError: the folder is incomplete or not a lite backbone.
    """
    try:
        config = read_json(folder / "config.json", nan=True)
        manifest = (folder / "manifest.json").read_bytes()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        shape = DecoderShape.of_config(config["decoder"])
        layer_count = shape.num_hidden_layers
        shape = replace(shape, num_hidden_layers=min(cut_at_layer or layer_count, layer_count))
        decoder, vision = SmallLlama(shape), EfficientNetLite0()
        _load_parts(folder / "model.safetensors", decoder, vision)
        vision.fold_norms()
        pixels = int(config["vision"]["input_pixels"])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BackboneError(
            f"the lite backbone in {folder} cannot be loaded: {error}; remove the folder and "
            "run: hiprobe backbones get lite"
        ) from error
    trained = trained or load_trained()
    for number, layer in enumerate(decoder.model.layers):
        if trained.adapter:
            merge_adapter(layer, trained.adapter, number=number)
        if can_pack() and not trainable:  # at once: the next layer gets the memory of this one
            pack_layer(layer)
    return LiteBackbone(
        decoder=decoder,
        layer_count=layer_count,
        vision=PackedVision(vision, pixels=pixels) if can_pack() else vision,
        projector=trained.projector,
        tokenizer=tokenizer,
        weights=_weights_digest(manifest, trained),
        prompt=prompt,
        input_pixels=pixels,
    )


def _load_parts(path: Path, decoder: SmallLlama, vision: EfficientNetLite0) -> None:
    with safe_open(path, framework="pt") as tensors:
        stored = set(tensors.keys())
        for part, prefix in ((decoder, "decoder."), (vision, "vision.")):
            wanted = {k: prefix + k for k in part.state_dict() if k != "lm_head.weight"}
            missing = set(wanted.values()) - stored
            if missing:
                raise KeyError(f"{len(missing)} tensors are missing, {min(missing)} the first")
            found = {name: tensors.get_tensor(key) for name, key in wanted.items()}
            part.load_state_dict(found, strict=False, assign=True)
    decoder.tie_weights()


def _weights_digest(manifest: bytes, trained: Trained) -> str:
    """Sixteen hexadecimal digits over the assembled files and the trained parts in use."""
    digest = hashlib.sha256(manifest)
    tensors = trained.projector.state_dict() | dict(trained.adapter)
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
