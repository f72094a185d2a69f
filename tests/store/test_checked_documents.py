"""What is read of a document, and what is refused: field, value and reason are named."""

import os
from pathlib import Path

import numpy as np
import pytest

from hiprobe.documents.arrays import read_npy
from hiprobe.documents.checked import (
    MAX_DEPTH,
    DocumentError,
    UnfitFileError,
    open_plain,
    parse_json,
    read_json,
    read_plain,
)
from hiprobe.documents.probe_schemas import ReadingDocument
from hiprobe.documents.schemas import FingerprintFields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested"),
        ("1" + "0" * 400, "out of the range"),
        ("9" * 5000, "JSON|digits"),
        ("1e400", "out of range"),
        ("[NaN]", "no JSON|no number"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udce9": 1}', "surrogate"),
        ("", "no JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        parse_json(text)


def test_what_json_and_python_write_is_read() -> None:
    assert parse_json('{"a": [1, 1.0, "\\ud83d\\ude00", null]}') == {
        "a": [1, 1.0, "\U0001f600", None]
    }
    assert np.isnan(parse_json("[NaN]", nan=True)[0])
    assert parse_json('"\\udce9.mp4"', names=True) == os.fsdecode(b"\xe9.mp4")
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deep)
    assert [type(v) for v in parse_json("[1, 1.0, true]")] == [int, float, bool]


def test_an_error_names_field_value_and_what_is_expected() -> None:
    found = {"format": "x", "version": 1, "backbone": 7, "segment_seconds": None}
    with pytest.raises(DocumentError, match=r"backbone: Expected `str`, got `int`, it holds 7"):
        parse_json(str(found).replace("'", '"').replace("None", "null"), ReadingDocument)
    with pytest.raises(DocumentError, match="segment_seconds"):
        parse_json('{"format":"","version":1,"backbone":"","segment_seconds":-1}', ReadingDocument)
    nested = '{"model":"","weights":"","dtype":"","prompt":"","settings":{"a":[1]}}'
    with pytest.raises(DocumentError, match=r"settings"):
        parse_json(nested, FingerprintFields)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_what_is_no_regular_file_of_a_sane_size_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, words in (("pipe", "pipe"), ("link", "pipe"), ("zero", "device"), (".", "folder")):
        with pytest.raises(UnfitFileError, match=words):
            open_plain(tmp_path / name)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnfitFileError, match="MiB"):
        read_json(tmp_path / "large")
    with pytest.raises(UnfitFileError, match="name"):
        open_plain("a\0b")
    (tmp_path / "sound").write_bytes(b"12")
    (tmp_path / "sound link").symlink_to("sound")
    assert read_plain(tmp_path / "sound link", limit_bytes=2) == b"12"
    with pytest.raises(UnfitFileError):
        read_plain(tmp_path / "sound", limit_bytes=1)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, shape: tuple[int, ...], order) -> None:
    values = np.asarray(
        np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype="<f4", order=order
    )
    np.save(tmp_path / "a.npy", values)
    found = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, values)
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
