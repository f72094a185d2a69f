from pathlib import Path

import pytest

from hiprobe import settings


def test_cache_folder_is_chosen_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "c"))
    assert settings.cache_folder() == tmp_path / "c"
    assert settings.states_folder() == tmp_path / "c" / "states"
    assert not (tmp_path / "c").exists()
    monkeypatch.delenv("HIPROBE_CACHE")
    assert settings.cache_folder().name == "hiprobe"


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False)])
def test_offline(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    names = ("HIPROBE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert not settings.offline()
    for name in names:
        monkeypatch.setenv(name, value)
        assert settings.offline() is expected
        monkeypatch.delenv(name)
