"""Any image-text model that transformers knows, read from its own config and processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from hiprobe.backbones.hf.family import Family, Offsets, Pictures, labelled
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame
from hiprobe.spec import AS_PICTURES


@dataclass(frozen=True)
class Outline:
    """A model of a config without weights: where its parts lie, what its forward takes."""

    decoder: str
    inputs: tuple[str, ...]


def model_class(config: Any) -> Any:
    """The class of transformers that makes text from images with this config.

    Raises:
        BackboneError: there is none.
    """
    try:
        return AutoModelForImageTextToText._model_mapping[type(config)]
    except KeyError as error:
        raise BackboneError(
            f"{config.model_type} is no image-text-to-text model of transformers; take a "
            "multimodal model that answers questions about pictures"
        ) from error


def outline(config: Any) -> Outline:
    """Where the decoder lies in a model of this config, found on the meta device.

    Raises:
        BackboneError: the decoder has another form than a stack of layers with a final norm.
    """
    with torch.device("meta"):
        model = model_class(config)(config)
    decoder = model.get_decoder()
    path = next((name for name, part in model.named_modules() if part is decoder), "")
    plain = _is_stack(decoder) and not getattr(config, "is_encoder_decoder", False)
    if not path or not plain:
        raise BackboneError(
            f"the decoder of {config.model_type} ({type(decoder).__name__}) is no plain stack "
            "`layers` with a final `norm`, so that it cannot be read layer by layer here; take "
            "another model"
        )
    return Outline(decoder=path, inputs=tuple(signature(model.forward).parameters))


def _is_stack(decoder: Any) -> bool:
    if not hasattr(decoder, "layers") or not hasattr(decoder, "norm"):
        return False
    # a layer that looks at pictures from the side has no tokens for them in the prompt
    return not any(hasattr(layer, "cross_attn") for layer in decoder.layers)


def image_token(config: Any) -> int:
    """The id that pictures take up in the prompt.

    Raises:
        BackboneError: the config names none.
    """
    for name in ("image_token_id", "image_token_index"):
        if isinstance(getattr(config, name, None), int):
            return int(getattr(config, name))
    raise BackboneError(
        f"the config of {config.model_type} names no image token: pictures do not stand in its "
        "prompt, so that it needs code of its own here; take another model"
    )


_TOKEN_TYPES = ("mm_token_type_ids", "token_type_ids")
_NAMED = ("size", "crop_size", "do_image_splitting", "do_pan_and_scan", "max_image_size")


def build_generic(config: Any, folder: Path, *, template: str | None) -> Family:
    """The family of a model that is not known by name.

    Raises:
        BackboneError: it has no processor or chat template, or needs what only its own code has.
    """
    found, token = outline(config), image_token(config)
    processor = _processor(folder)
    template = template or processor.chat_template or processor.tokenizer.chat_template
    if not template:
        raise BackboneError(
            f"{folder} has no chat template: {config.model_type} is no chat model, or its file "
            "chat_template.jinja was not fetched"
        )
    types = next((name for name in _TOKEN_TYPES if name in found.inputs), "")
    return Family(
        decoder=found.decoder,
        visual_token=token,
        settings={**_settings(processor.image_processor), "frames_as": AS_PICTURES},
        read=_reader(processor, found.inputs, around=_around(processor, template)),
        token_types=types,
    )


def _processor(folder: Path) -> Any:
    try:
        processor = AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )
        missing = [n for n in ("image_processor", "tokenizer") if not hasattr(processor, n)]
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"the processor in {folder} cannot be used here: {str(error).strip()}; models whose "
            "processor needs torchvision or code of its own are read only where HiProbe knows them"
        ) from error
    if missing:
        raise BackboneError(f"{folder} holds no {' and no '.join(missing)}; fetch it again, whole")
    return processor


def _around(processor: Any, template: str) -> tuple[str, str]:
    """What the template writes before and after a picture's placeholder, beside the placeholder."""
    marks = ("(before)", "(after)")
    parts = ({"type": "text", "text": marks[0]}, {"type": "image"})
    content = [*parts, {"type": "text", "text": marks[1]}]
    try:
        made = processor.apply_chat_template(
            [{"role": "user", "content": content}], chat_template=template
        )
    except (TypeError, ValueError, TemplateError):  # it takes plain strings
        return "", ""
    between = str(made).partition(marks[0])[2].partition(marks[1])[0]
    before, token, after = between.partition(processor.image_token)
    return (before, after) if token else ("", "")  # it puts all pictures first, or none


def _reader(
    processor: Any, inputs: Sequence[str], *, around: tuple[str, str]
) -> Callable[[Sequence[Frame], Offsets], Pictures]:
    def block(made: Mapping[str, Any], number: int) -> str:
        return around[0] + str(processor.replace_image_token(made, image_idx=number)) + around[1]

    def read(frames: Sequence[Frame], _: Offsets) -> Pictures:
        made = processor.image_processor([list(frames)], return_tensors="pt")
        try:
            blocks = [block(made, i) for i in range(len(frames))]
        except (AttributeError, KeyError, NotImplementedError) as error:
            raise BackboneError(
                f"{type(processor).__name__} does not tell its placeholders; update transformers "
                "or take another model"
            ) from error
        return Pictures(_tensors(made, inputs), labelled(blocks))

    return read


def _tensors(made: Mapping[str, Any], inputs: Sequence[str]) -> dict[str, Tensor]:
    return {k: v for k, v in made.items() if k in inputs and isinstance(v, Tensor)}


def _settings(processor: Any) -> dict[str, str | int | float | bool]:
    """What of the library's image processor decides the states."""
    given = {name: getattr(processor, name, None) for name in _NAMED}
    kept = {name: _plain(value) for name, value in given.items() if value is not None}
    return {
        "processor": type(processor).__name__,
        "resample": int(getattr(processor, "resample", None) or 0),
        "mean": ",".join(map(str, getattr(processor, "image_mean", None) or ())),
        "std": ",".join(map(str, getattr(processor, "image_std", None) or ())),
        **kept,
    }


def _plain(value: Any) -> str | int:
    """A setting as text that no version of the library words in its own way."""
    if isinstance(value, (str, int)):
        return value
    pairs = value.items() if isinstance(value, dict) else value  # the library's own sizes
    return ",".join(f"{key}={size}" for key, size in sorted(pairs) if size is not None)
