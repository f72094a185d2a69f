"""No command writes anywhere but into its output folder and the cache."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_states import write_clip_folder, write_untrimmed
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.datasets.manifest import Manifest, ManifestRow, write_manifest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def outside(folder: Path) -> dict[str, int]:
    """Every file but those of the output folder and the cache, with its time of writing."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.relative_to(folder).parts[0] not in ("out", "cache") and path.is_file()
    }


def clip(path: Path, *, level: int) -> Path:
    from hiprobe.video.write import write_video

    rng = np.random.default_rng(level)
    pictures = np.clip(rng.normal(level, 20, (30, 32, 32, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures, fps=24)
    return path


def table(path: Path, *videos: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("video", "label", "start_seconds", "end_seconds"))
        for number, name in enumerate(videos):
            rows.writerow((name, ("normal", "abnormal")[number % 2], "", ""))
            rows.writerow((name, ("normal", "abnormal")[number % 2], 0.0, 1.0))
    return path


def test_extract_of_a_table_that_lies_elsewhere(tmp_path: Path, tiny_model: Path) -> None:
    for folder, level in (("vids", 40), ("other", 190)):
        clip(tmp_path / folder / "a.mp4", level=level)
    (tmp_path / "link").symlink_to(tmp_path / "other")
    named = ("../../vids/a.mp4", f"{tmp_path}/other/a.mp4", "../x/../../link/a.mp4")
    listed = table(tmp_path / "lists" / "deep" / "t.csv", *named[:2])
    (tmp_path / "lists" / "x").mkdir()
    before = outside(tmp_path)
    for words in ((listed,), (f"{tmp_path}/lists/../vids", "vids", "lists/deep/../../link/a.mp4")):
        result = run("extract", *words, "-o", "out", "--backbone", tiny_model)
        assert result.exit_code == 0, result.output
        assert outside(tmp_path) == before
    found = sorted(p.relative_to("out").as_posix() for p in Path("out").rglob("*.safetensors"))
    assert found == [
        "a-2.safetensors",
        "a-3.safetensors",
        "a.safetensors",
        "a_0-1s-2.safetensors",
        "a_0-1s.safetensors",
    ]
    with Path("out/manifest.csv").open(newline="") as file:
        labels = {row["video"] for row in csv.DictReader(file)}
    assert labels == set(found) - {"a-3.safetensors"}


def test_a_link_out_of_the_output_folder_is_not_followed(tmp_path: Path, tiny_model: Path) -> None:
    for name in ("one/a.mp4", "two/b.mp4"):
        clip(tmp_path / "vids" / name, level=60)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").symlink_to(tmp_path / "elsewhere")
    result = run("extract", "vids", "-o", "out", "--backbone", tiny_model)
    assert result.exit_code == 3 and "outside" in result.output
    assert Path("out/two/b.safetensors").is_file() and not [*Path("elsewhere").iterdir()]


def test_commands_on_states(tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips")
    write_untrimmed(tmp_path / "videos" / "cam.safetensors")
    before = outside(tmp_path)
    for words in (
        ("fit", clips, "-o", "out/probe"),
        ("detect", "out/probe", "videos/../videos/cam.safetensors", "-o", "out/results"),
        ("layers", "clips/../clips", "-o", "out/layers"),
        ("reproduce", "table4", "--data", "clips/..//clips", "-o", "out/tables", "--seeds", 1,
         "--folds", 2, "--draws", 10),
    ):  # fmt: skip
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert outside(tmp_path) == before


@pytest.mark.parametrize(("name", "split"), [("../../evil", "test"), ("x/../../../evil", "")])
def test_pack_refuses_names_that_lead_out(tmp_path: Path, name: str, split: str) -> None:
    from PIL import Image

    pictures = tmp_path / "frames"
    pictures.mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(pictures / f"{number}.png")
    row = ManifestRow(pictures, name, "abnormal", 1, split, "", 3, 24.0, ((0, 2),))
    write_manifest(Manifest("set", (row,)), path=tmp_path / "m.csv")
    before = outside(tmp_path)
    result = run("data", "pack", "m.csv", "-o", "out/videos")
    assert result.exit_code == 10 and "outside" in result.output
    assert outside(tmp_path) == before


def test_a_result_that_names_pictures_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "secret.svg").write_bytes(b"secret")
    folder = tmp_path / "results" / "table4"
    folder.mkdir(parents=True)
    document = {
        "format": "hiprobe-experiment", "version": 1, "experiment": "table4", "title": "t",
        "command": "c", "machine": "m", "backbone": "b", "data": {}, "seconds": 1.0, "date": "d",
        "notes": [], "figures": [{"name": "../../secret", "caption": "c"}], "rows": [],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(document))
    before = outside(tmp_path)
    result = run("reproduce", "--docs", "out/page.md", "-o", "results")
    assert result.exit_code == 10 and "outside" in result.output
    assert outside(tmp_path) == before and not [*(tmp_path / "out").rglob("*secret*")]
