"""Tokenizers of original InternVL folders, through native classes only, and their chat form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, processors
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

from hiprobe.backbones.hf.prompt import CHATML
from hiprobe.backbones.hf.sentence_pieces import build_tokenizer, read_pieces
from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json

CONTEXT_TOKEN = "<IMG_CONTEXT>"
_PHI3 = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_FORMS = {"phi3-chat": (_PHI3, "<|end|>")}
"""By the `template` that an original config names: the conversation's form, and what ends a turn.
All others are ChatML."""


def chat_form(about: Mapping[str, Any]) -> tuple[str, str]:
    """Chat template and end of a turn of an original config (the parsed config.json)."""
    return _FORMS.get(str(about.get("template")), (CHATML, "<|im_end|>"))


def original_tokenizer(folder: Path, *, end: str = "<|im_end|>") -> Any:
    """The tokenizer of an original folder.

    Args:
        folder: with tokenizer.json, or vocab.json and merges.txt, or tokenizer.model.
        end: the token that ends a turn.

    Raises:
        BackboneError: there is no file that can be read, or its tokens lack the image's.
    """
    if (folder / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), eos_token=end
        )
    elif (folder / "vocab.json").is_file():
        tokenizer = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True, eos_token=end)
    elif (folder / "tokenizer.model").is_file():
        tokenizer = _from_pieces(folder, end)
    else:
        raise BackboneError(
            f"{folder} has no tokenizer.json, vocab.json or tokenizer.model; fetch it again, whole"
        )
    if tokenizer.convert_tokens_to_ids(CONTEXT_TOKEN) in (None, tokenizer.unk_token_id):
        raise BackboneError(f"the tokenizer in {folder} lacks {CONTEXT_TOKEN}; fetch it again")
    return tokenizer


def _from_pieces(folder: Path, end: str) -> Any:
    settings = _read(folder / "tokenizer_config.json")
    tokenizer = build_tokenizer(read_pieces(folder / "tokenizer.model"))
    _add(tokenizer, _added(folder, settings))
    begin = "<s>" if settings.get("add_bos_token", True) else None
    if begin is not None and tokenizer.token_to_id(begin) is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A",
            pair=f"{begin} $A $B",
            special_tokens=[(begin, tokenizer.token_to_id(begin))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token=end, unk_token="<unk>"
    )


def _added(folder: Path, settings: Mapping[str, Any]) -> dict[int, str]:
    """Tokens beyond the file's own, by id; they stand in one of two files."""
    listed = settings.get("added_tokens_decoder")
    if listed:
        return {int(number): str(token["content"]) for number, token in listed.items()}
    return {int(number): text for text, number in _read(folder / "added_tokens.json").items()}


def _add(tokenizer: Tokenizer, tokens: Mapping[int, str]) -> None:
    for number, text in sorted(tokens.items()):
        tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False)])
        if tokenizer.token_to_id(text) != number:
            raise BackboneError(
                f"the added token {text} has the id {tokenizer.token_to_id(text)} in place of "
                f"{number}; the tokenizer's files are not of one model: fetch it again"
            )


def _read(path: Path) -> dict[str, Any]:
    return dict(read_json(path, nan=True)) if path.is_file() else {}
