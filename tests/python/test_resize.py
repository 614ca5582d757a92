# SPDX-License-Identifier: MIT
"""interpolate, Upsample and cdist against PyTorch: values and gradients."""
import numpy as np
import pytest

CASES = [
    ((2, 3, 5, 7), dict(scale_factor=2)), ((2, 3, 5, 7), dict(size=(3, 11))),
    ((2, 3, 5, 7), dict(scale_factor=(1.7, 0.6), mode="nearest")),
    ((2, 3, 9), dict(size=4, mode="nearest-exact")),
    ((1, 2, 3, 4, 5), dict(scale_factor=2)),
    ((2, 3, 9), dict(scale_factor=1.5, mode="linear")),
    ((2, 3, 9), dict(size=1, mode="linear", align_corners=True)),
    ((2, 3, 5, 7), dict(scale_factor=2, mode="bilinear")),
    ((2, 3, 5, 7), dict(size=(8, 3), mode="bilinear", align_corners=True)),
    ((2, 3, 5, 7), dict(scale_factor=1.3, mode="bilinear", recompute_scale_factor=True)),
    ((2, 3, 1, 1), dict(size=(4, 3), mode="bilinear")),
    ((1, 2, 3, 4, 2), dict(scale_factor=2, mode="trilinear")),
    ((2, 3, 5, 7), dict(scale_factor=2, mode="bicubic")),
    ((2, 3, 5, 7), dict(size=(4, 9), mode="bicubic", align_corners=True)),
    ((2, 3, 4, 6), dict(size=(2, 3), mode="area")),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, options", CASES)
def test_interpolate_as_pytorch_does(rt, torch, shape, options, dtype):
    values = np.random.default_rng(5).standard_normal(shape).astype(dtype)
    results = []
    for library in (torch, rt):
        x = library.from_numpy(values.copy()).requires_grad_()
        y = library.nn.functional.interpolate(x, **options)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    for theirs, ours in zip(*results):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


def test_every_nearest_size_picks_what_pytorch_picks(rt, torch):
    for n in range(1, 24):
        x = np.arange(n, dtype="float32").reshape(1, 1, n)
        for size in range(1, 40):
            for mode in ("nearest", "nearest-exact"):
                ours, theirs = (library.nn.functional.interpolate(
                    library.from_numpy(x.copy()), size=size, mode=mode).tolist()
                    for library in (rt, torch))
                assert ours == theirs, (n, size, mode)


def test_integers_are_chosen_but_not_mixed(rt):
    x = rt.arange(4).reshape(1, 1, 2, 2)
    y = rt.nn.functional.interpolate(x, scale_factor=2)
    assert y.tolist() == [[[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]]]
    with pytest.raises(TypeError, match="needs floats"):
        rt.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


def test_wrong_sizes_are_refused(rt):
    x = rt.zeros(1, 2, 4, 4)
    resize = rt.nn.functional.interpolate
    for options, message in (({}, "either size or scale_factor"),
                             (dict(size=2, scale_factor=2), "either size or scale_factor"),
                             (dict(size=(1, 2, 3)), "3 sizes for 2"),
                             (dict(size=0), "at least 1"),
                             (dict(size=2, mode="linear"), "takes 3"),
                             (dict(size=2, mode="fine"), "expected one of"),
                             (dict(size=2, align_corners=True), "means nothing"),
                             (dict(size=2, mode="bilinear", antialias=True), "antialias")):
        with pytest.raises(Exception, match=message):
            resize(x, **options)


def test_upsample_is_a_layer(rt, torch):
    x = np.random.default_rng(6).standard_normal((1, 2, 3, 3)).astype("float32")
    for make in (lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"),
                 lambda nn: nn.Upsample(size=(5, 4)),
                 lambda nn: nn.UpsamplingBilinear2d(scale_factor=2),
                 lambda nn: nn.UpsamplingNearest2d(size=4)):
        ours, theirs = make(rt.nn), make(torch.nn)
        np.testing.assert_allclose(ours(rt.from_numpy(x)).numpy(),
                                   theirs(torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-6)
        assert repr(ours).splitlines()[0].startswith(repr(theirs).split("(")[0])


@pytest.mark.parametrize("p", [0, 1, 2, 3, float("inf")])
@pytest.mark.parametrize("first, second", [((4, 3), (5, 3)), ((30, 3), (5, 3)),
                                           ((2, 4, 3), (2, 1, 3)), ((0, 3), (5, 3))])
def test_distances_of_all_rows(rt, torch, first, second, p):
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal(first), rng.standard_normal(second)
    results = []
    for library in (torch, rt):
        x = library.from_numpy(a.copy()).requires_grad_(p > 0)
        y = library.cdist(x, library.from_numpy(b.copy()), p=p)
        if p > 0:
            y.sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy() if p > 0 else a))
    for theirs, ours in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_rows_without_distance_have_no_gradient(rt):
    x = rt.ones(30, 2, requires_grad=True)
    rt.cdist(x, rt.ones(30, 2)).sum().backward()
    assert x.grad.abs().max().item() == 0
