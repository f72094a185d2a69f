"""Tokenizers as original folders bring them: three layouts, their own added tokens."""

from __future__ import annotations

import importlib.util
import json
import random
import string
from pathlib import Path

import pytest
from hf_models import MARKS, byte_tokenizer
from piece_file import SPACE, piece_file

from hiprobe.backbones.hf.family import Wording
from hiprobe.backbones.hf.original import (
    build_tokenizer,
    chat_form,
    original_tokenizer,
    read_pieces,
)
from hiprobe.errors import BackboneError

LETTERS = [SPACE, *string.ascii_lowercase, "\n", ".", "?", ":"]
WORDS = ["th", "the", f"{SPACE}the", "in", "an", "ing", f"{SPACE}a", "er", *LETTERS]
FIRST_WORD = 3 + 256
ADDED = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]


def write_pieces(folder: Path, *, dummy_prefix: bool = False) -> dict[int, str]:
    (folder / "tokenizer.model").write_bytes(piece_file(WORDS, dummy_prefix=dummy_prefix))
    return dict(enumerate(ADDED, start=FIRST_WORD + len(WORDS)))


def test_pieces_are_joined_in_the_order_of_their_scores(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(piece_file(WORDS, dummy_prefix=False))
    tokenizer = build_tokenizer(read_pieces(tmp_path / "m"))
    ids = tokenizer.encode("thing in the", add_special_tokens=False).ids
    assert [tokenizer.id_to_token(i) for i in ids] == [
        *("th", "ing", SPACE, "in", f"{SPACE}the"),
    ]
    assert tokenizer.decode(ids) == "thing in the"


@pytest.mark.parametrize(("dummy_prefix", "first"), [(True, f"{SPACE}a"), (False, "a")])
def test_a_space_before_the_text_is_added_where_the_file_says_so(
    tmp_path: Path, dummy_prefix: bool, first: str
) -> None:
    (tmp_path / "m").write_bytes(piece_file(WORDS, dummy_prefix=dummy_prefix))
    tokenizer = build_tokenizer(read_pieces(tmp_path / "m"))
    ids = tokenizer.encode("a b", add_special_tokens=False).ids
    assert tokenizer.id_to_token(ids[0]) == first
    assert tokenizer.decode(ids) == "a b"


def test_text_without_a_piece_falls_back_to_bytes(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(piece_file(WORDS, dummy_prefix=False))
    tokenizer = build_tokenizer(read_pieces(tmp_path / "m"))
    ids = tokenizer.encode("é", add_special_tokens=False).ids
    assert ids == [3 + byte for byte in "é".encode()]
    assert tokenizer.decode(ids) == "é"


@pytest.mark.skipif(
    importlib.util.find_spec("sentencepiece") is None, reason="sentencepiece is not installed"
)
@pytest.mark.parametrize("dummy_prefix", [True, False])
def test_ids_are_those_of_sentencepiece_itself(tmp_path: Path, dummy_prefix: bool) -> None:
    import sentencepiece

    (tmp_path / "m").write_bytes(piece_file(WORDS, dummy_prefix=dummy_prefix))
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "m"))
    ours = build_tokenizer(read_pieces(tmp_path / "m"))
    rng = random.Random(0)
    for _ in range(200):
        text = "".join(rng.choices("the ingarx  \né", k=rng.randrange(30)))
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text)


@pytest.mark.parametrize("where", ["tokenizer_config.json", "added_tokens.json"])
def test_a_folder_of_pieces_is_a_whole_tokenizer(tmp_path: Path, where: str) -> None:
    added = write_pieces(tmp_path)
    if where == "added_tokens.json":
        (tmp_path / where).write_text(json.dumps({text: n for n, text in added.items()}))
    else:
        listed = {str(n): {"content": text, "special": True} for n, text in added.items()}
        (tmp_path / where).write_text(json.dumps({"added_tokens_decoder": listed}))
    wording = Wording(original_tokenizer(tmp_path), template=chat_form({})[0])
    ids = wording.ids("the <img><IMG_CONTEXT></img>?")
    number = {text: n for n, text in added.items()}
    assert ids[:2] == (1, number["<|im_start|>"])  # <s> first, as the model was trained
    assert number["<IMG_CONTEXT>"] in ids
    tail = ["assistant\n"]
    assert wording.tokenizer.decode(ids).endswith("".join(tail))
    assert wording.tokenizer.eos_token_id == number["<|im_end|>"]


def test_added_tokens_of_another_model_are_refused(tmp_path: Path) -> None:
    added = write_pieces(tmp_path)
    wrong = {text: n + 7 for n, text in added.items()}
    (tmp_path / "added_tokens.json").write_text(json.dumps(wrong))
    with pytest.raises(BackboneError, match="added token"):
        original_tokenizer(tmp_path)


def test_a_vocabulary_with_merges_is_read(tmp_path: Path) -> None:
    """Qwen2's layout, as in InternVL2.5-1B and -4B."""
    plain = json.loads(byte_tokenizer().to_str())["model"]["vocab"]
    (tmp_path / "vocab.json").write_text(json.dumps(plain))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    listed = {
        str(byte_tokenizer().token_to_id(mark)): {"content": mark, "special": True, "lstrip": False}
        for mark in MARKS
    }
    settings = {"added_tokens_decoder": listed, "tokenizer_class": "Qwen2Tokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    found = original_tokenizer(tmp_path)
    text = "<|im_start|>user\nWhat's <IMG_CONTEXT> seen?<|im_end|>"
    ids = found.encode(text, add_special_tokens=False)
    assert ids == byte_tokenizer().encode(text, add_special_tokens=False).ids
    assert found.eos_token == "<|im_end|>"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no SentencePiece file"),
        (b"\x0a\xff", "no SentencePiece file"),
        (b"not a model at all", "no SentencePiece file"),
        (piece_file(WORDS, dummy_prefix=True)[:-40], "no SentencePiece file"),
        (piece_file(WORDS, dummy_prefix=True, model_type=1), "no byte-pair encoding"),
    ],
)
def test_damaged_or_other_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "tokenizer.model").write_bytes(data)
    with pytest.raises(BackboneError, match=words):
        original_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no tokenizer\.json"):
        original_tokenizer(tmp_path)
