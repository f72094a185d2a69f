"""Known models: where they come from, how they are built, what they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from hiprobe.backbones.lite.lite_shape import LiteShape, read_lite
from hiprobe.backbones.shape import Grid, Matrix, Shape, Stack, gated_decoder
from hiprobe.documents.checked import read_json

Config = Mapping[str, Any]


def read_shape(
    config: Config, *, least_pixels: int | None = None, least_video_pixels: int | None = None
) -> Shape | None:
    """The shape of a model from its parsed config.json; None for a family not counted here.

    `least_pixels` is the smallest frame of a Qwen model, `least_video_pixels` the smallest video of
    a Qwen3-VL model, all frames together; their preprocessors' settings hold them.

    Raises:
        KeyError, TypeError, ValueError: the config lacks what its family has.
    """
    reader = _READERS.get(str(config.get("model_type")))
    shape = reader(config, least_pixels) if reader else None
    if shape is None or not shape.grid.least_video_pixels or least_video_pixels is None:
        return shape
    return replace(shape, grid=replace(shape.grid, least_video_pixels=least_video_pixels))


def folder_shape(folder: Path) -> Shape | LiteShape | None:
    """The shape of a model folder; None where its family is not counted or its config damaged."""
    try:
        config = read_json(folder / "config.json", nan=True)
        if config.get("model_type") == LiteShape.family:
            return read_lite(config)
        least = _least_pixels(folder / "preprocessor_config.json")
        videos = _least_pixels(folder / "video_preprocessor_config.json") or least
        return read_shape(config, least_pixels=least, least_video_pixels=videos)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _least_pixels(settings: Path) -> int | None:
    if not settings.is_file():
        return None
    found = read_json(settings, nan=True)
    least = found.get("min_pixels") or (found.get("size") or {}).get("shortest_edge")
    return None if least is None else int(least)


def _plain_tower(vision: Config, *, biased: bool, other: int) -> Stack:
    """A ViT layer: attention with four square maps, two maps between; `other` on top of norms."""
    width, inner = int(vision["hidden_size"]), int(vision["intermediate_size"])
    attention = (*(Matrix(width, width, biased),) * 3, Matrix(width, width, True))
    layers = int(vision.get("num_hidden_layers") or vision["depth"])
    between = (Matrix(width, inner, True), Matrix(inner, width, True))
    return Stack(layers, (*attention, *between), other, width)


def _patch(vision: Config, *, biased: bool) -> Matrix:
    frames = int(vision.get("temporal_patch_size", 1))
    return Matrix(3 * frames * _edge(vision["patch_size"]) ** 2, int(vision["hidden_size"]), biased)


def _edge(size: Any) -> int:
    return int(size[0] if isinstance(size, list | tuple) else size)


def _table(text: Config) -> Matrix:
    return Matrix(int(text["vocab_size"]), int(text["hidden_size"]))


def _tied(config: Config, text: Config, *, default: bool = False) -> bool:
    return bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", default)))


def _internvl(config: Config, _: int | None) -> Shape:
    text = config.get("llm_config") or config["text_config"]
    vision = config["vision_config"]
    width, out = int(vision["hidden_size"]), int(text["hidden_size"])
    norm = width * (1 if vision.get("norm_type") == "rms_norm" else 2)
    normed = vision.get("qk_normalization", vision.get("use_qk_norm", False))
    biased = vision.get("qkv_bias", vision.get("attention_bias", False))
    pixels = _edge(config.get("force_image_size") or vision["image_size"])
    patch = _edge(vision["patch_size"])
    merge = round(1 / float(config.get("downsample_ratio", 0.5)))
    scales = 2 * width  # one for each half of a layer
    other = 2 * norm + scales + (2 * width if normed else 0)
    merged = width * merge**2
    return Shape(
        family=str(config["model_type"]),
        grid=Grid(patch, pixels, merge, class_tokens=1),
        patch=_patch(vision, biased=True),
        tower=_plain_tower(vision, biased=bool(biased), other=other),
        tower_other=width * (1 + (pixels // patch) ** 2 + 1),
        patch_projector=(),
        token_projector=(Matrix(merged, out, True), Matrix(out, out, True)),
        projector_other=2 * merged,
        embedding=_table(text),
        decoder=gated_decoder(text),
        tied=_tied(config, text),
    )


def _siglip(vision: Config) -> tuple[Stack, int]:
    """Layers of a SigLIP tower, and its parameters outside them (positions, last norm)."""
    width = int(vision["hidden_size"])
    positions = (_edge(vision["image_size"]) // _edge(vision["patch_size"])) ** 2
    return _plain_tower(vision, biased=True, other=4 * width), width * (positions + 2)


def _llava_onevision(config: Config, _: int | None) -> Shape:
    vision, text = config["vision_config"], config["text_config"]
    width, out = int(vision["hidden_size"]), int(text["hidden_size"])
    tower, other = _siglip(vision)
    return Shape(
        family="llava_onevision",
        grid=Grid(
            _edge(vision["patch_size"]),
            _edge(vision["image_size"]),
            2,
            round_up=True,
            whole_video_tokens=1,
        ),
        patch=_patch(vision, biased=True),
        tower=tower,
        tower_other=other,
        patch_projector=(Matrix(width, out, True), Matrix(out, out, True)),
        token_projector=(),
        projector_other=out,  # the line break after a video
        embedding=_table(text),
        decoder=gated_decoder(text),
        tied=_tied(config, text),
    )


def _smolvlm(config: Config, _: int | None) -> Shape:
    vision, text = config["vision_config"], config["text_config"]
    merge = int(config["scale_factor"])
    tower, other = _siglip(vision)
    merged = int(vision["hidden_size"]) * merge**2
    return Shape(
        family="smolvlm",
        grid=Grid(_edge(vision["patch_size"]), _edge(vision["image_size"]), merge),
        patch=_patch(vision, biased=True),
        tower=tower,
        tower_other=other,
        patch_projector=(),
        token_projector=(Matrix(merged, int(text["hidden_size"])),),
        projector_other=0,
        embedding=_table(text),
        decoder=gated_decoder(text),
        tied=_tied(config, text),
    )


def _qwen(config: Config, least_pixels: int | None, *, version: int) -> Shape:
    vision = config["vision_config"]
    text = {"model_type": config["model_type"], **(config.get("text_config") or config)}
    width, merge = int(vision["hidden_size"]), int(vision["spatial_merge_size"])
    merged, out = width * merge**2, int(vision["out_hidden_size"])
    merger = (Matrix(merged, merged, True), Matrix(merged, out, True))
    extra = len(vision.get("deepstack_visual_indexes", ())) if version == 3 else 0
    patch = _edge(vision["patch_size"])
    windowed = version == 2
    return Shape(
        family=str(config["model_type"]),
        grid=Grid(
            patch,
            None,
            merge,
            least_pixels=least_pixels or 4 * (patch * merge) ** 2,
            window_patches=int(vision["window_size"]) // patch if windowed else None,
            full_layers=len(vision["fullatt_block_indexes"]) if windowed else 0,
            frames_together=int(vision.get("temporal_patch_size", 2)),
            least_video_pixels=0 if windowed else 4 * patch**2 * merge**2,
        ),
        patch=_patch(vision, biased=version == 3),
        tower=_gated_tower(vision)
        if windowed
        else _plain_tower(vision, biased=True, other=4 * width),
        tower_other=0 if windowed else width * int(vision["num_position_embeddings"]),
        patch_projector=(),
        token_projector=merger * (1 + extra),
        projector_other=width if windowed else 2 * width + extra * 2 * merged,
        embedding=_table(text),
        decoder=gated_decoder(text),
        tied=_tied(config, text),
    )


def _gated_tower(vision: Config) -> Stack:
    width, inner = int(vision["hidden_size"]), int(vision["intermediate_size"])
    between = (Matrix(width, inner, True),) * 2 + (Matrix(inner, width, True),)
    attention = (Matrix(width, width, True),) * 4
    return Stack(int(vision["depth"]), (*attention, *between), 2 * width, width)


_READERS: dict[str, Callable[[Config, int | None], Shape]] = {
    "internvl": _internvl,
    "internvl_chat": _internvl,
    "llava_onevision": _llava_onevision,
    "qwen2_5_vl": partial(_qwen, version=2),
    "qwen3_vl": partial(_qwen, version=3),
    "smolvlm": _smolvlm,
}


_PARTS = {"internvl_chat": "llm_config"}
"""Name of the decoder's part in a config.json, where it is not text_config."""


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        name: short, lower case.
        hub: `owner/name` on the hub.
        licence: of the weights, in short; the hub's page decides.
        config: what of the model's config.json decides its shape.
        shape: read from it.
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
def catalogue() -> tuple[Entry, ...]:
    """All models of facts.json, in its order."""
    text = resources.files("hiprobe.backbones").joinpath("facts.json").read_text(encoding="utf-8")
    facts = json.loads(text)
    return tuple(_entry(row, facts) for row in facts["backbones"])


def find_entry(name: str) -> Entry | None:
    """The entry of a short name or hub id, upper or lower case; None where there is none."""
    wanted = name.strip().lower()
    return next((e for e in catalogue() if wanted in (e.name, e.hub.lower())), None)


def _entry(row: Mapping[str, Any], facts: Mapping[str, Any]) -> Entry:
    config = _config(row, facts["visions"][row["vision"]], facts["decoders"][row["decoder"]])
    shape = read_shape(config, least_pixels=row.get("least_pixels"))
    assert shape is not None, f"facts.json names a family without a reader: {row['name']}"
    return Entry(
        name=row["name"],
        hub=row["hub"],
        licence=row["licence"],
        config=config,
        shape=shape,
        stored_bytes=4 if row.get("stored") == "float32" else 2,
        sources=tuple(facts["sources"][key] for key in row["sources"]),
    )


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
        made |= {"downsample_ratio": 0.5, "force_image_size": 448, "ps_version": "v2"}
        made["select_layer"] = -1
    if kind == "smolvlm":
        made["scale_factor"] = row["scale_factor"]
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
