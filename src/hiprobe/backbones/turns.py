"""One call at a time on one model: threads that share a backbone take turns.

A pass cuts the decoder, puts hooks on its layers, and looks up pictures seen before. All of that
belongs to the model, so a second pass beside it would run a decoder that is cut for the first. The
threads of one pass already use all the processors, so nothing is lost by waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

_Self = TypeVar("_Self")
_P = ParamSpec("_P")
_R = TypeVar("_R")

_turns: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_making = RLock()


def in_turn(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """A method of a backbone that waits until no other thread is in one of the same decoder.

    Two backbones may share a decoder, so the turn is the decoder's. A thread that has the turn may
    call further methods.
    """

    @wraps(method)
    def waiting(self: _Self, /, *given: _P.args, **named: _P.kwargs) -> _R:
        with _turn_of(self.decoder):  # type: ignore[attr-defined]
            return method(self, *given, **named)

    return waiting


def _turn_of(decoder: Any) -> Any:
    with _making:
        return _turns.setdefault(decoder, RLock())
