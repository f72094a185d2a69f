"""Reading the fields of an explanation out of answers as models give them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe.pipeline.answers import Answer, read_answer
from hiprobe.timeline import FIELDS, Explanation

FULL = {
    "title": "A fight",
    "what_happens": 'Two people hit each other, one says "stop".',
    "why_unusual": "It's violent",
    "confidence": 0.8,
}
PARSED = Answer("", "parsed", *FULL.values())


def fields(answer: Answer) -> tuple[object, ...]:
    return (answer.title, answer.what_happens, answer.why_unusual, answer.confidence)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FULL),
        json.dumps(FULL, indent=2),
        "```json\n" + json.dumps(FULL) + "\n```",
        "Sure! Here is the {JSON}:\n" + json.dumps(FULL) + "\nLet me know if you need more.",
        json.dumps([FULL]),
        json.dumps({"thinking": {"step": 1}, **FULL}),
        json.dumps({k.replace("_", " ").title(): v for k, v in FULL.items()}),
        json.dumps({**FULL, "confidence": "80%"}),
        json.dumps({**FULL, "confidence": 80}),
    ],
)
def test_json_is_found_wherever_it_stands(text: str) -> None:
    answer = read_answer(text)
    assert answer.outcome == "parsed" and answer.text == text
    assert fields(answer) == tuple(FULL.values())


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "{'title': 'A fight', 'what_happens': 'It\\'s the men\\'s quarrel, again', "
            "'why_unusual': 'the man's bag is torn', 'confidence': 0.8}",
            ("A fight", "It's the men's quarrel, again", "the man's bag is torn", 0.8),
        ),
        (
            '{"title": "A fight", "what_happens": "Two people hit each ot',
            ("A fight", "Two people hit each ot", None, None),
        ),
        (
            '{"title": "A fight" "what_happens": "They hit", "confidence": 0.8,}',
            ("A fight", "They hit", None, 0.8),
        ),
        ("{title: A fight, confidence: 0.8}", ("A fight", None, None, 0.8)),
        ('{"title": "A fight", "why_unusual": None}', ("A fight", None, None, None)),
        ('{"title": "A\nfight", "confidence": 0.8}', ("A\nfight", None, None, 0.8)),
    ],
)
def test_broken_json_gives_what_can_be_read(text: str, expected: tuple[object, ...]) -> None:
    answer = read_answer(text)
    assert (answer.outcome, fields(answer)) == ("parsed", expected)
    assert answer.text == text


DRAFT = json.dumps({**FULL, "title": "A draft", "confidence": 0.3})
FORM = '{"title": "...", "what_happens": "<text>", "why_unusual": "string", "confidence": 0.0}'


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\nLet me try {DRAFT}\nNo, better.\n</think>\n\n{json.dumps(FULL)}",
        f"<think>The title: a fight.</think>\n```json\n{json.dumps(FULL)}\n```",
        f"I should write {DRAFT}</think>{json.dumps(FULL)}",
        f"<thinking>{DRAFT}</thinking><answer>{json.dumps(FULL)}</answer>",
        f"<reasoning>{DRAFT}</reasoning> Final answer: {json.dumps(FULL)}",
        f"```JSON\r\n{json.dumps(FULL)}\r\n```",
        f"```json\n{json.dumps(FULL)}",
        f"The {{object}} you asked for: {json.dumps(FULL)} I hope {{this}} helps.",
        json.dumps({"response": {"explanation": FULL}}),
        json.dumps({"events": [FULL, {**FULL, "title": "Another"}]}),
        json.dumps(json.dumps(FULL)),
        f"'{json.dumps(FULL)}'",
        str(FULL),
        f"{json.dumps(FULL)}<|im_end|>",
        f"\ufeff{json.dumps(FULL)}",
        f"{FORM}\n{json.dumps(FULL)}",
        f'Format: {{"title": string, "what_happens": string}}\n{json.dumps(FULL)}',
        f"{json.dumps(FULL)}\n{DRAFT}",
        json.dumps(FULL)[:-1],
        json.dumps(FULL)[1:],
        f"{json.dumps(FULL)[:-1]},}}",
        json.dumps(FULL, indent=2).replace('",\n', '", // as seen\n').replace("0.8", "0.8 # sure"),
        json.dumps(FULL).replace("0.8", "0,8"),
        json.dumps({**FULL, "confidence": "0.8"}),
        json.dumps({**FULL, "confidence": "80 %"}),
        json.dumps({**FULL, "evidence": ["frame 3", {"box": [1, 2, 3, 4]}], "event": True}),
        json.dumps({"whatHappens": FULL["what_happens"], "WhyUnusual": "It's violent", **FULL}),
        json.dumps(FULL, ensure_ascii=False).replace('": ', '"：').replace(', "', '，"'),
    ],
)
def test_answers_of_large_models_are_read_in_full(text: str) -> None:
    answer = read_answer(text)
    assert answer.outcome == "parsed" and answer.text == text
    assert fields(answer) == tuple(FULL.values())


@pytest.mark.parametrize(
    "text, expected",
    [
        # words without escapes of their own
        (
            '{"title": "A "fight"", "what_happens": "He says "stop" and hits.", "confidence": 0.8}',
            ('A "fight"', 'He says "stop" and hits.', None, 0.8),
        ),
        (
            "{“title”: “A fight”, “what_happens”: “They hit.”, “confidence”: 0.8}",
            ("A fight", "They hit.", None, 0.8),
        ),
        (
            r'{"title": "A \(fight\)", "what_happens": "C:\pc"}',
            (r"A \(fight\)", r"C:\pc", None, None),
        ),
        # cut off by the limit of tokens
        ('{"title": "A fight", "why_unusual": "It is', ("A fight", None, "It is", None)),
        ('{"title": "A fight", "what_happens":', ("A fight", None, None, None)),
        ('{"title": "A fight", "what_happens": "Two \\', ("A fight", "Two", None, None)),
        ('{"title": "A fight", "what_happens": "Two \\u00', ("A fight", "Two", None, None)),
        ('{"title": "A fight", "confidence": 0.', ("A fight", None, None, None)),
        ('{"title": "A fight", "confidence": 1', ("A fight", None, None, None)),
        ('{"title": "A fight", "confidence": 0.8', ("A fight", None, None, 0.8)),
        ('```json\n{\n  "title": "A fight",\n  "what_hap', ("A fight", None, None, None)),
        ('{"title": "' + "A fight. " * 4000, (("A fight. " * 4000)[:19_988], None, None, None)),
        # wrong types
        ('{"title": ["A", "fight"], "confidence": "high"}', ("A; fight", None, None, None)),
        ('{"title": {"en": "A fight"}, "confidence": [0.8]}', ('{"en": "A fight"}', *[None] * 3)),
        ('{"title": true, "what_happens": 3}', ("true", "3", None, None)),
        ("{'title': 'A fight', 'why_unusual': None, 'confidence': True}", ("A fight", *[None] * 3)),
        ('{"title": "A fight", "confidence": "8/10"}', ("A fight", None, None, None)),
        ('{"title": "A fight", "title": "A quarrel"}', ("A quarrel", None, None, None)),
    ],
)
def test_answers_of_large_models_give_what_is_sound_in_them(
    text: str, expected: tuple[object, ...]
) -> None:
    answer = read_answer(text)
    assert answer.outcome == "parsed" and answer.text == text
    found = tuple(v.strip() if isinstance(v, str) else v for v in fields(answer))
    assert found == tuple(v.strip() if isinstance(v, str) else v for v in expected)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{DRAFT}</think>Two people fight in the hall.",
        '<think>\nI see two men. So {"title": "A fi',
        "<think>I cannot view the video well, but</think>Two men fight.",
        FORM,
        "**Title:** A fight\n**What happens:** They hit.\n**Confidence:** 0.8",
        "title: A fight\nwhat_happens: They hit.\nconfidence: 0.8",
        json.dumps(FULL).replace('"', "&quot;"),
        "| title | A fight |\n|---|---|\n| what_happens | They hit. |",
        '{"error": "no json"}',
        "null",
        "{}",
        "```json\n```",
        '<tool_call>{"name": "describe", "arguments": {}}</tool_call>',
    ],
)
def test_what_large_models_say_instead_is_kept_as_text(text: str) -> None:
    assert read_answer(text) == Answer(text, "text")


def test_a_refusal_after_thoughts_is_one() -> None:
    text = "<think>" + "The frames show a person. " * 20 + "</think>I cannot help with that."
    assert read_answer(text).outcome == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "Two people walk.",
        "Title: a walk. What happens: two people walk.",
        '{"answer": "two people walk"}',
        '{"confidence": 0.9}',
        '{"title": "", "what_happens": null}',
        "I cannot see any abnormal event in this video.",
        "[1, 2, 3]",
        "{" * 5000,
        '{"a":' * 3000,
        "Two people walk. " * 20 + "I cannot assist further.",
    ],
)
def test_what_is_not_the_json_is_kept_as_text(text: str) -> None:
    assert read_answer(text) == Answer(text, "text")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I am unable to view videos.",
        "As an AI I cannot analyze these images, sorry.",
    ],
)
def test_a_refusal_is_told_apart_and_kept(text: str) -> None:
    answer = read_answer(text)
    assert (answer.outcome, answer.text) == ("refused", text) and answer.reason


@pytest.mark.parametrize("text", ["", "  \n"])
def test_silence_is_a_failure_with_a_reason(text: str) -> None:
    answer = read_answer(text)
    assert answer.outcome == "failed" and answer.reason


@pytest.mark.parametrize(
    "value", [True, "high", None, -0.1, 101, 1e999, float("nan"), [0.5], {"a": 1}, 10**400]
)
def test_a_confidence_that_is_no_share_is_none(value: object) -> None:
    text = json.dumps({"title": "x", "confidence": value})
    assert fields(read_answer(text)) == ("x", None, None, None)


def test_lists_and_numbers_become_text() -> None:
    made = {"title": 5, "what_happens": ["one", "", "two"], "why_unusual": {"a": 1}}
    assert fields(read_answer(json.dumps(made))) == ("5", "one; two", '{"a": 1}', None)


@pytest.mark.parametrize("depth", [100, 300, 450, 600, 750, 900])
def test_lists_within_lists_do_not_raise(depth: int) -> None:
    text = f'{{"title": {"[" * depth}"a"{"]" * depth}, "why_unusual": "b"}}'
    assert read_answer(text).text == text


def test_half_characters_can_be_written() -> None:
    answer = read_answer('{"title": "\\ud800 odd"}')
    assert answer.title is not None and answer.title.encode("utf-8")


PLACEHOLDER = re.compile(r"\.{3,}|…|<[\w ]+>|string", re.IGNORECASE)
printable = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
word = printable.map(str.strip).filter(lambda s: s and not PLACEHOLDER.fullmatch(s))
"""Words that are no placeholder such as `...` or `<text>`."""


@given(st.text(max_size=300))
def test_no_text_raises_and_none_is_lost(text: str) -> None:
    answer = read_answer(text)
    assert answer.text == text.encode("utf-8", "replace").decode()
    Explanation("event", 0.0, 1.0, "?", **vars(answer))


@given(
    st.lists(st.sampled_from([*"{}\"':,\\`\n", "title", "confidence", "0.5", "a "])).map("".join)
)
@settings(max_examples=300)
def test_pieces_of_json_in_any_order_do_not_raise(text: str) -> None:
    Explanation("event", 0.0, 1.0, "?", **vars(read_answer(text)))


@given(
    st.fixed_dictionaries(dict.fromkeys(FIELDS, word) | {"confidence": st.floats(0, 1)}),
    printable.filter(lambda s: "{" not in s),
    printable,
    st.sampled_from(["", "```json\n"]),
    st.booleans(),
)
def test_valid_json_is_read_exactly(
    made: dict[str, str | float], before: str, after: str, fence: str, ascii_only: bool
) -> None:
    answer = read_answer(before + fence + json.dumps(made, ensure_ascii=ascii_only) + after)
    assert answer.outcome == "parsed"
    assert fields(answer) == tuple(made[name] for name in (*FIELDS, "confidence"))


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, word)), st.data())
def test_a_cut_answer_keeps_the_fields_before_the_cut(
    made: dict[str, str], data: st.DataObject
) -> None:
    text = json.dumps({name: made[name] for name in FIELDS}, ensure_ascii=False)
    whole = len(json.dumps({"title": made["title"]}, ensure_ascii=False))
    cut = text[: data.draw(st.integers(whole, len(text)))]
    answer = read_answer(cut)
    assert answer.text == cut and answer.outcome == "parsed"
    assert answer.title == made["title"]
