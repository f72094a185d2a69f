"""Run the vision tower once where several prompts follow over the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

_FEATURES = ("get_image_features", "get_video_features")
"""Methods by which the models of transformers ask their vision tower, in `forward`."""


@contextmanager
def vision_once(model: Any) -> Iterator[None]:
    """Within the block each of `_FEATURES` is computed at its first call and repeated after it.

    All calls in the block must be about the same pictures: nothing is compared.
    """
    patched = [name for name in _FEATURES if callable(getattr(model, name, None))]
    for name in patched:
        setattr(model, name, _remembered(getattr(model, name)))
    try:
        yield
    finally:
        for name in patched:
            delattr(model, name)  # the class's own method shows again


def _remembered(compute: Callable[..., Any]) -> Callable[..., Any]:
    found: list[Any] = []

    @wraps(compute)
    def once(*args: Any, **named: Any) -> Any:
        if not found:
            found.append(compute(*args, **named))
        return found[0]

    return once
