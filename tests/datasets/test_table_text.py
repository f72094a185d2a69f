"""The one reader of tables: what spreadsheets write, and what no table should hold."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.manifest import read_manifest
from hiprobe.datasets.score_files import read_raw
from hiprobe.datasets.stretches import SPANS_FILE, read_own_spans
from hiprobe.datasets.table_text import read_table
from hiprobe.errors import EvaluationError, HiProbeError, LabelError
from hiprobe.store.text_files import safe_cell


def written(path: Path, rows: list[list[str]], *, delimiter: str, newline: str, bom: bool) -> Path:
    text = io.StringIO(newline="")
    safe = [[safe_cell(cell) for cell in row] for row in rows]
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(safe)
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode())
    return path


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_cell_holds_comes_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pieces = [
        "a",
        "é",
        "\n",
        "\r\n",
        ",",
        ";",
        "\t",
        '"',
        "'",
        " ",
        "x.mp4",
        "\u2028",
        "\x0b",
        "=1",
    ]
    rows = [["".join(rng.choice(pieces, size=6)).strip() for _ in range(3)] for _ in range(8)]
    delimiter = str(rng.choice([",", ";", "\t"]))
    newline = str(rng.choice(["\n", "\r\n"]))
    path = written(
        tmp_path / "t.csv",
        [["A", "b ", "C"], *rows],
        delimiter=delimiter,
        newline=newline,
        bom=bool(seed % 2),
    )
    table = read_table(path)
    assert table.columns == ("a", "b", "c")
    kept = [[cell.strip() for cell in row] for row in rows]
    assert [list(row.cells.values()) for row in table.rows] == [k for k in kept if any(k)]


def test_lines_are_those_on_which_rows_begin(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('video,"no\nte"\na,"x\ny\nz"\n\n\nb,c\n')
    assert [row.line for row in read_table(path).rows] == [3, 8]


BAD = {
    "b'\\0'": (b"video,label\na,b\nc\0,d\n", "line 3 holds a NUL byte"),
    "long": (b"video,label\na,b\n" + b"x" * 131073 + b",d\n", "line 3: field larger"),
    "open": (b'video,label\na,b\n"c,d\ne,f\n', "line 3: unexpected end"),
    "more": (b"video,label\na,b\nc,d,e\n", "line 3 has 3 cells under 2 columns"),
    "utf-16": ("video,label\n".encode("utf-16"), "UTF-8"),
    "twice": (b"video,label,label\na,b,c\n", "the column label twice"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("error", [LabelError, EvaluationError])
def test_what_no_table_holds_is_refused_with_its_line(
    tmp_path: Path, kind: str, error: type[HiProbeError]
) -> None:
    content, words = BAD[kind]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(error, match=words):
        read_table(tmp_path / "t.csv", error=error)
    with pytest.raises(error, match="cannot read"):
        read_table(tmp_path / "absent.csv", error=error)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_kind_of_table_takes_line_breaks_in_cells(
    tmp_path: Path, delimiter: str, newline: str
) -> None:
    def table(name: str, *rows: str) -> Path:
        cells = [row.split("|") for row in rows]
        return written(tmp_path / name, cells, delimiter=delimiter, newline=newline, bom=True)

    clips = table("c.csv", "video|label|remark", "a.mp4|normal|one\ntwo", "b.mp4|fight|\r\n")
    assert [c.name for c in read_clips(clips)] == ["a.mp4", "b.mp4"]
    assert [r.class_name for r in read_manifest(path=clips).rows] == ["normal", "fight"]
    table(SPANS_FILE, "video|start_frame|end_frame|remark", "a.mp4|1|2|one\ntwo", "b.mp4|3|4|")
    assert read_own_spans(tmp_path) == {"a.mp4": [(1, 2, False)], "b.mp4": [(3, 4, False)]}
    scores = table("s.csv", "video|score|remark", "a.mp4|0.5|one\ntwo", "b.mp4|0.25|")
    assert {k: v.scores.tolist() for k, v in read_raw(scores).items()} == {
        "a.mp4": [0.5],
        "b.mp4": [0.25],
    }


def test_a_decimal_comma_keeps_its_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("video;label;start_seconds\na.mp4;normal;2,5\n")
    with pytest.raises(LabelError, match="line 2: start_seconds is '2,5'"):
        read_clips(path)
