"""Which files of a hub repository a model needs: safetensors, config, tokenizer; nothing else.

Pickled weights and code are never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hiprobe.backbones.hub.record import RemoteFile
from hiprobe.errors import DownloadError
from hiprobe.store.documents import read_json
from hiprobe.store.schemas import WeightIndex

INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SMALL = re.compile(
    r".*\.(json|jinja|model)|merges\.txt|vocab\.txt|(LICEN[CS]E|NOTICE)[\w.-]*", re.IGNORECASE
)
_OTHER_WEIGHTS = (".bin", ".pth", ".pt", ".ckpt", ".msgpack", ".h5", ".gguf")


def small_files(files: Sequence[RemoteFile], *, hub: str) -> tuple[RemoteFile, ...]:
    """Config, tokenizer, settings, licence and the index of the weights.

    Raises:
        DownloadError: the repository holds no model that can be read here.
    """
    names = {file.name for file in files}
    if "config.json" not in names:
        raise DownloadError(f"{hub} has no config.json: it is no model of transformers")
    if not any(name.endswith(".safetensors") for name in names if "/" not in name):
        others = sorted({n for n in names if n.endswith(_OTHER_WEIGHTS)})
        raise DownloadError(
            f"{hub} has no *.safetensors weights ({', '.join(others[:3]) or 'none at all'}); other "
            "formats can run code when they are read and are not fetched: look for a converted "
            "copy of the model"
        )
    return tuple(f for f in files if _PLAIN_NAME.fullmatch(f.name) and _SMALL.fullmatch(f.name))


def weights(files: Sequence[RemoteFile], folder: Path, *, hub: str) -> tuple[RemoteFile, ...]:
    """The safetensors files that belong together; `folder` holds the index where there is one.

    Raises:
        DownloadError: the index cannot be read or names a file that the repository lacks.
    """
    found = {
        f.name: f
        for f in files
        if _PLAIN_NAME.fullmatch(f.name) and f.name.endswith(".safetensors")
    }
    index = folder / INDEX
    if not index.is_file():
        return (found[_SINGLE],) if _SINGLE in found else tuple(found.values())
    try:
        named = set(read_json(index, WeightIndex)["weight_map"].values())
        return tuple(found[name] for name in sorted(named))
    except (OSError, ValueError, KeyError) as error:
        raise DownloadError(
            f"{INDEX} of {hub} is damaged or names a file that is not there: {error}"
        ) from error
