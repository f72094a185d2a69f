"""Prompts by name, as text and from files."""

from pathlib import Path

import pytest

from hiprobe.backbones.interface import DETECT_PROMPT
from hiprobe.errors import UsageError
from hiprobe.prompts import PRESETS, Prompt, find_prompt, prompt_name, read_prompts


def test_the_default_is_a_preset() -> None:
    assert find_prompt("hazards").text == DETECT_PROMPT == PRESETS["hazards"]
    assert len(set(PRESETS.values())) == len(PRESETS) >= 4


def test_a_text_of_ones_own_is_taken_and_named_by_its_first_words() -> None:
    assert find_prompt(" Is the gate open? ") == Prompt("Is the gate open?", "Is the gate open?")
    long = "Look at the loading bay and say whether a person stands behind a reversing lorry."
    assert find_prompt(long).text == long
    assert prompt_name(long).endswith("...") and len(prompt_name(long)) <= 40
    assert prompt_name(PRESETS["yes-no"]) == "yes-no"


def test_a_mistyped_preset_is_not_taken_for_a_prompt() -> None:
    with pytest.raises(UsageError, match="did you mean hazards"):
        find_prompt("hazard")
    with pytest.raises(UsageError, match="two words"):
        find_prompt("x")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "# compared\nhazards\n\nIs the gate open?\n"),
        ("p.toml", f'[prompts]\nhazards = "{PRESETS["hazards"]}"\ngate = "Is the gate open?"\n'),
        ("p.json", '["hazards", "Is the gate open?"]'),
        ("q.json", f'{{"hazards": "{PRESETS["hazards"]}", "gate": "Is the gate open?"}}'),
    ],
)
def test_files_of_three_kinds(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = read_prompts(tmp_path / name)
    assert [p.text for p in found] == [DETECT_PROMPT, "Is the gate open?"]
    assert found[0].name == "hazards" and found[1].name in ("gate", "Is the gate open?")


def test_presets_stand_for_a_file() -> None:
    assert {p.name: p.text for p in read_prompts("presets")} == PRESETS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.txt", "hazards\nhazards\n", "twice"),
        ("p.txt", "# nothing\n", "no prompt"),
        ("p.txt", "hazzards\n", "did you mean"),
        ("p.toml", "prompts = 3", "cannot read"),
        ("p.toml", "[prompts]\na = 3", "cannot read"),
        ("p.json", "{", "cannot read"),
        ("p.json", '{"a": ""}', "filled in"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        read_prompts(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read prompts"):
        read_prompts(tmp_path / "gone.txt")
