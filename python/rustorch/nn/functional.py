# SPDX-License-Identifier: MIT
"""Layers as functions: the rows of the op catalog under PyTorch's names."""
from .. import _C
from .._C import ops as _ops
from ._resize import interpolate  # noqa: F401

for _name in """
        relu relu_ leaky_relu elu selu gelu silu mish hardtanh softplus logsigmoid
        sigmoid tanh softmax log_softmax layer_norm group_norm linear conv2d avg_pool2d embedding
        one_hot pad normalize cosine_similarity cross_entropy nll_loss mse_loss l1_loss
        smooth_l1_loss binary_cross_entropy binary_cross_entropy_with_logits kl_div
        scaled_dot_product_attention unfold softsign""".split():
    if _name in _ops:
        globals()[_name] = _ops[_name]
del _name


def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes elements with probability p while training; scales the rest."""
    out = _ops["dropout"](input, p, training)
    return input.copy_(out) if inplace else out


def relu(input, inplace=False):
    """max(x, 0)."""
    return input.relu_() if inplace else _ops["relu"](input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, negative_slope * x elsewhere."""
    out = _ops["leaky_relu"](input, float(negative_slope))
    return input.copy_(out) if inplace else out


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    out = _ops["hardtanh"](input, 0, 6)
    return input.copy_(out) if inplace else out


def softmin(input, dim=-1):
    """softmax of the negative."""
    return _ops["softmax"](-input, dim)


def tanhshrink(input):
    """x - tanh(x)."""
    return input - input.tanh()


def hardsigmoid(input, inplace=False):
    """clamp(x + 3, 0, 6) / 6."""
    out = _ops["hardsigmoid"](input)
    return input.copy_(out) if inplace else out


def hardswish(input, inplace=False):
    """x * hardsigmoid(x)."""
    out = _ops["hardswish"](input)
    return input.copy_(out) if inplace else out


def glu(input, dim=-1):
    """a * sigmoid(b), the halves along dim."""
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Probabilities along dim."""
    return _ops["softmax"](input, _old_dim(input) if dim is None else dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Logarithms of probabilities along dim."""
    return _ops["log_softmax"](input, _old_dim(input) if dim is None else dim, dtype=dtype)


def _old_dim(input):
    return 0 if input.ndim in (0, 1, 3) else 1


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0,
              scale_grad_by_freq=False, sparse=False):
    """Rows of weight by index."""
    if max_norm is not None:
        raise _C.UnsupportedError("embedding: max_norm is not supported")
    return _ops["embedding"](weight, input, padding_idx)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """2-d cross-correlation; padding may be 'same' or 'valid'."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise _C.ArgumentError(f"conv2d: padding is {padding!r}, expected numbers, "
                                   "'same' or 'valid'")
        spread = (dilation, dilation) if isinstance(dilation, int) else tuple(dilation)
        if padding == "same":
            left = [d * (k - 1) for d, k in zip(spread, weight.shape[2:])]
            margins = [m for t in reversed(left) for m in (t // 2, t - t // 2)]
            input = _ops["pad"](input, margins)
        padding = 0
    return _ops["conv2d"](input, weight, bias, stride, padding, dilation, groups)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """1-d cross-correlation: conv2d of one row."""
    def row(value, beside):
        return [beside, value if isinstance(value, int) else value[0]]
    out = _ops["conv2d"](input.unsqueeze(-2), weight.unsqueeze(-2), bias, row(stride, 1),
                         row(padding, 0), row(dilation, 1), groups)
    return out.squeeze(-2)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The largest value of each window of the last dimension."""
    one = [v if isinstance(v, int) or v is None else v[0]
           for v in (kernel_size, stride, padding, dilation)]
    return max_pool2d(input.unsqueeze(-2), [1, one[0]], [1, one[1] or one[0]], [0, one[2]],
                      [1, one[3]], ceil_mode, return_indices).squeeze(-2)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
               count_include_pad=True):
    """The mean of each window of the last dimension."""
    one = [v if isinstance(v, int) or v is None else v[0]
           for v in (kernel_size, stride, padding)]
    return _ops["avg_pool2d"](input.unsqueeze(-2), [1, one[0]], [1, one[1] or one[0]],
                              [0, one[2]], ceil_mode, count_include_pad).squeeze(-2)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The largest value of each window."""
    if return_indices:
        return _C._call_all(_ops["max_pool2d"], input, kernel_size, stride, padding, dilation,
                            ceil_mode)
    return _ops["max_pool2d"](input, kernel_size, stride, padding, dilation, ceil_mode)


def adaptive_avg_pool2d(input, output_size):
    """The mean of each of output_size windows, where these divide the input."""
    size = (output_size, output_size) if not isinstance(output_size, (tuple, list)) \
        else output_size
    h, w = (n if s is None else s for n, s in zip(input.shape[-2:], size))
    rows, columns = input.shape[-2:]
    if rows % h or columns % w:
        raise _C.UnsupportedError(
            f"adaptive_avg_pool2d: {rows}x{columns} does not divide into {h}x{w} windows")
    if h == 1 and w == 1 and rows and columns:
        return input.mean((-2, -1), keepdim=True)
    return _ops["avg_pool2d"](input, (rows // h, columns // w))


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False,
               momentum=0.1, eps=1e-5):
    """Normalises each channel; updates the running statistics when training."""
    return _ops["batch_norm"](input, running_mean, running_var, weight, bias, training,
                              momentum, eps)


def _reduced(loss, reduction):
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Squared below delta, linear above."""
    return delta * _ops["smooth_l1_loss"](input, target, reduction, float(delta))


def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    """x where the target is 1, max(0, margin - x) where it is -1."""
    return _reduced(_ops["where"](target == 1, input, (margin - input).clamp(min=0)),
                    reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """max(0, -target * (x1 - x2) + margin)."""
    return _reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """The negative log likelihood under a normal distribution."""
    var = var.clamp(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    return _reduced(loss + 0.9189385332046727 if full else loss, reduction)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 along the last dimension."""
    return _ops["norm"](x1 - x2 + eps, p, -1, keepdim)


def sigmoid(input):
    """1 / (1 + exp(-x))."""
    return _ops["sigmoid"](input)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate` under its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)
