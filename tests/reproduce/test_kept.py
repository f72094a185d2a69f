"""Pieces are computed once, and a damaged or foreign one is not taken."""

from __future__ import annotations

from pathlib import Path

from hiprobe.reproduce.request import FinishedPieces


def test_a_piece_is_computed_once_and_comes_back_the_same(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, object]:
        calls.append(1)
        return {"scores": (0.5, float("nan")), "layer": 3}

    kept = FinishedPieces(tmp_path)
    first, second = (kept.piece({"seed": 0}, compute) for _ in range(2))
    assert len(calls) == 1
    assert str(first) == str(second)
    assert first["layer"] == 3 and first["scores"][0] == 0.5


def test_another_key_is_another_piece(tmp_path: Path) -> None:
    kept = FinishedPieces(tmp_path)
    assert [kept.piece({"seed": s}, lambda s=s: s + 10) for s in (0, 1)] == [10, 11]
    assert kept.find({"seed": 2}) is None


def test_a_damaged_piece_is_computed_anew(tmp_path: Path) -> None:
    kept = FinishedPieces(tmp_path)
    kept.keep({"seed": 0}, [1.0])
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:-5])
    assert kept.find({"seed": 0}) is None
    assert kept.piece({"seed": 0}, lambda: [2.0]) == [2.0]


def test_a_piece_under_a_foreign_key_is_not_taken(tmp_path: Path) -> None:
    kept = FinishedPieces(tmp_path)
    kept.keep({"seed": 0}, 1)
    kept.keep({"seed": 1}, 2)
    one, two = sorted(tmp_path.iterdir())
    one.write_text(two.read_text())
    found = [kept.find({"seed": s}) for s in (0, 1)]
    assert found.count(None) == 1
