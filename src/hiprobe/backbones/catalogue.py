"""Known models: where they come from, how they are built, what they need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from hiprobe.backbones.shape import Shape

Config = Mapping[str, Any]

# Name of the decoder's part in a config.json, where it is not text_config.
_PARTS = {"internvl_chat": "llm_config"}


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        name: short, lower case.
        hub: `owner/name` on the hub.
        licence: of the weights, in short; the hub's page decides.
        config: what of the model's config.json decides its shape.
        shape: in numbers, for counting what it costs.
        stored_bytes: of one weight in the files of the hub.
        sources: where the facts were found.
    """

    name: str
    hub: str
    licence: str
    config: Mapping[str, Any]
    shape: Shape
    stored_bytes: int
    sources: tuple[str, ...]

    @property
    def download_bytes(self) -> int:
        """About what its files take up."""
        return self.shape.parameters * self.stored_bytes


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """All models of facts.json, in its order."""
    facts, shapes, configs = _read("facts.json"), stored_shapes(), model_configs()
    return tuple(
        CatalogueEntry(
            name=row["name"],
            hub=row["hub"],
            licence=row["licence"],
            config=configs[row["name"]],
            shape=shapes[row["name"]],
            stored_bytes=4 if row.get("stored") == "float32" else 2,
            sources=tuple(facts["sources"][key] for key in row["sources"]),
        )
        for row in facts["backbones"]
    )


def find_entry(name: str) -> CatalogueEntry | None:
    """The entry of a short name or hub id, upper or lower case; None where there is none."""
    wanted = name.strip().lower()
    return next((e for e in catalogue() if wanted in (e.name, e.hub.lower())), None)


@cache
def stored_shapes() -> dict[str, Shape]:
    """The shape of every model of the catalogue by its name, and that of `lite`."""
    return {name: Shape.from_json(shape) for name, shape in _read("costs.json").items()}


def model_configs() -> dict[str, Config]:
    """What of each model's config.json decides its shape, by the model's name."""
    facts = _read("facts.json")
    return {
        row["name"]: _config(
            row, facts["visions"][row["vision"]], facts["decoders"][row["decoder"]]
        )
        for row in facts["backbones"]
    }


def _read(name: str) -> dict[str, Any]:
    text = resources.files("hiprobe.backbones").joinpath(name).read_text(encoding="utf-8")
    return dict(json.loads(text))


def _config(
    row: Mapping[str, Any], vision: Mapping[str, Any], decoder: Mapping[str, Any]
) -> dict[str, Any]:
    kind = row["model_type"]
    made: dict[str, Any] = {
        "model_type": kind,
        "vision_config": _vision(kind, vision),
        _PARTS.get(kind, "text_config"): dict(decoder),
        "tie_word_embeddings": bool(decoder.get("tie_word_embeddings", False)),
    }
    if kind == "internvl_chat":
        # All InternVL checkpoints of the catalogue have these, so that facts.json need not repeat
        # them.
        made |= {"downsample_ratio": 0.5, "force_image_size": 448, "ps_version": "v2"}
        made["select_layer"] = -1
    made |= {key: row[key] for key in ("scale_factor",) if key in row}
    return made


def _vision(kind: str, vision: Mapping[str, Any]) -> dict[str, Any]:
    """The tower's part; converted InternVL names and writes some of it in another way."""
    if kind != "internvl":
        return dict(vision)
    renamed = {"qkv_bias": "attention_bias", "qk_normalization": "use_qk_norm"}
    made = {renamed.get(key, key): value for key, value in vision.items()}
    for key in ("image_size", "patch_size"):
        made[key] = [made[key], made[key]]
    return made
