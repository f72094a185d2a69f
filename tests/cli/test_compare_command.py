"""`hiprobe backbones compare`: a tiny model read its usual way and a changed one."""

from __future__ import annotations

import importlib.util
import json
import weakref
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result

from hiprobe.backbones.registry import open_backbone
from hiprobe.cli.app import app
from hiprobe.joined import layers_read
from hiprobe.probe import Probe
from hiprobe.spec import BackboneSpec

FLOAT32 = ("--dtype", "float32", "--device", "cpu")
has_torchao = importlib.util.find_spec("torchao") is not None


def write_clip(path: Path, *, level: int, frames: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(level)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(frames):
            picture = np.clip(rng.normal(level, 40, (64, 96, 3)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("video") / "v.mp4", level=100, frames=120)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    for number in range(3):
        write_clip(folder / "clips" / "normal" / f"{number}.mp4", level=60 + number)
        write_clip(folder / "clips" / "abnormal" / f"{number}.mp4", level=180 + number)
    where = ("-o", folder / "p", "--backbone", tiny_model, "--no-cache")
    done = run("fit", folder / "clips", *where, *FLOAT32)
    assert done.exit_code == 0, done.output
    return folder / "p"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def compared(*words: object) -> dict[str, Any]:
    done = run("backbones", "compare", *words, "--json", "-q")
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("change", [("--resize", "area"), ("--dtype", "bfloat16")])
def test_a_change_moves_the_states_of_every_layer(
    tiny_model: Path, video: Path, probe: Path, change: tuple[str, str]
) -> None:
    found = compared(tiny_model, video, *change, "--probe", probe, "--segments", 3)
    assert found["changes"] == {change[0].strip("-"): change[1]}
    assert found["segments"] == 3
    assert all(0 < row["mean_relative_distance"] < 0.5 for row in found["layers"])
    assert all(0.5 < row["lowest_cosine"] < 1 for row in found["layers"])
    assert found["usual"]["fingerprint"] == Probe.load(probe).fingerprint_.digest
    assert found["changed"]["fingerprint"] != found["usual"]["fingerprint"]
    usual, changed = (found[way]["seconds_per_segment"] for way in ("usual", "changed"))
    assert found["time_ratio"] == pytest.approx(changed / usual)


def test_scores_and_the_threshold_are_those_of_the_probe(
    tiny_model: Path, video: Path, probe: Path
) -> None:
    scores = compared(tiny_model, video, "--resize", "area", "--probe", probe)["scores"]
    loaded = Probe.load(probe)
    assert scores["layers"] == list(layers_read(loaded))
    assert scores["threshold"] == loaded.threshold_
    pairs = [(s["usual"], s["changed"]) for s in scores["segments"]]
    apart = [abs(a - b) for a, b in pairs]
    assert scores["largest_change"] == pytest.approx(max(apart)) and max(apart) > 0
    assert scores["mean_change"] == pytest.approx(sum(apart) / len(apart))
    over = loaded.threshold_
    assert scores["crossing"] == sum((a > over) != (b > over) for a, b in pairs)


def test_what_is_no_change_changes_nothing(tiny_model: Path, video: Path, probe: Path) -> None:
    words = (tiny_model, video, "--dtype", "float32", "--probe", probe)
    found = compared(*words)
    assert {row["mean_relative_distance"] for row in found["layers"]} == {0.0}
    assert found["scores"]["largest_change"] == found["scores"]["crossing"] == 0
    shown = run("backbones", "compare", *words).stdout
    assert "both are the same" in shown and "no segment crosses the threshold" in shown


def test_the_table_shows_layers_over_the_whole_depth(tiny_model: Path, video: Path) -> None:
    done = run("backbones", "compare", tiny_model, video, "--resize", "area", "--segments", 2)
    assert done.exit_code == 0, done.output
    depth = open_backbone(tiny_model).layer_count
    first, header, _, *rows = done.stdout.splitlines()
    assert "with resize area" in first and "2 segments" in first
    assert header.split("  ")[0] == "layer"
    assert [int(row.split()[0]) for row in rows[:-1]] == list(range(1, depth + 1))
    assert rows[-1].startswith("seconds per segment:") and "scores" not in done.stdout


def test_the_two_are_never_in_memory_together(
    tiny_model: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[weakref.ref[Any]] = []
    alive: list[int] = []

    plain = BackboneSpec.open

    def watched(spec: BackboneSpec, **named: Any) -> Any:
        alive.append(sum(ref() is not None for ref in opened))
        backbone: Any = plain(spec, **named)
        opened.append(weakref.ref(backbone.decoder))
        return backbone

    monkeypatch.setattr(BackboneSpec, "open", watched)
    compared(tiny_model, video, "--resize", "area", "--segments", 1)
    assert alive == [0, 0]


def test_nothing_to_change_says_what_can_be(tiny_model: Path, video: Path) -> None:
    done = run("backbones", "compare", tiny_model, video)
    assert done.exit_code == 2
    assert all(o in done.stderr for o in ("--quantise", "--resize", "--dtype", "--frames-as"))


def test_a_file_that_is_no_video_is_said_before_a_model_is_opened(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("words")
    done = run("backbones", "compare", "no/such-model", tmp_path / "v.mp4", "--resize", "area")
    assert done.exit_code == 3 and "v.mp4" in done.stderr


def test_a_probe_of_another_model_is_refused(tmp_path: Path, video: Path, probe: Path) -> None:
    from hf_models import write_model

    other = write_model(tmp_path, "internvl")
    done = run("backbones", "compare", other, video, "--resize", "area", "--probe", probe)
    assert done.exit_code == 6, done.output


@pytest.mark.skipif(has_torchao, reason="torchao is here")
def test_without_torchao_one_byte_weights_say_what_to_install(
    tiny_model: Path, video: Path
) -> None:
    done = run("backbones", "compare", tiny_model, video, "--quantise", "int8")
    assert done.exit_code == 8 and "hiprobe[quantised]" in done.stderr


@pytest.mark.skipif(not has_torchao, reason="torchao is not installed")
@pytest.mark.parametrize("quantise", ["int8", "fp8"])
def test_one_byte_weights_give_near_states(
    tiny_model: Path, video: Path, probe: Path, quantise: str
) -> None:
    found = compared(tiny_model, video, "--quantise", quantise, "--probe", probe)
    assert all(0 < row["mean_relative_distance"] < 0.4 for row in found["layers"])
    assert found["changed"]["settings"]["quantise"] == quantise
