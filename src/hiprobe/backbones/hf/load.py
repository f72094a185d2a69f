"""Opens a model folder of transformers, whole or cut at a layer, without any network."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from hiprobe.backbones.hf.completeness import check_complete
from hiprobe.backbones.hf.distinct_frames import encode_distinct_frames
from hiprobe.backbones.hf.folder import Plan, loading, plan_of, read_family, read_wording
from hiprobe.backbones.hf.hardware import choose_device, choose_dtype, memory_errors
from hiprobe.backbones.hf.headless import without_head
from hiprobe.backbones.hf.model import HfBackbone
from hiprobe.backbones.hf.original import read_original
from hiprobe.backbones.hf.outline import model_class
from hiprobe.backbones.hf.prompt import Wording
from hiprobe.backbones.hf.quantise import check_quantised, quantised
from hiprobe.backbones.hf.weights import weights_digest
from hiprobe.backbones.interface import DETECT_PROMPT

_TOWERS = ("vision_tower", "vision_model", "visual")
"""Where the models of transformers keep their vision tower."""


def load_hf(
    folder: Path,
    *,
    prompt: str = DETECT_PROMPT,
    cut_at_layer: int | None = None,
    dtype: str | None = None,
    device: str | None = None,
    resize: str | None = None,
    quantise: str | None = None,
    frames_as: str | None = None,
) -> HfBackbone:
    """Open a local model folder; cut at a layer, the layers above it and the head are not read.

    Weights are read from safetensors only, no code of the folder is run, no network is used.

    Args:
        folder: config.json, tokenizer, *.safetensors; converted (`-hf`) or original InternVL.
        prompt: what the backbone is asked.
        cut_at_layer: load no deeper than this layer (it cannot describe then).
        dtype: float32, bfloat16 or float16; by what the hardware does natively where None.
        device: cuda, mps or cpu; the best there is where None.
        resize: how frames are brought to size, one of `spec.RESIZES`.
        quantise: hold the decoder's weights as int8 or fp8 (needs torchao); as they are where None.
        frames_as: one of `spec.FRAMES_AS`; a video where None and the family has a way for it.

    Raises:
        BackboneError: the folder is incomplete or damaged, needs code of its own, or an option is
            unknown.
        BackboneMemoryError: the model does not fit into memory.
    """
    place = choose_device(device)
    check_quantised(quantise)
    digest = weights_digest(folder)
    plan = plan_of(folder, cut_at_layer, choose_dtype(place, dtype))
    with loading(folder), memory_errors():
        wording = read_wording(plan)
        family = read_family(plan, wording, resize=resize, frames_as=frames_as)
        model = _read_model(plan)
        _speak_plainly(model, wording)
        if plan.is_original:  # its config names the end of a text, not of a turn
            model.generation_config.eos_token_id = wording.tokenizer.eos_token_id
        model = model.to(place)
        for tower in filter(None, (getattr(model.model, name, None) for name in _TOWERS)):
            encode_distinct_frames(tower)
        if quantise is not None:
            quantised(attrgetter(family.decoder)(model), quantise)
            family = replace(family, settings={**family.settings, "quantise": quantise})
    return HfBackbone(
        model=model,
        layer_count=plan.layer_count,
        family=family,
        wording=wording,
        name=plan.config.model_type,
        weights=digest,
        prompt=prompt,
    )


def _read_model(plan: Plan) -> Any:
    is_original, kind = plan.is_original, model_class(plan.config)
    model, report = (without_head(kind) if plan.is_cut else kind).from_pretrained(
        None if is_original else plan.folder,
        config=plan.config,
        state_dict=read_original(plan.folder, plan.config, head=not plan.is_cut)
        if is_original
        else None,
        dtype=plan.dtype,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    depth = int(plan.config.get_text_config().num_hidden_layers)
    check_complete(plan.folder, report, depth=depth if plan.is_cut else None)
    return model


def _speak_plainly(model: Any, wording: Wording) -> None:
    """Greedy words: settings of sampling would only be warned about."""
    config = model.generation_config
    config.temperature = config.top_p = config.top_k = None
    if config.pad_token_id is None:
        config.pad_token_id = wording.tokenizer.pad_token_id or wording.tokenizer.eos_token_id
