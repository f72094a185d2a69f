import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from hiprobe.errors import UsageError
from hiprobe.report.layer_chart import LayerCurves, plot_layers, plot_tsne
from hiprobe.report.score_chart import plot_timeline

TRUTH = [(6.5, 8.5)]


def column_shares(path, kind):
    """Share of reddish or bluish pixels by column, under the legend."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    pixels = pixels[len(pixels) // 4 :]
    red, blue = pixels[..., 0], pixels[..., 2]
    hit = (red - blue > 25) if kind == "red" else (blue - red > 25)
    return hit.mean(axis=0)


def picture(timeline, path, **settings):
    plot_timeline(timeline, path, title="clip", **settings)
    return path


def test_detected_is_red_and_truth_is_blue_at_their_times(timeline, tmp_path):
    path = picture(timeline, tmp_path / "a.png", truth_spans=TRUTH)
    red, blue = column_shares(path, "red"), column_shares(path, "blue")
    reds, blues = np.flatnonzero(red > 0.5), np.flatnonzero(blue > 0.03)
    assert reds.max() < blues.min()
    # Both lie on one time axis: 3 s of detection against 2 s of truth.
    assert len(reds) / len(blues) == pytest.approx(1.5, rel=0.05)


def test_no_truth_no_strip(timeline, tmp_path):
    path = picture(timeline, tmp_path / "a.png")
    assert column_shares(path, "blue").max() == 0


def test_no_event_no_red_area(quiet, tmp_path):
    path = picture(quiet, tmp_path / "a.png", truth_spans=[])
    assert column_shares(path, "red").max() < 0.1


def test_timeline_without_segments_is_drawn(empty, tmp_path):
    with Image.open(picture(empty, tmp_path / "a.png")) as image:
        assert image.size[0] > 1000


def test_svg_is_whole_and_the_same_twice(timeline, tmp_path):
    first = picture(timeline, tmp_path / "a.svg", truth_spans=TRUTH).read_bytes()
    second = picture(timeline, tmp_path / "b.svg", truth_spans=TRUTH).read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == second
    assert not re.search(rb'href="(?!#)', first)


def test_other_suffix_is_refused_and_nothing_written(timeline, tmp_path):
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        picture(timeline, tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def curves(**optional):
    rng = np.random.default_rng(0)
    layers = list(range(1, 31))
    values = {name: rng.random(30).tolist() for name in ("kl", "ldr", "entropy", "total")}
    return LayerCurves(layers=layers, chosen=20, **values, **optional)


@pytest.mark.parametrize("optional", [{}, {"cv_auc": [0.7] * 30}, {"silhouette": [0.1] * 30}])
def test_layers_are_drawn_with_what_is_there(tmp_path, optional):
    plot_layers(curves(**optional), tmp_path / "a.png")
    assert column_shares(tmp_path / "a.png", "blue").max() > 0


def test_layer_curves_refuse_wrong_lengths():
    with pytest.raises(UsageError, match="cv_auc has 3 values"):
        curves(cv_auc=[0.1, 0.2, 0.3])


def test_chosen_layer_must_exist():
    with pytest.raises(UsageError, match="chosen layer 9"):
        LayerCurves([1, 2], [0, 0], [0, 0], [0, 0], [0, 0], chosen=9)


def test_tsne_draws_both_classes(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 10)
    maps = {layer: rng.normal(size=(20, 2)) + 4 * labels[:, None] for layer in (1, 20, 30)}
    plot_tsne(maps, labels, tmp_path / "a.png")
    assert column_shares(tmp_path / "a.png", "red").max() > 0
    assert column_shares(tmp_path / "a.png", "blue").max() > 0


def test_tsne_refuses_a_map_of_another_length(tmp_path):
    with pytest.raises(UsageError, match=r"map of layer 3 has shape \(4, 2\)"):
        plot_tsne({3: np.zeros((4, 2))}, [0, 1], tmp_path / "a.png")
