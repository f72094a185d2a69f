"""The prompt as token ids, in the model's own chat template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiprobe.errors import BackboneError
from hiprobe.store.documents import read_json

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Where a folder brings no template: the form that all families here were tuned in."""


class Wording:
    """Turns a user's text into token ids of the whole conversation up to the answer."""

    def __init__(self, tokenizer: Any, *, template: str | None) -> None:
        self.tokenizer = tokenizer
        self._template = template or tokenizer.chat_template or CHATML
        self._known: dict[str, tuple[int, ...]] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of the conversation; the start token is added where the template has none."""
        if text not in self._known:
            if len(self._known) > 32:  # every frame size makes another text
                self._known.clear()
            self._known[text] = self._encode(text)
        return self._known[text]

    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with template or tokenizer."""
        ids = self.ids("Frame1: a picture\nWhat is seen? 0123456789")
        return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]

    def token(self, token_id: int) -> str:
        """The text of one token."""
        return str(self.tokenizer.convert_ids_to_tokens(token_id))

    def plain_ids(self, text: str) -> list[int]:
        """Token ids of a bare text, without the marks of a conversation."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def words(self, ids: Sequence[int]) -> str:
        """What the model said, without its marks."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _encode(self, text: str) -> tuple[int, ...]:
        rendered = self._render(text)
        begin = self.tokenizer.bos_token
        add = not (begin and rendered.startswith(begin))
        return tuple(self.tokenizer.encode(rendered, add_special_tokens=add))

    def _render(self, text: str) -> str:
        """Some templates take a list of parts, some a plain string: the one that keeps the text."""
        for content in ([{"type": "text", "text": text}], text):
            try:
                rendered = self.tokenizer.apply_chat_template(
                    [{"role": "user", "content": content}],
                    chat_template=self._template,
                    add_generation_prompt=True,
                    tokenize=False,
                )
            except (TypeError, ValueError):
                continue
            # a list printed as it stands contains the text too, but escaped
            if text in rendered and "'type':" not in rendered.split(text, maxsplit=1)[0]:
                return str(rendered)
        raise BackboneError(
            "the model's chat template does not put the user's text into the conversation; "
            "check chat_template.jinja in the model folder"
        )


def read_template(folder: Path) -> str | None:
    """The chat template that lies beside a model, None where only the tokenizer may have one."""
    plain = folder / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    wrapped = folder / "chat_template.json"
    if wrapped.is_file():
        return str(read_json(wrapped, nan=True)["chat_template"])
    return None
