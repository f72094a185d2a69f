"""The same picture is looked at once, others anew, and only so many are remembered."""

from __future__ import annotations

import torch

from hiprobe.backbones.lite.lite_model import SeenPictures


def test_a_picture_seen_a_moment_ago_is_not_looked_at_again() -> None:
    looked = []

    def look(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        looked.append(float(picture.mean()))
        return picture + 1, picture * 2

    seen = SeenPictures(look, pictures=2)
    pictures = [torch.full((1, 3, 4, 4), float(n)) for n in range(3)]
    for place in (0, 1, 0, 0):
        coarse, fine = seen.maps(pictures[place].clone())
        assert torch.equal(coarse, pictures[place] + 1) and torch.equal(fine, pictures[place] * 2)
    assert looked == [0.0, 1.0]
    seen.maps(pictures[2])  # the one that was asked for longest ago goes
    seen.maps(pictures[0])
    assert looked == [0.0, 1.0, 2.0]
    seen.maps(pictures[1])
    assert looked == [0.0, 1.0, 2.0, 1.0]
