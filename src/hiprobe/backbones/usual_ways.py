"""How hidden states are usually taken, on the weights of an open backbone: to measure ours by.

`generate` for one new token with all states kept, or hooks on every layer at full depth. Both run
the model of transformers, one segment at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones.decoder import DecoderBackbone
from hiprobe.backbones.registry import backbone_folder
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError, StatesError
from hiprobe.machine import Took, took
from hiprobe.segment import Segment

# Largest distance of two states, as a share of their length, that rounding explains: the order of
# sums differs between the ways.
EQUAL = {"float32": 1e-4, "bfloat16": 3e-2, "float16": 1e-2}


class LibraryModel:
    """The library's own model with a backbone's weights.

    Attributes:
        backbone: makes the inputs, so that all ways see the same.
        model: of transformers, with its head.
    """

    def __init__(self, backbone: DecoderBackbone) -> None:
        self.backbone = backbone
        self.model = _of_library(backbone)

    @torch.inference_mode()
    def generated(self, segment: Segment) -> tuple[Tensor, ...]:
        """States of all layers and positions, `[1, positions, width]` each, the embedding first.

        The last one is after the final norm, as the library gives it.
        """
        inputs, visual = self._inputs(segment)
        made = self.model.generate(
            **inputs,
            attention_mask=torch.ones_like(visual, dtype=torch.long),
            max_new_tokens=1,
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
        return tuple(made.hidden_states[0])

    @torch.inference_mode()
    def hooked(self, segment: Segment) -> tuple[Tensor, ...]:
        """What hooks catch behind every layer of a whole pass, in order, before the final norm."""
        caught: list[Tensor] = []

        def keep(_: object, __: object, output: Any) -> None:
            caught.append(output[0] if isinstance(output, tuple) else output)

        inputs, _ = self._inputs(segment)
        # Hooks give states before the final norm, which `output_hidden_states` does not for the
        # last layer.
        hooks = [layer.register_forward_hook(keep) for layer in self.model.get_decoder().layers]
        try:
            self.model(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(caught)

    def _inputs(self, segment: Segment) -> tuple[dict[str, Tensor], Tensor]:
        seen = self.backbone.look(segment.frames, segment.frame_offsets_seconds)
        return self.backbone.embed([seen], prompt=self.backbone.prompt)


def _of_library(backbone: DecoderBackbone) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

    if isinstance(backbone.speaker, PreTrainedModel):
        return backbone.speaker
    if backbone.fingerprint.model != "lite":
        raise BackboneError(
            f"{backbone.fingerprint.model} is no model of transformers: only HiProbe's own way can "
            "be measured"
        )
    folder = backbone_folder("lite")
    assert folder is not None  # lite lies in a folder of its own
    config = read_json(folder / "config.json", nan=True)["decoder"]
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**config))
    model.load_state_dict(backbone.speaker.state_dict(), assign=True, strict=False)
    model.tie_weights()
    # The table of rotations is no weight: on the meta device it has no values.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=model.config)
    return model.eval()


def check_equal(library: LibraryModel, segment: Segment) -> float:
    """Compare the states of all ways at the last position, layer by layer.

    Returns:
        The largest distance, as a share of the states' length.

    Raises:
        StatesError: two ways differ by more than rounding.
    """
    backbone = library.backbone
    # The library first: at its first call it places hooks on the layers that it sees then.
    made = _last_positions(library.generated(segment)[1:])
    hooked = _last_positions(library.hooked(segment))
    layers = range(1, backbone.layer_count + 1)
    own = backbone.states([segment], layers=list(layers))["last"][0]
    normed = own.copy()
    normed[-1] = backbone.final_norm(own[-1:])[0]
    worst = max(_apart(normed, made), _apart(own, hooked))
    limit = EQUAL[backbone.fingerprint.dtype]
    if not worst <= limit:
        raise StatesError(
            f"states of {backbone.fingerprint.model} differ between HiProbe and the library by "
            f"{worst:.2g} of their length, where rounding in {backbone.fingerprint.dtype} explains "
            f"{limit:g}: please report this"
        )
    return worst


def _last_positions(states: Sequence[Tensor]) -> NDArray[np.float32]:
    return np.stack([s[0, -1].float().cpu().numpy() for s in states])


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if one.shape != other.shape:
        raise StatesError(f"states of shapes {one.shape} and {other.shape} cannot be compared")
    length = np.linalg.norm(one, axis=1)
    return float((np.linalg.norm(one - other, axis=1) / np.maximum(length, 1e-12)).max())


def positions_of(backbone: DecoderBackbone, segment: Segment) -> int:
    """Positions of a segment's prompt, those of its frames included."""
    seen = backbone.look(segment.frames, segment.frame_offsets_seconds)
    with torch.inference_mode():
        return int(backbone.embed([seen], prompt=backbone.prompt)[1].shape[1])


def product_seconds(*, device: str, dtype: str, repeats: int = 5) -> Took:
    """The least time of an operation in a square matrix product here.

    It is what any model is measured by: the floor of its time.
    """
    size = 8192 if device == "cuda" else 1536
    kind: torch.dtype = getattr(torch, dtype)
    left, right = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))

    def product() -> None:
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()

    product()
    # The least of some runs: what else the machine does can only make one longer.
    runs = [took(product) / (2 * size**3) for _ in range(repeats)]
    return Took(min(r.seconds for r in runs), min(r.processor_seconds for r in runs))


def thread_count() -> int:
    """Threads that torch uses for one operation."""
    return torch.get_num_threads()


def gpu_name() -> str | None:
    """The GPU that torch uses; None where it sees none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
