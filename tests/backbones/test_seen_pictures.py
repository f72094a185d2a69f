"""The same picture is looked at once, others anew, and only so many are remembered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones.lite.lite_model import TOGETHER, SeenPictures


def picture(number: int) -> NDArray[np.uint8]:
    return np.full((4, 4, 3), number, np.uint8)


def watched(*, pictures: int) -> tuple[SeenPictures, list[list[int]]]:
    """Pictures that tell their number, and which were looked at in each call."""
    calls: list[list[int]] = []

    def look(some: Tensor) -> tuple[Tensor, Tensor]:
        levels = some.mean(dim=(1, 2, 3), keepdim=True)
        calls.append([round(float(level) * 128 + 127) for level in levels.flatten()])
        return levels + 1, levels * 2

    return SeenPictures(look, pictures=pictures), calls


def check_maps(seen: SeenPictures, numbers: Sequence[int]) -> None:
    found = seen.maps([picture(n) for n in numbers])
    for number, (coarse, fine) in zip(numbers, found, strict=True):
        level = (number - 127) / 128
        assert coarse.shape == fine.shape == (1, 1, 1, 1)
        assert float(coarse) == level + 1 and float(fine) == level * 2


def test_a_picture_seen_a_moment_ago_is_not_looked_at_again() -> None:
    seen, calls = watched(pictures=2)
    for number in (0, 1, 0, 0):
        check_maps(seen, [number])
    assert calls == [[0], [1]]
    check_maps(seen, [2])  # the one that was asked for longest ago goes
    check_maps(seen, [0])
    assert calls == [[0], [1], [2]]
    check_maps(seen, [1])
    assert calls == [[0], [1], [2], [1]]


def test_new_pictures_are_looked_at_some_together_and_each_once() -> None:
    seen, calls = watched(pictures=20)
    check_maps(seen, [5, 7, 5, 9])
    check_maps(seen, [7, 1, 9, 2, 3, 5])
    assert [n for call in calls for n in call] == [5, 7, 9, 1, 2, 3]
    assert max(map(len, calls)) == TOGETHER


def test_more_pictures_than_are_remembered_are_all_given() -> None:
    seen, calls = watched(pictures=2)
    check_maps(seen, [1, 2, 3, 4, 1])
    check_maps(seen, [4, 1])
    assert [n for call in calls for n in call] == [1, 2, 3, 4]
    assert torch.equal(seen.maps([picture(4)])[0][0], torch.full((1, 1, 1, 1), 1 - 123 / 128))
