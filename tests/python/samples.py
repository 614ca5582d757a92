# SPDX-License-Identifier: MIT
"""Arguments for every row of the op catalog, once for both libraries.

A sample is (args, kwargs) with NumPy arrays where tensors go and dtype names
where dtypes go. SAMPLES is keyed by the schema's name: "add", "max.dim".
"""
import numpy as np


def arr(*shape, seed=0, low=-2.0, high=2.0, dtype="float32"):
    rng = np.random.default_rng(seed + 7 * len(shape))
    return rng.uniform(low, high, shape).astype(dtype)


def ints(*shape, seed=0, low=0, high=5, dtype="int64"):
    return np.random.default_rng(seed + 3).integers(low, high, shape).astype(dtype)


def bools(*shape, seed=0):
    return np.random.default_rng(seed + 5).random(shape) < 0.5


def S(*args, **kwargs):
    return args, kwargs


SAMPLES = {}
# The ends of what float32 holds, in every lane of a vector and in its rest.
ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-45, 3.4e38, -3.4e38, 1e-20, 1.0, -88.5, 89.5]


def ends(n=67, each=1):
    return np.array([ENDS[i // each % len(ENDS)] for i in range(n)], "float32")


def unary(names, low=-2.0, high=2.0, integer=True, nan=True):
    for name in names.split():
        many = [S(arr(3, 4, low=low, high=high)), S(arr(4, 3, low=low, high=high).T),
                S(arr(2, 3, 40, low=low, high=high)[:, ::2, 1::3]), S(arr(0, 3)),
                S(np.array(0.5, "float32")), S(arr(5, low=low, high=high, dtype="float64")),
                S(arr(70, low=low, high=high)), S(ends())]
        if nan:
            many.append(S(np.array([np.nan, 0.5, 0.25], "float32")))
        if integer:
            many.append(S(ints(3, 4, low=1, high=2)))
        SAMPLES[name] = many


def binary(names, low=-2.0, high=2.0, integer=True, number=True):
    for name in names.split():
        a, b = arr(3, 4, low=low, high=high), arr(3, 4, seed=9, low=low, high=high)
        many = [S(a, b), S(a, b[0]), S(a[:, :1], b[:1]), S(a.T, b[0, :3]),
                S(a[::2, ::3], b[::2, 1::3]), S(a[:0], b[:0]),
                S(a, b.astype("float64")), S(np.array([np.nan, 1.0], "float32"),
                                             np.array([1.0, np.nan], "float32")),
                S(ends(169), ends(169, 13))]
        if integer:
            many += [S(ints(3, 4, low=1), ints(4, low=1, seed=2)),
                     S(ints(3, low=1), arr(3, low=max(low, 0.5), high=high)),
                     S(ints(3, low=1, dtype="int32"), ints(3, low=1, seed=4))]
        if number:
            many += [S(a, 2), S(a, 1.5), S(ints(4, low=1), 2.5)]
        SAMPLES[name] = many


unary("neg abs sign square floor ceil trunc relu exp exp2 expm1 sin cos tan atan sinh "
      "cosh tanh sigmoid erf isnan isinf isfinite")
unary("frac softsign leaky_relu elu selu gelu silu softplus mish logsigmoid hardtanh round", integer=False)
unary("hardsigmoid hardswish", integer=False)
del SAMPLES["hardsigmoid"][5]    # PyTorch's 1/6 has float32's digits in float64 too
del SAMPLES["hardswish"][7]      # PyTorch's overflows before the result does
unary("log log2 log10 log1p sqrt rsqrt reciprocal", low=0.1, high=3.0)
unary("asin acos logit", low=0.05, high=0.95, integer=False)
unary("neg_ abs_ exp_ tanh_ sigmoid_ relu_ zero_", integer=False)
unary("log_ sqrt_", low=0.1, high=3.0, integer=False)
unary("clone contiguous logical_not")
binary("add sub mul maximum minimum eq ne lt le gt ge max.other min.other",)
for _name in ("maximum", "minimum", "max.other", "min.other"):
    SAMPLES[_name] = [s for s in SAMPLES[_name] if isinstance(s[0][1], np.ndarray)]
binary("div", low=0.5, high=3.0)
binary("rsub", integer=False)
binary("atan2", number=False)
SAMPLES["atan2"].append(S(np.array([0, -0.0, 1, 0], "float32"), np.array([0, 0, 0, -0.0], "float32")))
binary("floor_divide remainder fmod", low=0.6, high=3.1)
binary("pow", low=0.3, high=2.0)
binary("add_ sub_ mul_", integer=False)
binary("div_ pow_", low=0.5, high=3.0, integer=False)
for _name in ("add_", "sub_", "mul_", "div_", "pow_"):
    SAMPLES[_name] = [s for i, s in enumerate(SAMPLES[_name]) if i not in (2, 3) and
                      not (s[0][0].dtype.kind == "i" and isinstance(s[0][1], float))]
binary("logical_and logical_or logical_xor isclose", number=False)
SAMPLES["isclose"] = [S(arr(3, 4), arr(3, 4) + 1e-6), S(arr(3), arr(3), equal_nan=True)]
SAMPLES["add"].append(S(arr(3, 4), arr(3, 4, seed=1), alpha=2.5))
SAMPLES["sub"].append(S(arr(3, 4), arr(3, 4, seed=1), alpha=2))
SAMPLES["div"] += [S(arr(3, 4), arr(3, 4, seed=1, low=0.5), rounding_mode="floor"),
                   S(ints(6, low=-9, high=9), 4, rounding_mode="trunc")]
SAMPLES["pow"] += [S(arr(3), 2), S(arr(3), 3.0), S(arr(3, low=0.1), 0.5), S(ints(3), 2)]
SAMPLES["round"].append(S(arr(8, low=-50, high=50), decimals=1))
for _name, _i in (("gelu", 7), ("fmod", 8), ("remainder", 8)):
    del SAMPLES[_name][_i]   # their ends are NaN in PyTorch's vector code: see test_kernels.py
SAMPLES["gelu"].append(S(arr(3, 4), approximate="tanh"))
SAMPLES["leaky_relu"].append(S(arr(3, 4), 0.2))
SAMPLES["softplus"].append(S(arr(3, 4), 2.0, 3.0))
SAMPLES["hardtanh"].append(S(arr(3, 4), -0.5, 0.75))
for _name in "bitwise_and bitwise_or bitwise_xor".split():
    SAMPLES[_name] = [S(ints(3, 4), ints(4, seed=1)), S(bools(3), bools(3, seed=1)),
                      S(ints(3, dtype="uint8"), ints(3, dtype="uint8", seed=2)), S(ints(4), 3)]
SAMPLES["bitwise_not"] = [S(ints(3, 4)), S(bools(3))]
SAMPLES["bitwise_left_shift"] = SAMPLES["bitwise_right_shift"] = [
    S(ints(3, 4, low=1, high=99), ints(4, high=3)), S(ints(4, low=1, high=99), 2)]
SAMPLES["lerp"] = [S(arr(3, 4), arr(3, 4, seed=1), 0.3),
                   S(arr(3, 4), arr(3, 4, seed=1), arr(3, 4, seed=2))]
SAMPLES["addcmul"] = SAMPLES["addcdiv"] = [
    S(arr(3, 4), arr(3, 4, seed=1), arr(4, seed=2, low=0.5)),
    S(arr(3, 4), arr(3, 4, seed=1), arr(3, 4, seed=2, low=0.5), value=0.5)]
SAMPLES["where"] = [S(bools(3, 4), arr(3, 4), arr(4, seed=1)), S(bools(3, 1), arr(4), 0.0),
                    S(bools(3), ints(3), arr(3))]
SAMPLES["where.indices"] = [S(bools(3, 4))]
SAMPLES["clamp"] = [S(arr(3, 4), -0.5, 0.5), S(arr(3, 4), min=0.0), S(arr(3, 4), max=1),
                    S(ints(5), 1, 3)]
SAMPLES["clamp"] += [S(arr(3, 4), float("nan"), 0.5), S(arr(3, 4), max=float("nan"))]
SAMPLES["clamp_"] = [S(arr(3, 4), -0.5, 0.5)]
SAMPLES["nan_to_num"] = [S(np.array([np.nan, np.inf, -np.inf, 1], "float32")),
                         S(np.array([np.nan, 1], "float32"), 7.0)]
SAMPLES["fill_"] = [S(arr(3, 4), 2.5), S(ints(3), 4), S(np.broadcast_to(arr(1, 0), (3, 0)), 1.0)]
SAMPLES["copy_"] = [S(arr(3, 4), arr(4, seed=1)), S(arr(3), ints(3))]
SAMPLES["to"] = [S(arr(3, 4), "float64"), S(arr(3, 4), "int64"), S(bools(3), "float32")]
SAMPLES["type_as"] = [S(arr(3), ints(2)), S(ints(3), arr(2))]
SAMPLES["masked_fill"] = [S(arr(3, 4), bools(3, 4), -1.0), S(arr(3, 4), bools(4), 0)]
SAMPLES["masked_fill_"] = [S(arr(3, 4), bools(3, 4), -1.0)]

# --- creation: the elements of `empty` are not compared
SAMPLES["empty"] = [S((2, 3)), S((2,), dtype="int64")]
SAMPLES["zeros"] = SAMPLES["ones"] = [S((2, 3)), S((4,), dtype="int64"), S(())]
SAMPLES["full"] = [S((2, 3), 1.5), S((2,), 3), S((2,), True), S((2,), 3, dtype="float64")]
for _name in "zeros_like ones_like empty_like".split():
    SAMPLES[_name] = [S(arr(2, 3)), S(ints(2)), S(arr(2), dtype="int64")]
SAMPLES["full_like"] = [S(arr(2, 3), 2.0), S(ints(2), 3)]
SAMPLES["new_zeros"] = SAMPLES["new_ones"] = SAMPLES["new_empty"] = [
    S(arr(2), (3, 2)), S(ints(2), (3,))]
SAMPLES["new_full"] = [S(arr(2), (3, 2), 4.0)]
SAMPLES["arange"] = [S(5), S(5.5), S(0), S(4, dtype="float32")]
SAMPLES["arange.start"] = [S(2, 9, 3), S(1.0, 2.0, 0.25), S(5, 0, -2), S(1, 4)]
SAMPLES["linspace"] = [S(0, 1, 5), S(3.0, -2.0, 7), S(0, 1, 1), S(0, 10, 4, dtype="int64")]
SAMPLES["logspace"] = [S(0, 2, 5), S(0, 3, 4, 2.0)]
SAMPLES["eye"] = [S(3), S(2, 4)]
SAMPLES["meshgrid"] = [S([arr(3), arr(2)], indexing="ij"), S([arr(3), arr(2)], indexing="xy")]
SAMPLES["one_hot"] = [S(ints(4)), S(ints(2, 3), 7)]

# --- random: the same seed, the same numbers
SAMPLES["rand"] = SAMPLES["randn"] = [S((3, 4)), S((50,)), S((4,), dtype="float64")]
SAMPLES["randint"] = [S(10, (3, 4))]
SAMPLES["randint.low"] = [S(5, 10, (20,))]
SAMPLES["randperm"] = [S(10), S(0)]
SAMPLES["rand_like"] = SAMPLES["randn_like"] = [S(arr(3, 4)), S(arr(40))]
SAMPLES["normal"] = [S(arr(30), np.abs(arr(30, seed=1)))]
SAMPLES["bernoulli"] = [S(arr(30, low=0, high=1))]
SAMPLES["multinomial"] = [S(arr(6, low=0.1, high=1), 4), S(arr(2, 5, low=0.1, high=1), 3),
                          S(arr(4, low=0.1, high=1), 8, True)]
SAMPLES["uniform_"] = [S(arr(30)), S(arr(20), 2.0, 5.0)]
SAMPLES["normal_"] = [S(arr(30)), S(arr(7), 1.0, 2.0)]
SAMPLES["bernoulli_"] = [S(arr(30), 0.3)]
SAMPLES["random_"] = [S(ints(10), 3, 9)]
SAMPLES["exponential_"] = [S(arr(10))]
SAMPLES["dropout"] = [S(arr(40), 0.5, True), S(arr(5), 0.5, False)]

# --- reductions
_reduced = [S(arr(3, 4)), S(arr(3, 4), 0), S(arr(3, 4), 1, True), S(arr(4, 3).T, 1),
            S(arr(2, 3, 4), -1), S(np.array(2.0, "float32")), S(arr(3, 300), 1)]
_several = [S(arr(2, 3, 4), (0, 2)), S(arr(2, 3, 4), [1, 2], True)]
SAMPLES["sum"] = _reduced + _several + [S(ints(3, 4)), S(bools(3, 4)), S(arr(0, 3)),
                                        S(ints(3), dtype="float32"), S(arr(3, 4), dim=())]
SAMPLES["mean"] = _reduced + _several + [S(ints(3, 4), dtype="float32")]
SAMPLES["prod"] = _reduced + [S(ints(4)), S(np.array([0.0, 2, 3], "float32"))]
SAMPLES["var"] = SAMPLES["std"] = [S(arr(3, 4)), S(arr(3, 4), 0), S(arr(3, 4), 1, False),
                                   S(arr(2, 3, 4), (0, 2), True, True),
                                   S(arr(3, 4), 1, correction=0)]
SAMPLES["norm"] = [S(arr(3, 4)), S(arr(3, 4), 1), S(arr(3, 4), 2, 1), S(arr(3, 4), 3.0, 0, True),
                   S(arr(3, 4), float("inf"), 1)]
SAMPLES["max"] = SAMPLES["min"] = [S(arr(3, 4)), S(ints(5)), S(np.array([1, np.nan], "float32"))]
SAMPLES["max.dim"] = SAMPLES["min.dim"] = [S(arr(3, 4), 0), S(arr(3, 4), 1, True),
                                           S(arr(2, 3, 4), -2), S(ints(3, 4), 1)]
SAMPLES["amax"] = SAMPLES["amin"] = _reduced[1:5] + _several + [S(ints(3, 4, high=3), 1)]
SAMPLES["argmax"] = SAMPLES["argmin"] = [S(arr(3, 4)), S(arr(3, 4), 1), S(arr(3, 4), 0, True),
                                         S(ints(3, 4, high=3), 1)]
SAMPLES["all"] = SAMPLES["any"] = [S(bools(3, 4)), S(bools(3, 4), 1), S(ints(3, 4), 0, True),
                                   S(bools(0))]
SAMPLES["count_nonzero"] = [S(ints(3, 4)), S(ints(3, 4), 1)]
SAMPLES["logsumexp"] = [S(arr(3, 4), 1), S(arr(3, 4) * 60, 0, True), S(arr(2, 3, 4), (0, 1))]
SAMPLES["cumsum"] = SAMPLES["cumprod"] = [S(arr(3, 4), 0), S(arr(4, 3).T, 1), S(ints(5), 0)]
SAMPLES["median"] = [S(arr(7)), S(arr(6)), S(arr(3, 4))]
SAMPLES["equal"] = [S(arr(3), arr(3)), S(arr(3), arr(3, seed=1)), S(arr(3), arr(4))]
SAMPLES["allclose"] = [S(arr(3), arr(3) + 1e-7), S(arr(3), arr(3, seed=1))]

# --- softmax, norms, losses
SAMPLES["softmax"] = SAMPLES["log_softmax"] = [S(arr(3, 4), 1), S(arr(3, 4) * 90, 0),
                                               S(arr(2, 3, 4), 1), S(arr(5), 0),
                                               S(arr(3, 100), -1)]
SAMPLES["layer_norm"] = [S(arr(3, 4), (4,)), S(arr(2, 3, 4), (3, 4), arr(3, 4, seed=1),
                                               arr(3, 4, seed=2)), S(arr(3, 40), (40,), None, None)]
SAMPLES["group_norm"] = [
    S(arr(2, 8), 2), S(arr(2, 6, 3, 5), 3, arr(6, seed=1), arr(6, seed=2)),
    S(arr(2, 4, 5), 4), S(arr(3, 4, 2, 3), 1, arr(4, seed=1), None, 0.1),
    S(arr(2, 5, 6).transpose(0, 2, 1), 3, arr(6, seed=1), arr(6, seed=2))]
SAMPLES["batch_norm"] = [
    S(arr(5, 3), np.zeros(3, "float32"), np.ones(3, "float32"), arr(3), arr(3, seed=1), True),
    S(arr(2, 3, 4, 4), arr(3), arr(3, low=0.5), arr(3), arr(3, seed=1), False)]
SAMPLES["cross_entropy"] = [
    S(arr(5, 4), ints(5, high=4)), S(arr(5, 4), ints(5, high=4), arr(4, low=0.1)),
    S(arr(5, 4), ints(5, high=4), reduction="sum"), S(arr(5, 4), ints(5, high=4),
                                                      label_smoothing=0.1),
    S(arr(2, 4, 3), ints(2, 3, high=4), reduction="none"), S(arr(4), np.array(2)),
    S(arr(5, 4), ints(5, high=4), ignore_index=1),
    S(arr(5, 4), (lambda p: (p / p.sum(1, keepdims=True)).astype("float32"))(arr(5, 4, low=0.1)))]
SAMPLES["nll_loss"] = [S(arr(5, 4), ints(5, high=4)), S(arr(5, 4), ints(5, high=4),
                                                        arr(4, low=0.1), reduction="sum")]
for _name in "mse_loss l1_loss smooth_l1_loss".split():
    SAMPLES[_name] = [S(arr(3, 4), arr(3, 4, seed=1)), S(arr(3, 4), arr(3, 4, seed=1),
                                                         reduction="sum"),
                      S(arr(3), arr(3, seed=1), reduction="none")]
SAMPLES["mse_loss"] += [S(arr(3, 4), bools(3, 4)), S(bools(3), arr(3), reduction="sum")]
SAMPLES["smooth_l1_loss"].append(S(arr(3, 4), arr(3, 4, seed=1), beta=0.5))
SAMPLES["binary_cross_entropy"] = [S(arr(3, 4, low=0.05, high=0.95), arr(3, 4, low=0, high=1)),
                                   S(arr(4, low=0.05, high=0.95), arr(4, low=0, high=1),
                                     arr(4, low=0.1), reduction="sum")]
SAMPLES["binary_cross_entropy_with_logits"] = [
    S(arr(3, 4), arr(3, 4, low=0, high=1)), S(arr(4) * 30, arr(4, low=0, high=1),
                                              pos_weight=arr(4, low=0.5))]
SAMPLES["kl_div"] = [S(arr(3, 4), arr(3, 4, low=0.1, high=1), reduction="sum"),
                     S(arr(3, 4), arr(3, 4), reduction="none", log_target=True),
                     S(arr(3, 4), arr(3, 4, seed=1), reduction="none")]
SAMPLES["scaled_dot_product_attention"] = [
    S(arr(3, 4), arr(5, 4, seed=1), arr(5, 2, seed=2)),
    S(arr(2, 5, 8), arr(2, 7, 8, seed=1), arr(2, 7, 6, seed=2)),
    S(arr(2, 5, 8), arr(2, 5, 8, seed=1), arr(2, 5, 8, seed=2), is_causal=True),
    S(arr(2, 3, 5, 8), arr(2, 3, 5, 8, seed=1), arr(2, 3, 5, 8, seed=2), bools(5, 5) | np.eye(
        5, dtype=bool), scale=0.3),
    S(arr(2, 3, 20, 8), arr(2, 3, 35, 8, seed=1), arr(2, 3, 35, 6, seed=2)),
    S(arr(2, 20, 8), arr(2, 20, 8, seed=1), arr(2, 20, 8, seed=2), is_causal=True),
    S(arr(2, 20, 8), arr(2, 20, 8, seed=1), arr(2, 20, 8, seed=2), arr(20, 20, seed=3))]
SAMPLES["normalize"] = [S(arr(3, 4)), S(arr(3, 4), 1.0, 0)]
SAMPLES["cosine_similarity"] = [S(arr(3, 4), arr(3, 4, seed=1)), S(arr(5), arr(5, seed=1), 0)]

# --- products
SAMPLES["matmul"] = [S(arr(3, 4), arr(4, 5)), S(arr(4), arr(4, seed=1)), S(arr(3, 4), arr(4)),
                     S(arr(4), arr(4, 5)), S(arr(2, 3, 4), arr(2, 4, 5)),
                     S(arr(2, 1, 3, 4), arr(5, 4, 2)), S(arr(4, 3).T, arr(5, 4).T),
                     S(arr(0, 3), arr(3, 2)), S(arr(2, 3, 0), arr(0, 4)), S(arr(70, 65), arr(65, 33)),
                     S(arr(3, 4, dtype="float64"), arr(4, 2, dtype="float64"))]
SAMPLES["mm"] = [S(arr(3, 4), arr(4, 5)), S(ints(2, 3), ints(3, 2))]
SAMPLES["bmm"] = [S(arr(2, 3, 4), arr(2, 4, 5))]
SAMPLES["mv"] = [S(arr(3, 4), arr(4))]
SAMPLES["dot"] = [S(arr(4), arr(4, seed=1))]
SAMPLES["outer"] = [S(arr(3), arr(4))]
SAMPLES["addmm"] = [S(arr(5), arr(3, 4), arr(4, 5)), S(arr(3, 5), arr(3, 4), arr(4, 5), beta=0.5,
                                                       alpha=2)]
SAMPLES["linear"] = [S(arr(3, 4), arr(5, 4), arr(5)), S(arr(2, 3, 4), arr(5, 4)),
                     S(arr(4), arr(5, 4), arr(5)), S(arr(2, 3, 4), arr(4)), S(arr(4), arr(4)),
                     S(arr(2, 3, 0), arr(5, 0)), S(arr(0, 3, 4), arr(5, 4))]
SAMPLES["einsum"] = [S("ij,jk->ik", [arr(3, 4), arr(4, 5)]), S("bij,bij->b", [arr(2, 3, 4), arr(
    2, 3, 4, seed=1)]), S("ii", [arr(3, 3)]), S("i,j->ij", [arr(3), arr(2)])]
SAMPLES["tril"] = SAMPLES["triu"] = [S(arr(3, 4)), S(arr(2, 4, 4), 1), S(arr(4, 4), -1)]
SAMPLES["trace"] = [S(arr(3, 4))]

# --- pictures
SAMPLES["conv2d"] = [S(arr(2, 3, 6, 5), arr(4, 3, 3, 3), arr(4)),
                     S(arr(3, 6, 5), arr(4, 3, 3, 3), arr(4)),
                     S(arr(1, 2, 7, 7), arr(4, 2, 3, 3), None, 2, 1),
                     S(arr(2, 4, 6, 6), arr(4, 2, 3, 2), arr(4), (1, 2), (1, 0), 1, 2),
                     S(arr(1, 1, 8, 8), arr(1, 1, 3, 3), None, 1, 2, 2)]
SAMPLES["max_pool2d"] = [S(arr(2, 3, 6, 6), 2), S(arr(1, 2, 7, 7), 3, 2, 1),
                         S(arr(1, 1, 5, 5), (2, 3), (1, 2), 0, 1, True), S(arr(0, 3, 6, 6), 2),
                         S(arr(3, 6, 6), 2)]
SAMPLES["avg_pool2d"] = [S(arr(2, 3, 6, 6), 2), S(arr(1, 2, 7, 7), 3, 2, 1),
                         S(arr(1, 2, 7, 7), 3, 2, 1, False, False)]
SAMPLES["embedding"] = [S(arr(6, 3), ints(4)), S(arr(6, 3), ints(2, 3), 1), S(arr(6, 0), ints(4)),
                        S(arr(6, 3), ints(2, 0))]
SAMPLES["pad"] = [S(arr(2, 3), (1, 2)), S(arr(2, 3), (1, 2, 0, 1), "constant", 5.0),
                  S(arr(1, 2, 4, 4), (1, 1, 1, 1), "reflect"),
                  S(arr(1, 2, 4, 4), (1, 2, 0, 1), "replicate")]

# --- shapes
SAMPLES["view"] = SAMPLES["reshape"] = [S(arr(3, 4), (4, 3)), S(arr(3, 4), (2, -1)),
                                        S(arr(0, 3), (3, 0))]
SAMPLES["reshape"] = SAMPLES["reshape"] + [S(arr(4, 3).T, (12,))]
SAMPLES["view.dtype"] = [S(arr(3, 4), "int32")]
SAMPLES["view_as"] = SAMPLES["reshape_as"] = [S(arr(3, 4), arr(2, 6))]
SAMPLES["flatten"] = [S(arr(2, 3, 4)), S(arr(2, 3, 4), 1), S(np.array(1.0, "float32"))]
SAMPLES["unflatten"] = [S(arr(3, 4), 1, (2, 2))]
SAMPLES["transpose"] = [S(arr(2, 3, 4), 0, 2), S(arr(2, 3), -1, -2)]
SAMPLES["t"] = [S(arr(3, 4)), S(arr(3))]
SAMPLES["permute"] = [S(arr(2, 3, 4), (2, 0, 1))]
SAMPLES["movedim"] = [S(arr(2, 3, 4), 0, 2)]
SAMPLES["squeeze"] = [S(arr(1, 3, 1)), S(arr(1, 3, 1), 0), S(arr(2, 1), 0), S(arr(1, 2, 1), (0, 2))]
SAMPLES["unsqueeze"] = [S(arr(3), 0), S(arr(3, 4), -1)]
SAMPLES["expand"] = [S(arr(3, 1), (3, 4)), S(arr(3, 1), (2, -1, 4))]
SAMPLES["expand_as"] = [S(arr(3, 1), arr(3, 4))]
SAMPLES["broadcast_to"] = [S(arr(3, 1), (2, 3, 4))]
SAMPLES["select"] = [S(arr(3, 4), 1, 2), S(arr(3, 4), 0, -1)]
SAMPLES["narrow"] = [S(arr(3, 4), 1, 1, 2)]
SAMPLES["diagonal"] = [S(arr(3, 4)), S(arr(3, 4), 1), S(arr(2, 3, 4), -1, 1, 2)]
SAMPLES["diag"] = [S(arr(3, 4)), S(arr(3)), S(arr(3), -1)]
SAMPLES["as_strided"] = [S(arr(12), (3, 2), (2, 1)), S(arr(12), (2, 3), (1, 2), 1)]
SAMPLES["unfold"] = [S(arr(3, 7), 1, 3, 2)]
SAMPLES["detach"] = [S(arr(3, 4))]
SAMPLES["split"] = [S(arr(7, 2), 3), S(arr(3, 5), [1, 4], 1)]
SAMPLES["chunk"] = [S(arr(7, 2), 3), S(arr(3, 5), 2, 1), S(arr(3, 0), 2, 1)]
SAMPLES["unbind"] = [S(arr(3, 2)), S(arr(3, 2), 1)]
SAMPLES["cat"] = [S([arr(2, 3), arr(1, 3)]), S([arr(2, 3), arr(2, 1)], 1), S([ints(2), arr(2)])]
SAMPLES["stack"] = [S([arr(2, 3), arr(2, 3, seed=1)]), S([arr(2), arr(2, seed=1)], 1)]
SAMPLES["repeat"] = [S(arr(2, 3), (2, 1)), S(arr(3), (2, 2))]
SAMPLES["tile"] = [S(arr(2, 3), (2,))]
SAMPLES["repeat_interleave"] = [S(arr(2, 3), 2), S(arr(2, 3), 2, 1)]
SAMPLES["flip"] = [S(arr(2, 3), (0,)), S(arr(2, 3), (0, 1))]
SAMPLES["roll"] = [S(arr(5), 2), S(arr(3, 4), (1, -1), (0, 1))]

# --- indexing and sorting
SAMPLES["index_put"] = [S(arr(5), [ints(3)], arr(3)),
                        S(arr(5), [np.array([1, 1, 2])], arr(3, seed=1), True)]
SAMPLES["index_put_"] = [S(arr(5), [np.array([0, 3])], arr(2, seed=1))]
SAMPLES["index_select"] = [S(arr(3, 4), 1, ints(2, high=4)), S(arr(3, 4), 0, ints(5, high=3))]
SAMPLES["index_add_"] = [S(arr(3, 4), 0, np.array([0, 2, 0]), arr(3, 4, seed=1))]
SAMPLES["gather"] = [S(arr(3, 4), 1, ints(3, 2, high=4)), S(arr(3, 4), 0, ints(2, 4, high=3))]
_scatter = [S(arr(3, 4), 1, np.array([[0, 1], [2, 3], [1, 0]]), arr(3, 2, seed=1))]
for _name in "scatter scatter_ scatter_add scatter_add_".split():
    SAMPLES[_name] = _scatter
SAMPLES["masked_select"] = [S(arr(3, 4), bools(3, 4)), S(arr(3, 4), bools(4))]
SAMPLES["take"] = [S(arr(3, 4), ints(5, high=12))]
SAMPLES["nonzero"] = [S(ints(3, 4, high=2)), S(bools(0))]
SAMPLES["sort"] = [S(arr(3, 4)), S(arr(3, 4), 0, True), S(ints(9, high=4))]
SAMPLES["argsort"] = [S(arr(3, 4)), S(arr(3, 4), 0, True)]
SAMPLES["topk"] = [S(arr(3, 6), 2), S(arr(6, 3), 2, 0), S(arr(3, 6), 3, -1, False)]
SAMPLES["unique"] = [S(ints(9, high=4)), S(np.array([2.0, 1.0, 2.0], "float32"))]
SAMPLES["bincount"] = [S(ints(9, high=4)), S(ints(9), None, 8), S(ints(4), arr(4))]
SAMPLES["searchsorted"] = [S(np.sort(arr(6)), arr(4, seed=1)),
                           S(np.sort(ints(6)), ints(4, seed=1), right=True)]

# Rows that PyTorch has only inside: checked where the rows they serve are, and
# by the C tests.
INTERNAL = {"conv2d_input", "conv2d_weight", "avg_pool2d_backward", "slice", "index",
            "as_strided_backward"}
