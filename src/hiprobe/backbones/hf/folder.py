"""A model folder before its weights are read: its config, words and preprocessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from hiprobe.backbones.hf.families import build_family, is_known
from hiprobe.backbones.hf.family import Family, Parts
from hiprobe.backbones.hf.generic import build_generic
from hiprobe.backbones.hf.original import ORIGINAL_TYPE, native_config
from hiprobe.backbones.hf.original_tokenizer import chat_form, original_tokenizer
from hiprobe.backbones.hf.prompt import Wording, read_template
from hiprobe.backbones.spec import AS_VIDEO, TRAINED_RESIZE
from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json


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
