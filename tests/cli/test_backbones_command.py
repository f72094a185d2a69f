"""`hiprobe backbones`: the table, the JSON document, getting one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe.cli import console as download_bar
from hiprobe.cli.app import app
from hiprobe.cli.backbones import HEADER, markdown


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backbones", *arguments])


def document(*arguments: str) -> dict[str, dict[str, object]]:
    result = run("--json", *arguments)
    assert result.exit_code == 0, result.output
    return {entry["name"]: entry for entry in json.loads(result.output)["backbones"]}


def test_the_group_alone_lists() -> None:
    alone, named = run(), run("list")
    assert alone.exit_code == named.exit_code == 0
    assert alone.output == named.output
    line = next(ln for ln in alone.output.splitlines() if ln.startswith("internvl2.5-8b "))
    assert line.split()[:9] == [
        *("internvl2.5-8b", "no", "8.08", "B", "16.2", "9.2", "2048", "25.8", "37.7"),
    ]
    assert "MIT" in line


def test_the_document_holds_what_the_table_shows_and_more() -> None:
    found = document()
    entry = found["internvl2.5-8b"]
    assert entry["hub"] == "OpenGVLab/InternVL2_5-8B"
    assert (entry["layers"], entry["layer"], entry["width"]) == (32, 20, 4096)
    assert entry["on_disk"] is False
    assert entry["place"] is None
    assert set(entry["weight_bytes"]) == {"bf16", "fp8", "bf16_to_layer", "fp8_to_layer"}


def test_lite_is_counted_in_the_format_that_it_runs_in() -> None:
    entry = document()["lite"]
    assert (entry["visual_tokens"], entry["positions"], entry["layers"]) == (32, 53, 30)
    assert set(entry["weight_bytes"]) == {"float32", "float32_to_layer"}
    assert entry["weight_bytes"]["float32"] == 4 * entry["parameters"]
    assert 1e10 < entry["flops"]["to_layer"] < entry["flops"]["whole"] < 3e10
    line = next(ln for ln in run().output.splitlines() if ln.startswith("lite "))
    assert line.split()[2:10] == ["143", "M", "0.6", "*", "-", "32", "0.014", "0.018"]
    assert "in float32" in run().output


def test_the_frame_changes_what_keeps_its_size() -> None:
    small, large = document(), document("--frame", "1920x1080")
    assert large["qwen2.5-vl-7b"]["visual_tokens"] > small["qwen2.5-vl-7b"]["visual_tokens"]
    assert large["internvl2.5-8b"] == small["internvl2.5-8b"]


@pytest.mark.parametrize("frame", ["320", "0x3", "ax b", "320x-1"])
def test_a_frame_of_another_form_is_refused(frame: str) -> None:
    result = run("--frame", frame)
    assert result.exit_code == 2
    assert "WIDTHxHEIGHT" in result.output


def test_the_markdown_has_a_row_for_every_backbone() -> None:
    lines = markdown("320x240").splitlines()
    assert len(lines) == 2 + len(document())
    assert {line.count("|") for line in lines} == {len(HEADER)}  # without the column "here"


def test_getting_one_offline_says_what_to_do() -> None:
    result = run("get", "smolvlm2-256m")
    assert result.exit_code == 9
    assert "switched off" in result.output
    assert "--backbone FOLDER" in result.output
    result = run("get", "smolvlm2-265m")
    assert result.exit_code == 8
    assert "did you mean smolvlm2-256m" in result.output


def test_lines_of_a_download_come_now_and_then_with_an_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(download_bar.time, "monotonic", lambda: now[0])
    listen = download_bar.lines("model")
    for done in range(0, 11):
        listen(done * 10**9, 10 * 10**9)
        now[0] += 8.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "model: 2.0 GB of 10.0 GB, about 64 s left"
    assert len(lines) == 5
