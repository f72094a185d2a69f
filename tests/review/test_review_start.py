"""How the review starts: what it needs, and what it refuses."""

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from results_folder import write_result

from hiprobe.cli.app import app


def review(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["review", *map(str, words)])


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fastapi" else found(name)
    )
    result = review(tmp_path)
    assert result.exit_code == 2
    assert "fastapi" in result.output
    assert "pip install 'hiprobe[review]'" in result.output


def test_other_machines_are_let_in_with_a_password_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIPROBE_REVIEW_PASSWORD", raising=False)
    write_result(tmp_path)
    result = review(tmp_path, "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "--password-file" in result.output
    (tmp_path / "people").write_text("canary", encoding="utf-8")
    result = review(tmp_path, "--password-file", tmp_path / "people")
    assert result.exit_code == 2
    assert "line 1" in result.output
    assert "canary" not in result.output


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    result = review(tmp_path)
    assert result.exit_code == 2
    assert "hiprobe detect" in result.output
