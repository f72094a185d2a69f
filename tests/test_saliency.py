"""Saliency against numerical integration, scipy and numpy, and by its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import entropy as scipy_entropy
from scipy.stats import norm, zscore

from hiprobe.errors import StatesError, UsageError
from hiprobe.saliency import layer_saliency

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, n: int = 9, a: int = 7, layers: int = 4, width: int = 5):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.3, 3, (layers, width))
    shift = rng.normal(size=(layers, width))
    normal = rng.normal(size=(n, layers, width))
    return normal, rng.normal(size=(a, layers, width)) * spread + shift


def test_kl_equals_the_integral_of_the_two_densities():
    normal, anomalous = draw(1, layers=2, width=3)
    table = layer_saliency(normal, anomalous)
    for layer in range(2):
        found = []
        for d in range(3):
            p = norm(normal[:, layer, d].mean(), normal[:, layer, d].std())
            q = norm(anomalous[:, layer, d].mean(), anomalous[:, layer, d].std())
            low, high = p.mean() - 12 * p.std(), p.mean() + 12 * p.std()
            found.append(
                quad(
                    lambda x, p=p, q=q: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), low, high, limit=200
                )[0]
            )
        assert table.kl[layer] == pytest.approx(np.mean(found), rel=1e-6)


def test_entropy_equals_numpy_histogram_with_scipy_entropy():
    normal, anomalous = draw(2)
    table = layer_saliency(normal, anomalous, bins=6)
    samples = np.concatenate([normal, anomalous])
    for layer in range(4):
        found = [
            scipy_entropy(np.histogram(samples[:, layer, d], bins=6)[0], base=2) for d in range(5)
        ]
        assert table.entropy[layer] == pytest.approx(np.mean(found), rel=1e-12)


def test_ldr_of_a_case_counted_by_hand():
    normal = np.array([0.0, 2.0]).reshape(2, 1, 1)
    anomalous = np.array([4.0, 8.0]).reshape(2, 1, 1)
    table = layer_saliency(normal, anomalous)
    assert table.ldr[0] == pytest.approx(25 / (1 + 4), rel=1e-5)
    assert table.kl[0] == pytest.approx(0.5 * (np.log(4) + (1 + 25) / 4 - 1))


def test_total_is_the_sum_of_z_scores_and_best_its_peak():
    normal, anomalous = draw(3)
    anomalous[:, 2] += 6
    table = layer_saliency(normal, anomalous)
    expected = zscore(table.kl) + zscore(table.ldr) + zscore(table.entropy)
    np.testing.assert_allclose(table.total, expected, rtol=1e-9)
    assert table.best == 3
    assert layer_saliency(normal, anomalous, layers=(4, 8, 9, 10)).best == 9


@settings(deadline=None, max_examples=30)
@given(seed=seeds, exponent=st.integers(-40, 40), shift=st.floats(-5, 5))
def test_unit_and_origin_do_not_matter(seed, exponent, shift):
    normal, anomalous = draw(seed)
    plain = layer_saliency(normal, anomalous)
    factor = 2.0**exponent
    moved = layer_saliency((normal + shift) * factor, (anomalous + shift) * factor)
    np.testing.assert_allclose(moved.kl, plain.kl, rtol=1e-7)
    np.testing.assert_allclose(moved.ldr, plain.ldr, rtol=1e-7)


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_order_of_samples_and_dimensions_does_not_matter(seed):
    normal, anomalous = draw(seed)
    rng = np.random.default_rng(seed)
    columns = rng.permutation(5)
    mixed = layer_saliency(
        rng.permutation(normal)[:, :, columns], rng.permutation(anomalous)[:, :, columns]
    )
    plain = layer_saliency(normal, anomalous)
    for name in ("kl", "ldr", "entropy", "total"):
        np.testing.assert_allclose(getattr(mixed, name), getattr(plain, name), rtol=1e-8, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_swapped_labels_change_kl_only(seed):
    normal, anomalous = draw(seed)
    there, back = layer_saliency(normal, anomalous), layer_saliency(anomalous, normal)
    np.testing.assert_allclose(back.ldr, there.ldr, rtol=1e-12)
    np.testing.assert_allclose(back.entropy, there.entropy, rtol=1e-12)
    assert not np.allclose(back.kl, there.kl)
    assert (there.kl >= 0).all()


def test_a_constant_dimension_adds_nothing():
    normal, anomalous = draw(4)
    plain = layer_saliency(normal, anomalous)
    wide = [np.concatenate([x, np.full((len(x), 4, 5), 0.1)], axis=2) for x in (normal, anomalous)]
    table = layer_saliency(wide[0], wide[1])
    for name in ("kl", "ldr", "entropy"):
        np.testing.assert_allclose(getattr(table, name), getattr(plain, name) / 2, rtol=1e-12)


def test_equal_layers_have_no_saliency_and_a_class_constant_in_a_dimension_stays_finite():
    normal, anomalous = draw(5, layers=1)
    table = layer_saliency(np.repeat(normal, 3, axis=1), np.repeat(anomalous, 3, axis=1))
    assert (table.total == 0).all() and table.best == 1
    anomalous[:, :, 0] = 7.0
    assert np.isfinite(layer_saliency(normal, anomalous).kl).all()


def test_a_class_of_one_sample_takes_the_other_classs_variance():
    normal, anomalous = draw(6, a=1)
    kl = layer_saliency(normal, anomalous).kl
    gap = (normal.mean(axis=0) - anomalous[0]) ** 2 / normal.var(axis=0)
    np.testing.assert_allclose(kl, (gap / 2).mean(axis=1))


def test_values_near_the_end_of_float32_do_not_overflow():
    normal, anomalous = (x.astype(np.float32) * np.float32(1e37) for x in draw(7))
    table = layer_saliency(normal, anomalous)
    np.testing.assert_allclose(table.kl, layer_saliency(*draw(7)).kl, rtol=1e-4)


def test_unusable_input_is_refused_by_name():
    normal, anomalous = draw(8)
    anomalous[3, 1, 2] = np.nan
    with pytest.raises(StatesError, match=r"anomalous clip 3 .* layer index 1, dimension 2"):
        layer_saliency(normal, anomalous)
    with pytest.raises(StatesError, match="three in all"):
        layer_saliency(normal[:1], normal[1:2])
    with pytest.raises(StatesError, match="three in all"):
        layer_saliency(normal, normal[:0])
    with pytest.raises(StatesError, match="equal layers"):
        layer_saliency(normal, normal[:, :2])
    with pytest.raises(UsageError, match="at least 2"):
        layer_saliency(normal, normal, bins=1)
