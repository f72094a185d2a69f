"""Opening backbones by name or folder, and what is said when that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from backbone_cases import write_tiny_lite

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.backbones.registry import get_backbone, list_backbones, open_backbone
from hiprobe.errors import BackboneError, DownloadError, UsageError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no network."""
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPROBE_OFFLINE", "1")
    return tmp_path / "cache"


def test_importing_and_listing_load_no_torch() -> None:
    code = (
        "import sys, hiprobe.backbones.registry as r; r.list_backbones()\n"
        "print([m for m in ('torch', 'transformers', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_lite_is_listed_with_what_it_costs(cache: Path) -> None:
    lite = list_backbones()[0]
    assert lite.name == "lite"
    assert lite.folder == cache / "backbones" / "lite"
    assert not lite.on_disk
    assert 100e6 < lite.download_bytes < lite.size_bytes < 1e9
    assert "Apache-2.0" in lite.licence
    assert "non-commercial" in lite.licence


def test_opening_an_absent_backbone_says_so_and_needs_a_network(cache: Path) -> None:
    said: list[str] = []
    with pytest.raises(DownloadError, match="--wheels DIR"):
        open_backbone("lite", say=said.append)
    assert said == ["the backbone lite is not on this disk yet"]
    assert list((cache / "backbones").iterdir()) == []


def test_a_damaged_folder_is_fetched_again(cache: Path) -> None:
    place = cache / "backbones" / "lite"
    place.mkdir(parents=True)
    (place / "config.json").write_text("[]")
    entry = {"bytes": 2, "sha256": "0" * 64}
    (place / "manifest.json").write_text(json.dumps({"files": {"config.json": entry}}))
    assert list_backbones()[0].on_disk  # in full length, as far as a glance can tell
    with pytest.raises(DownloadError):
        get_backbone("lite")
    assert (place / "config.json").exists()  # kept until there is a better one


def test_an_unknown_name_lists_the_known(cache: Path) -> None:
    with pytest.raises(BackboneError, match=r"'light' is neither a known name.*mean lite\?"):
        open_backbone("light")
    with pytest.raises(BackboneError, match=r"'zzz' is neither a known name.*\(lite and others\)"):
        get_backbone("zzz")


def test_a_negative_cut_is_refused(cache: Path) -> None:
    with pytest.raises(UsageError, match="-1"):
        open_backbone("lite", cut_at_layer=-1)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (None, r"no readable config\.json"),
        ("{", r"no readable config\.json"),
        ("[]", r"no readable config\.json"),
        ("{}", "no model_type"),
        ('{"model_type": "gpt2"}', "lacks weights"),
        ('{"model_type": "hiprobe-lite"}', "cannot be loaded"),
    ],
)
def test_a_foreign_folder_is_refused_with_the_reason(
    tmp_path: Path, config: str | None, reason: str
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(BackboneError, match=reason):
        open_backbone(tmp_path)


def test_a_folder_is_opened_by_its_model_type(tmp_path: Path) -> None:
    write_tiny_lite(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(BackboneError, match="cannot be loaded"):
        open_backbone(str(tmp_path))


@pytest.mark.lite
def test_the_real_backbone_opens_whole_and_cut(lite_folder: Path) -> None:
    whole, cut = open_backbone(lite_folder), open_backbone(lite_folder, cut_at_layer=3)
    assert (whole.layer_count, whole.width) == (30, 576)
    assert whole.fingerprint == cut.fingerprint
    assert open_backbone(lite_folder, prompt="Why?").fingerprint != whole.fingerprint
    assert DETECT_PROMPT in whole.fingerprint.prompt
