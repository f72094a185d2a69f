from pathlib import Path

import pytest

from hiprobe.errors import ProbeFolderError
from hiprobe.probe.reading_file import FILE_NAME, ReadingRecord, read_record, write_record


@pytest.mark.parametrize("seconds", [None, 1.5])
def test_a_record_is_read_as_it_was_written(tmp_path: Path, seconds: float | None) -> None:
    record = ReadingRecord("lite", seconds, (("a.mp4", "a.mp4 is empty"),))
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_no_record_is_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"format": "hiprobe-reading", "version": 9}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ProbeFolderError, match=FILE_NAME):
        read_record(tmp_path)
