"""The lite backbone: EfficientNet-Lite0, a trained projector, SmolLM2-135M-Instruct."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from hiprobe.backbones.decoder import (
    apply_norm,
    check_finite,
    check_layers,
    check_readings,
    check_whole,
    cut_at,
    in_turn,
    read_layers,
)
from hiprobe.backbones.decoder_outputs import (
    check_head_layers,
    first_ids,
    head_shape,
    log_probabilities,
    read_texts,
    stacked_heads,
    watched_heads,
)
from hiprobe.backbones.interface import DETECT_PROMPT, Speech, TextReading
from hiprobe.backbones.lite.parts import (
    EfficientNetLite0,
    Projector,
    Trained,
    change_features,
    load_trained,
    merge_adapter,
    network_input,
)
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import Reading

PICTURES = 96
"""How many are remembered: a clip of some seconds, in some 30 megabytes."""

Maps = tuple[Tensor, Tensor]


class SeenPictures:
    """The maps of the last pictures, found again by what the pictures hold."""

    def __init__(self, look: Callable[[Tensor], Maps], *, pictures: int = PICTURES) -> None:
        self._look, self._pictures = look, pictures
        self._maps: OrderedDict[bytes, Maps] = OrderedDict()

    def maps(self, picture: Tensor) -> Maps:
        """What `look` gives for a picture `[1, 3, height, width]`."""
        key = hashlib.blake2b(picture.contiguous().numpy().data, digest_size=16).digest()
        found = self._maps.pop(key, None)
        self._maps[key] = self._look(picture) if found is None else found
        if len(self._maps) > self._pictures:
            self._maps.popitem(last=False)
        return self._maps[key]


END_OF_TURN = "<|im_end|>"

SPEECH = Speech(structured=False, repetition_penalty=1.1, no_repeat_tokens=4)
"""135 million parameters give no JSON, and repeat themselves when nothing keeps them from it."""


class LiteBackbone:
    """One forward pass per segment, on the CPU, in float32.

    Built by `load.load_lite`; the parts can also be given directly (tests, training).
    """

    def __init__(
        self,
        *,
        decoder: LlamaForCausalLM,
        layer_count: int,
        vision: EfficientNetLite0,
        projector: Projector,
        tokenizer: Tokenizer,
        weights: str,
        prompt: str = DETECT_PROMPT,
        input_pixels: int = 224,
    ) -> None:
        self.decoder = decoder.eval().requires_grad_(False)
        self.vision = vision.eval().requires_grad_(False)
        self.projector = projector.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.prompt = prompt
        self._layer_count = layer_count
        self._weights = weights
        self._input_pixels = input_pixels
        self._seen = SeenPictures(self.vision)

    @property
    def layer_count(self) -> int:
        """L of the whole model, also where it was loaded cut."""
        return self._layer_count

    @property
    def width(self) -> int:
        """Width of a hidden state."""
        return int(self.decoder.config.hidden_size)

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

    @in_turn
    @torch.inference_mode()
    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """See `hiprobe.backbones.interface.Backbone.states`."""
        found = self.states_by_prompt(
            segments, prompts=(self.prompt,), layers=layers, readings=readings
        )
        return found[self.prompt]

    @in_turn
    @torch.inference_mode()
    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """See `hiprobe.backbones.interface.PromptsBackbone`: the pictures are looked at once."""
        available = len(self.decoder.model.layers)
        layers = check_layers(layers, available=available, layer_count=self.layer_count)
        readings = check_readings(readings)
        visual = [self.visual_tokens([segment.frames]) for segment in segments]
        found: dict[str, dict[Reading, NDArray[np.float32]]] = {}
        for prompt in prompts:
            parts = [self._read(own, prompt, layers, readings) for own in _of_one_length(visual)]
            empty = np.zeros((0, len(layers), self.width), np.float32)
            found[prompt] = {
                r: np.concatenate([empty, *(part[r] for part in parts)]) for r in readings
            }
            check_finite(found[prompt], dtype=self.fingerprint.dtype)
        return found

    @property
    def speech(self) -> Speech:
        """Plain words, kept from repeating themselves."""
        return SPEECH

    @in_turn
    @torch.inference_mode()
    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """The model's own words, decoded greedily; it is not told times.

        Raises:
            BackboneError: the decoder was loaded cut and cannot speak.
        """
        check_whole(available=len(self.decoder.model.layers), layer_count=self.layer_count)
        embedded, _ = self.embed(self.visual_tokens([frames]), prompt=prompt)
        stop, chosen = self.tokenizer.token_to_id(END_OF_TURN), speech or self.speech
        made = self.decoder.generate(
            inputs_embeds=embedded,
            attention_mask=torch.ones(embedded.shape[:2], dtype=torch.long),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            logits_processor=_processors(chosen),
            eos_token_id=stop,
            pad_token_id=stop,
        )
        return str(self.tokenizer.decode(made[0].tolist(), skip_special_tokens=True)).strip()

    @in_turn
    @torch.inference_mode()
    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """See `hiprobe.backbones.interface.FirstToken`."""
        check_whole(available=len(self.decoder.model.layers), layer_count=self.layer_count)
        ids = first_ids(words, encode=self._ids)
        found = np.zeros((len(prompts), len(segments), len(ids)))
        for row, segment in enumerate(segments):
            visual = self.visual_tokens([segment.frames])
            for number, prompt in enumerate(prompts):
                embedded, _ = self.embed(visual, prompt=prompt)
                made = self.decoder(inputs_embeds=embedded, use_cache=False, logits_to_keep=1)
                found[number, row] = log_probabilities(made.logits[:, -1], ids)[0]
        return found

    @in_turn
    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.FinalNorm`."""
        check_whole(available=len(self.decoder.model.layers), layer_count=self.layer_count)
        return apply_norm(self.decoder.model.norm, values)

    @property
    def head_count(self) -> int:
        """Attention heads of one layer."""
        return head_shape(self.decoder.config)[0]

    @property
    def head_width(self) -> int:
        """Width of what one head gives."""
        return head_shape(self.decoder.config)[1]

    @in_turn
    @torch.inference_mode()
    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.HeadStates`."""
        layers = check_head_layers(layers, available=len(self.decoder.model.layers))
        shape = (len(prompts), len(segments), len(layers), self.head_count, self.head_width)
        found = np.zeros(shape, np.float32)
        for row, segment in enumerate(segments):
            visual = self.visual_tokens([segment.frames])
            for number, prompt in enumerate(prompts):
                embedded, _ = self.embed(visual, prompt=prompt)
                with (
                    cut_at(self.decoder.model, max(layers)) as decoder,
                    watched_heads(decoder, layers) as caught,
                ):
                    decoder(inputs_embeds=embedded, use_cache=False)
                found[number, row] = stacked_heads(caught, layers, heads=self.head_count)[0]
        return found

    @in_turn
    def text_states(
        self, texts: Sequence[str], *, layers: Sequence[int]
    ) -> Mapping[TextReading, NDArray[np.float32]]:
        """See `hiprobe.backbones.interface.TextsBackbone`: the text stands where a frame would."""
        before, after = prompt_ends(self.prompt)
        pieces = [(self._ids(before), self._ids(t), self._ids(after)) for t in texts]
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

    def embed(self, visual: Tensor, *, prompt: str) -> tuple[Tensor, Tensor]:
        """The prompt's embeddings with visual tokens in place, and where those stand.

        Returns float32 `[clips, positions, width]` and bool `[positions]`.
        """
        table = self.decoder.get_input_embeddings()
        ends = [torch.tensor(self._ids(text)) for text in prompt_ends(prompt)]
        before, after = (table(ids).expand(len(visual), -1, -1) for ids in ends)
        is_visual = torch.zeros(
            before.shape[1] + visual.shape[1] + after.shape[1], dtype=torch.bool
        )
        is_visual[before.shape[1] : before.shape[1] + visual.shape[1]] = True
        return torch.cat([before, visual, after], dim=1), is_visual

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _feature_maps(self, frames: Sequence[Frame]) -> tuple[Tensor, Tensor]:
        # one by one: what a picture's layers hand on then stays in the processor's cache
        unique = {id(frame): frame for frame in frames}  # a short stretch repeats its arrays
        inputs = (network_input([f], pixels=self._input_pixels) for f in unique.values())
        maps = dict(zip(unique, map(self._seen.maps, inputs), strict=True))
        coarse, fine = (torch.cat([maps[id(f)][i] for f in frames]) for i in (0, 1))
        return coarse, fine

    def _read(
        self, visual: Tensor, prompt: str, layers: Sequence[int], readings: Sequence[Reading]
    ) -> dict[Reading, NDArray[np.float32]]:
        embedded, is_visual = self.embed(visual, prompt=prompt)
        decoder = self.decoder.model
        return read_layers(
            lambda: decoder(inputs_embeds=embedded, use_cache=False),
            decoder,
            layers=layers,
            readings=readings,
            visual=is_visual.expand(embedded.shape[:2]),
        )


def _of_one_length(visual: Sequence[Tensor]) -> list[Tensor]:
    """Neighbours of equal length as one batch: the decoder's weights are read once for all."""
    groups = groupby(visual, key=lambda tokens: tokens.shape[1])
    return [torch.cat(list(own)) for _, own in groups]


def _processors(speech: Speech) -> LogitsProcessorList:
    """As `generate` would make them, which warns that it sees no ids of an embedded prompt."""
    made = LogitsProcessorList()
    if speech.repetition_penalty != 1.0:
        made.append(RepetitionPenaltyLogitsProcessor(speech.repetition_penalty))
    if speech.no_repeat_tokens:
        made.append(NoRepeatNGramLogitsProcessor(speech.no_repeat_tokens))
    return made


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
) -> LiteBackbone:
    """Load an assembled model folder; cut at a layer, the layers above it are never read.

    Raises:
        BackboneError: the folder is incomplete or not a lite backbone.
    """
    try:
        config = read_json(folder / "config.json", nan=True)
        manifest = (folder / "manifest.json").read_bytes()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        decoder_config = LlamaConfig(**config["decoder"])
        layer_count = decoder_config.num_hidden_layers
        decoder_config.num_hidden_layers = min(cut_at_layer or layer_count, layer_count)
        decoder, vision = LlamaForCausalLM(decoder_config), EfficientNetLite0()
        _load_parts(folder / "model.safetensors", decoder, vision)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise BackboneError(
            f"the lite backbone in {folder} cannot be loaded: {error}; remove the folder and "
            "run: hiprobe backbones get lite"
        ) from error
    trained = trained or load_trained()
    if trained.adapter:
        merge_adapter(decoder, trained.adapter)
    return LiteBackbone(
        decoder=decoder,
        layer_count=layer_count,
        vision=vision,
        projector=trained.projector,
        tokenizer=tokenizer,
        weights=_weights_digest(manifest, trained),
        prompt=prompt,
        input_pixels=config["vision"]["input_pixels"],
    )


def _load_parts(path: Path, decoder: LlamaForCausalLM, vision: EfficientNetLite0) -> None:
    wanted = {f"decoder.{k}": v for k, v in decoder.state_dict().items() if k != "lm_head.weight"}
    wanted |= {f"vision.{k}": v for k, v in vision.state_dict().items()}
    with safe_open(path, framework="pt") as tensors, torch.no_grad():
        missing = set(wanted) - set(tensors.keys())
        if missing:
            raise KeyError(f"{len(missing)} tensors are missing, {sorted(missing)[0]} the first")
        for name, place in wanted.items():
            place.copy_(tensors.get_tensor(name))
    decoder.tie_weights()


def _weights_digest(manifest: bytes, trained: Trained) -> str:
    """Sixteen hexadecimal digits over the assembled files and the trained parts in use."""
    digest = hashlib.sha256(manifest)
    tensors = trained.projector.state_dict() | dict(trained.adapter)
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
