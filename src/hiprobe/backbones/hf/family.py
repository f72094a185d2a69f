"""What a family of models needs of its own, and the prompt around its pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hiprobe.backbones.hf import pictures
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError
from hiprobe.segment import Frame
from hiprobe.spec import TRAINED_RESIZE

# Where a folder brings no template: the form that all families here were tuned in.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


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


# When frames were taken, in seconds from the start of the stretch they are of; one for each.
Offsets = Sequence[float]

# Between frames whose times are not known: 8 of 24 at 30 a second.
UNTIMED_GAP_SECONDS = 0.1


@dataclass(frozen=True)
class Pictures:
    """The frames of one segment, ready for the model.

    `tensors` are inputs of the model; those of several segments are joined along axis 0. `lead`
    is what stands before the question: the placeholders of the frames and what is said to them.
    `frame_count` is filled in by the backbone.
    """

    tensors: Mapping[str, Tensor]
    lead: str
    frame_count: int = 0


@dataclass(frozen=True)
class Parts:
    """What a family is made from: config, processor settings, and the text of a token id.

    `resize_by` is one of `hiprobe.spec.RESIZES`.
    """

    config: Any
    images: Mapping[str, Any]
    videos: Mapping[str, Any]
    token: Callable[[int], str]
    resize_by: str = TRAINED_RESIZE

    def scale(
        self,
        settings: Mapping[str, Any],
        *,
        defaults: tuple[Sequence[float], Sequence[float]],
        resample: int = 3,
    ) -> pictures.Scale:
        """How frames are resized and normalised, by a processor's settings or the defaults."""
        return pictures.read_scale(
            settings, defaults=defaults, resample=resample, resize_by=self.resize_by
        )


@dataclass(frozen=True)
class Family:
    """One family of models, and one way in which it reads frames.

    Attributes:
        decoder: the path of attributes to the decoder.
        visual_token: the id that frames take up in the prompt.
        settings: what of the preprocessing decides the states.
        read: makes frames, and the times they were taken at, ready.
        line_breaks: so many of the last visual tokens show no picture (LLaVA-OneVision's after
            the video).
        token_types: the input that marks visual tokens; empty where none is needed.
        token_type: what marks them in it: 1 a picture, 2 a video.
        frames_together: so many frames share their patches in the vision tower.
        exact: inputs that stay in float32 whatever the model's number format: times.
    """

    decoder: str
    visual_token: int
    settings: Mapping[str, str | int | float | bool]
    read: Callable[[Sequence[Frame], Offsets], Pictures]
    line_breaks: int = 0
    token_types: str = ""
    token_type: int = 1
    frames_together: int = 1
    exact: tuple[str, ...] = ()

    def is_visual(self, ids: Tensor) -> Tensor:
        """Which positions of token ids `[segments, positions]` show the frames: bool, as shaped."""
        visual = ids == self.visual_token
        if self.line_breaks:
            still_to_come = visual.flip(1).cumsum(1).flip(1)
            visual = visual & (still_to_come > self.line_breaks)
        return visual


def labelled(blocks: Sequence[str]) -> str:
    """`Frame1: <image>` lines: each frame's placeholder with its number."""
    return "".join(f"Frame{n}: {block}\n" for n, block in enumerate(blocks, start=1))


def preprocessing(
    scale: pictures.Scale, **more: str | int | float | bool
) -> dict[str, str | int | float | bool]:
    """Settings of a family, for the fingerprint."""
    area = {} if scale.resize_by == TRAINED_RESIZE else {"resize_by": scale.resize_by}
    return {
        **area,
        "resample": scale.resample,
        "mean": ",".join(map(str, scale.mean)),
        "std": ",".join(map(str, scale.std)),
        **more,
    }
