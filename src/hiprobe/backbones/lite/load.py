"""From an assembled model folder and the trained parts of the package to a lite backbone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.backbones.lite.adapter import merge_adapter
from hiprobe.backbones.lite.model import LiteBackbone
from hiprobe.backbones.lite.projector import Trained, load_trained
from hiprobe.backbones.lite.vision import EfficientNetLite0
from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json


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
