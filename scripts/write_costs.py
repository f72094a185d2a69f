"""Writes what the models of the catalogue are made of, from models without weights.

    python scripts/write_costs.py

Every model of `facts.json` is built on torch's meta device by transformers, which takes neither
memory nor time, and its parameters and matrices are read off. Run it after a change of that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForImageTextToText, LlamaConfig, LlamaForCausalLM

from hiprobe.backbones import catalogue
from hiprobe.backbones.hf.measured import measured_shape
from hiprobe.backbones.hf.original import native_config
from hiprobe.backbones.lite.parts import EfficientNetLite0, load_trained
from hiprobe.backbones.shape import Shape, SquareTower

FACTS = Path(catalogue.__file__).parent / "facts.json"
COSTS = FACTS.with_name("costs.json")

SMOLLM2_135M = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
LITE_PIXELS = 224
LITE_TEXT_POSITIONS = 21
"""Of the default prompt with its chat marks; there are no frame labels."""


class _Tokens:
    """Stands for a tokenizer where only the id of the picture's token is asked for."""

    def convert_tokens_to_ids(self, _: str) -> int:
        return 7


def library_config(config: catalogue.Config) -> Any:
    """The config of transformers for one of the catalogue."""
    if config["model_type"] == "internvl_chat":
        return native_config(config, _Tokens())
    more = {key: value for key, value in config.items() if key != "model_type"}
    return AutoConfig.for_model(config["model_type"], **more)


def shape_of_config(config: Any, **limits: int | None) -> Shape:
    """The shape of a model with a config of transformers; `limits` as of `measured_shape`."""
    kind = AutoModelForImageTextToText._model_mapping[type(config)]
    with torch.device("meta"):
        shape = measured_shape(kind(config), **limits)
    assert shape is not None, f"{config.model_type} is not counted"
    return shape


def lite_shape(decoder: dict[str, Any], *, pixels: int = LITE_PIXELS) -> Shape:
    """The shape of a lite backbone: this LLM behind the projector of the package."""
    projector, counter = load_trained().projector, FlopCounterMode(display=False)
    with torch.device("meta"):
        llm, vision = LlamaForCausalLM(LlamaConfig(**decoder)), EfficientNetLite0().eval()
        with torch.inference_mode(), counter:
            vision(torch.zeros(1, 3, pixels, pixels))
    cells, layer = projector.config.cells, llm.model.layers[0]
    seen, change = (
        2 * cells * (part.first.weight.numel() + part.second.weight.numel())
        for part in (projector.seen, projector.change)
    )
    parts = (llm, vision, projector)
    linear = [m for m in layer.modules() if isinstance(m, torch.nn.Linear)]
    return Shape(
        layer_count=len(llm.model.layers),
        width=llm.config.hidden_size,
        parameters=sum(p.numel() for part in parts for p in part.parameters()),
        head_parameters=0,
        layer_parameters=sum(p.numel() for p in layer.parameters()),
        layer_weights=sum(m.weight.numel() for m in linear),
        pair_flops=4 * llm.config.hidden_size,
        # one picture, and a change between each two frames
        tower=SquareTower(
            cells, counter.get_total_flops(), change, more_projector_flops=seen - change
        ),
        text_positions=LITE_TEXT_POSITIONS,
        float32_only=True,
    )


def measured_shapes() -> dict[str, Shape]:
    """All that `costs.json` holds."""
    rows = json.loads(FACTS.read_text(encoding="utf-8"))["backbones"]
    least = {row["name"]: row.get("least_pixels") for row in rows}
    found = {"lite": lite_shape(SMOLLM2_135M)}
    for name, config in catalogue.model_configs().items():
        found[name] = shape_of_config(library_config(config), least_pixels=least[name])
    return found


def main() -> None:
    """Write the file."""
    lines = [f'"{name}": {json.dumps(s.to_json())}' for name, s in measured_shapes().items()]
    COSTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
