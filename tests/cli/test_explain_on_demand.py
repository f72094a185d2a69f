"""`detect --explain`: the cut backbone detects, the uncut one is loaded when words are needed."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cli_states import FINGERPRINT, LAYERS, WIDTH, write_clip_folder, write_untrimmed
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.cli.app import app
from hiprobe.errors import BackboneError, BackboneMemoryError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.spec import BackboneSpec
from hiprobe.states import Reading

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering


@dataclass
class Reader:
    """States by brightness; speaks only when it is whole."""

    cut_at_layer: int | None

    layer_count = len(LAYERS)
    width = WIDTH

    @property
    def fingerprint(self) -> Fingerprint:
        return FINGERPRINT

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        light = np.array([answering.brightness(s.frames) for s in segments])
        rows = np.ones((len(segments), len(layers), WIDTH)) * light[:, None, None] * 6 - 1
        return dict.fromkeys(readings, rows.astype(np.float32))

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        if self.cut_at_layer is not None:
            raise BackboneError("cut")
        return f"brightness {answering.brightness(frames):.1f}"


@dataclass
class Opener:
    """Opens readers and remembers how deep; a whole one may not fit into memory."""

    opened: list[int | None]
    fits: bool = True

    def open(self, spec: BackboneSpec) -> Reader:
        self.opened.append(spec.cut_at_layer)
        if spec.cut_at_layer is None and not self.fits:
            raise BackboneMemoryError("the whole model does not fit")
        return Reader(spec.cut_at_layer)


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    made = Opener([])
    monkeypatch.setattr(BackboneSpec, "open", lambda spec, **_: made.open(spec))
    return made


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    run("fit", write_clip_folder(folder / "clips"), "-o", folder / "probe")
    return folder / "probe"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for number in range(2):
        answering.write_video(tmp_path / "videos" / f"{number}.mp4", [10, 240, 10 + number])
    return tmp_path / "videos"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_without_explain_only_the_cut_one_is_loaded(
    probe: Path, videos: Path, tmp_path: Path, opener: Opener
) -> None:
    result = run("detect", probe, videos, "-o", tmp_path / "out", "--format", "json")
    assert result.exit_code == 0, result.output
    assert len(opener.opened) == 1 and opener.opened[0] is not None


def test_the_uncut_one_is_loaded_once_and_takes_its_place(
    probe: Path, videos: Path, tmp_path: Path, opener: Opener
) -> None:
    result = run("detect", probe, videos, "-o", tmp_path / "out", "--format", "json", "--explain")
    assert result.exit_code == 0, result.output
    assert len(opener.opened) == 2 and opener.opened[1] is None
    for name in ("0", "1"):
        document = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert [e["outcome"] for e in document["explanations"]] == ["text"] * 3
        assert document["events"][0]["explanation"] == "brightness 0.9"
    assert "In the model's words" in result.stdout and "Whole video" in result.stdout


def test_where_the_uncut_one_does_not_fit_the_scores_stay(
    probe: Path, videos: Path, tmp_path: Path, opener: Opener
) -> None:
    opener.fits = False
    result = run("detect", probe, videos, "-o", tmp_path / "out", "--format", "json", "--explain")
    assert result.exit_code == 3
    assert result.stderr.count("was scored but not explained") == 2
    document = json.loads((tmp_path / "out" / "1.json").read_text())
    assert document["explanations"] == [] and len(document["events"]) == 1


def test_states_are_not_explained(probe: Path, tmp_path: Path, opener: Opener) -> None:
    write_untrimmed(tmp_path / "long.safetensors")
    result = run("detect", probe, tmp_path / "long.safetensors", "-o", tmp_path / "out",
                 "--format", "json", "--explain")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert opener.opened == []
