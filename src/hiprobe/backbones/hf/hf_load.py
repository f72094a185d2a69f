"""Load a model folder of transformers, whole or cut at a layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from hiprobe.backbones.decoder import memory_errors
from hiprobe.backbones.hf.families import build_family, is_known
from hiprobe.backbones.hf.family import Family, Parts, Wording, read_template
from hiprobe.backbones.hf.generic import build_generic, model_class
from hiprobe.backbones.hf.hardware import (
    check_quantised,
    choose_device,
    choose_dtype,
    quantised,
)
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.backbones.hf.original import (
    ORIGINAL_TYPE,
    chat_form,
    native_config,
    original_tokenizer,
    read_original,
)
from hiprobe.backbones.hf.pictures import encode_distinct_frames
from hiprobe.backbones.hf.weights import check_complete, weights_digest
from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError
from hiprobe.spec import AS_VIDEO, TRAINED_RESIZE


@dataclass(frozen=True)
class Plan:
    """What is loaded: the folder, its native config already cut, and how.

    `is_cut` tells that a layer was named: layers above it and the head are left out. `form` is the
    chat template and the end of a turn of an original folder, None for others.
    """

    folder: Path
    config: Any
    layer_count: int
    is_cut: bool
    form: tuple[str, str] | None
    dtype: torch.dtype

    @property
    def is_original(self) -> bool:
        """Whether it is in the layout of InternVLChatModel."""
        return self.form is not None


def plan_of(folder: Path, cut_at_layer: int | None, dtype: torch.dtype) -> Plan:
    """What is to be loaded of a folder.

    Raises:
        BackboneError: its config cannot be read.
    """
    with loading(folder):
        about = read_json(folder / "config.json", nan=True)
        # a package may teach transformers its classes when its family is loaded: before AutoConfig
        is_known(str(about["model_type"]))
        is_original, form = about["model_type"] == ORIGINAL_TYPE, None
        if is_original:
            form = chat_form(about)
            config = native_config(about, original_tokenizer(folder, end=form[1]))
        else:
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        text = config.get_text_config()
        layer_count = int(text.num_hidden_layers)
        depth = layer_count if cut_at_layer is None else max(1, min(cut_at_layer, layer_count))
        text.num_hidden_layers = depth
        # Configs with mixed attention list a kind for each layer, and refuse a list that is longer
        # than the depth.
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:depth]
    return Plan(folder, config, layer_count, cut_at_layer is not None, form, dtype)


def read_wording(plan: Plan) -> Wording:
    """Its tokenizer with its chat template."""
    if plan.form is not None:
        template, end = plan.form
        return Wording(original_tokenizer(plan.folder, end=end), template=template)
    tokenizer = AutoTokenizer.from_pretrained(
        plan.folder, local_files_only=True, trust_remote_code=False
    )
    return Wording(tokenizer, template=read_template(plan.folder))


def read_family(
    plan: Plan, wording: Wording, *, resize: str | None, frames_as: str | None
) -> Family:
    """Its family, with the preprocessing that the folder's settings say.

    Raises:
        BackboneError: it does not resize or read frames in the way asked for.
    """
    parts = Parts(
        config=plan.config,
        images=_processor(plan.folder, "preprocessor_config.json", "image_processor"),
        videos=_processor(plan.folder, "video_preprocessor_config.json", "video_processor"),
        token=wording.token,
        resize_by=resize or TRAINED_RESIZE,
    )
    if is_known(plan.config.model_type):
        return build_family(parts, frames_as=frames_as)
    if frames_as == AS_VIDEO:
        raise BackboneError(
            f"{plan.config.model_type} is not known by name, so that its way for videos is not "
            "either; leave the option out, frames are shown to it as pictures"
        )
    if parts.resize_by != TRAINED_RESIZE:
        raise BackboneError(
            f"{plan.config.model_type} prepares frames by its own processor; open it with "
            f"resize={TRAINED_RESIZE!r}"
        )
    return build_generic(plan.config, plan.folder, template=read_template(plan.folder))


def _processor(folder: Path, own_file: str, part: str) -> Mapping[str, Any]:
    """Settings of a processor: in a file of its own, or a part of processor_config.json."""
    # transformers 5 writes both parts into one file; older checkpoints have a file for each.
    for path, key in ((folder / own_file, None), (folder / "processor_config.json", part)):
        if path.is_file():
            found = read_json(path, nan=True)
            found = found.get(key) if key else found
            if found:
                return dict(found)
    return {}


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Quiet, and every failure of the libraries as one error that names the folder."""
    level = logging.get_verbosity()
    showed_progress = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, ImportError, AttributeError) as error:
        raise BackboneError(
            f"the model in {folder} cannot be loaded: {error}; fetch it again, whole"
        ) from error
    finally:
        logging.set_verbosity(level)
        if showed_progress:
            logging.enable_progress_bar()


def without_head(kind: Any) -> Any:
    """A class of transformers as it is, but for its head, which is the identity."""

    def build(self: Any, config: Any) -> None:
        kind.__init__(self, config)
        self.lm_head = nn.Identity()

    return type(
        kind.__name__,
        (kind,),
        {
            "__init__": build,
            "_tied_weights_keys": {},  # the head that would share the embeddings is not there
            "get_output_embeddings": lambda self: None,
            "__module__": kind.__module__,
        },
    )


# Where the models of transformers keep their vision tower.
_TOWERS = ("vision_tower", "vision_model", "visual")


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
    # Before a byte is loaded: a folder that lacks a file fails within a second, not after a minute.
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
