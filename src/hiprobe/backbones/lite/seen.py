"""Pictures that were looked at a moment ago: the same picture is not looked at twice.

A clip and its segments share key frames, so do numbers of key frames that are compared, and a
camera that stands still gives the same picture again and again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

PICTURES = 96
"""How many are remembered: a clip of some seconds, in some 30 megabytes."""

Maps = tuple[Tensor, Tensor]


class SeenPictures:
    """The maps of the last pictures, found again by what the pictures hold."""

    def __init__(self, look: Callable[[Tensor], Maps], *, pictures: int = PICTURES) -> None:
        self._look, self._pictures = look, pictures
        self._maps: OrderedDict[bytes, Maps] = OrderedDict()

    def maps(self, picture: Tensor) -> Maps:
        """What `look` gives for a picture `[1, 3, height, width]`."""
        key = hashlib.blake2b(picture.contiguous().numpy().data, digest_size=16).digest()
        found = self._maps.pop(key, None)
        self._maps[key] = self._look(picture) if found is None else found
        if len(self._maps) > self._pictures:
            self._maps.popitem(last=False)
        return self._maps[key]
