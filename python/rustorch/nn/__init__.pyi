# SPDX-License-Identifier: MIT
# Printed by scripts/dump_catalog.py; do not edit.

from typing import Any, Sequence

from .._C import Module, Number, Parameter, Tensor, device, dtype
from . import functional, init, utils

class Sequential(Module):
    """Runs modules one after the other."""
    def __init__(self, modules: Sequence[Module]) -> None: ...

class ModuleList(Module):
    """A list of modules; you call its members yourself."""
    def __init__(self, modules: Sequence[Module] | None = None) -> None: ...

class Identity(Module):
    """Gives its input back."""
    def __init__(self) -> None: ...

class Linear(Module):
    """An affine map of the last dimension: `x @ weight.T + bias`."""
    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class Bilinear(Module):
    """`x1 @ A @ x2 + bias` for each output feature."""
    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class Embedding(Module):
    """A table of vectors, looked up by index."""
    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class ReLU(Module):
    """`max(x, 0)`."""
    def __init__(self, inplace: bool = False) -> None: ...

class ReLU6(Module):
    """`min(max(x, 0), 6)`."""
    def __init__(self, inplace: bool = False) -> None: ...

class LeakyReLU(Module):
    """`x` where positive, `negative_slope * x` elsewhere."""
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None: ...

class PReLU(Module):
    """A leaky ReLU whose slope is learned."""
    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class ELU(Module):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None: ...

class SELU(Module):
    """The self-normalising ELU (Klambauer et al. 2017)."""
    def __init__(self, inplace: bool = False) -> None: ...

class SiLU(Module):
    """`x * sigmoid(x)`."""
    def __init__(self, inplace: bool = False) -> None: ...

class Mish(Module):
    """`x * tanh(softplus(x))`."""
    def __init__(self, inplace: bool = False) -> None: ...

class GELU(Module):
    """`x * Phi(x)`; approximate='tanh' is the usual approximation."""
    def __init__(self, approximate: str = 'none') -> None: ...

class Softplus(Module):
    """`log(1 + exp(beta * x)) / beta`."""
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None: ...

class Hardtanh(Module):
    """Clamps to [min_val, max_val]."""
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None: ...

class Tanh(Module):
    """The hyperbolic tangent."""
    def __init__(self) -> None: ...

class Sigmoid(Module):
    """`1 / (1 + exp(-x))`."""
    def __init__(self) -> None: ...

class LogSigmoid(Module):
    """`log(sigmoid(x))`, without overflow."""
    def __init__(self) -> None: ...

class Softmax(Module):
    """Probabilities along `dim`."""
    def __init__(self, dim: int | None = None) -> None: ...

class LogSoftmax(Module):
    """Logarithms of probabilities along `dim`."""
    def __init__(self, dim: int | None = None) -> None: ...

class Dropout(Module):
    """While training: zeroes elements with probability p, scales the rest by 1/(1-p)."""
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None: ...

class Dropout1d(Module):
    """Dropout of whole channels of [N, C, L]."""
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None: ...

class Dropout2d(Module):
    """Dropout of whole channels of [N, C, H, W]."""
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None: ...

class Flatten(Module):
    """Joins dimensions; keeps the batch by default."""
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None: ...

class Unflatten(Module):
    """Splits one dimension into several."""
    def __init__(self, dim: int, unflattened_size: int | Sequence[int]) -> None: ...

class LayerNorm(Module):
    """Normalises over the last dimensions (Ba et al. 2016)."""
    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class GroupNorm(Module):
    """Normalises groups of channels (Wu and He 2018)."""
    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: device | str | int | None = None, dtype: dtype | None = None, *, bias: bool = True) -> None: ...

class RMSNorm(Module):
    """Divides by the root mean square of the last dimensions (Zhang and Sennrich 2019)."""
    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class InstanceNorm1d(Module):
    """Normalises each channel of each sample of [N, C, L] (Ulyanov et al. 2016)."""
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False, track_running_stats: bool = False, device: device | str | int | None = None, dtype: dtype | None = None, *, bias: bool = True) -> None: ...

class InstanceNorm2d(Module):
    """Normalises each channel of each sample of [N, C, H, W]."""
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False, track_running_stats: bool = False, device: device | str | int | None = None, dtype: dtype | None = None, *, bias: bool = True) -> None: ...

class BatchNorm1d(Module):
    """Normalises each feature of [N, C] or [N, C, L] (Ioffe and Szegedy 2015)."""
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True, device: device | str | int | None = None, dtype: dtype | None = None, *, bias: bool = True) -> None: ...

class BatchNorm2d(Module):
    """Normalises each channel of [N, C, H, W]."""
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True, device: device | str | int | None = None, dtype: dtype | None = None, *, bias: bool = True) -> None: ...

class Conv1d(Module):
    """1-d cross-correlation of [N, C, L]; padding may be 'same' or 'valid'."""
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int], stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, bias: bool = True, padding_mode: str = 'zeros', device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class Conv2d(Module):
    """2-d cross-correlation of [N, C, H, W]; padding may be 'same' or 'valid'."""
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int], stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, bias: bool = True, padding_mode: str = 'zeros', device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class ConvTranspose2d(Module):
    """The transpose of a convolution: makes pictures larger."""
    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int], stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, output_padding: int | Sequence[int] = 0, groups: int = 1, bias: bool = True, dilation: int | Sequence[int] = 1, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class MaxPool1d(Module):
    """The largest value of each window of [N, C, L]."""
    def __init__(self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, ceil_mode: bool = False) -> None: ...

class AvgPool1d(Module):
    """The mean of each window of [N, C, L]."""
    def __init__(self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> None: ...

class MaxPool2d(Module):
    """The largest value of each window."""
    def __init__(self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, return_indices: bool = False, ceil_mode: bool = False) -> None: ...

class AvgPool2d(Module):
    """The mean of each window."""
    def __init__(self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> None: ...

class AdaptiveAvgPool2d(Module):
    """Means of as many windows as the output has places."""
    def __init__(self, output_size: int | Sequence[int]) -> None: ...

class RNN(Module):
    """The Elman network; gives the outputs and the last hidden state."""
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = 'tanh', bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class GRU(Module):
    """Gated recurrent units (Cho et al. 2014); gives the outputs and the last hidden state."""
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class LSTM(Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); gives the outputs, the last hidden and the last cell state."""
    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, device: device | str | int | None = None, dtype: dtype | None = None) -> None: ...

class MSELoss(Module):
    """The mean of squared differences."""
    def __init__(self, *, reduction: str = 'mean') -> None: ...

class L1Loss(Module):
    """The mean of absolute differences."""
    def __init__(self, *, reduction: str = 'mean') -> None: ...

class SmoothL1Loss(Module):
    """Squared below `beta`, absolute above."""
    def __init__(self, *, reduction: str = 'mean', beta: float = 1.0) -> None: ...

class CrossEntropyLoss(Module):
    """Log-softmax and negative log likelihood: logits against class indices or probabilities."""
    def __init__(self, weight: Tensor | Number | None = None, *, ignore_index: int = -100, reduction: str = 'mean', label_smoothing: float = 0.0) -> None: ...

class NLLLoss(Module):
    """The negative log likelihood of class indices, from log-probabilities."""
    def __init__(self, weight: Tensor | Number | None = None, *, ignore_index: int = -100, reduction: str = 'mean') -> None: ...

class BCELoss(Module):
    """Cross entropy of probabilities in [0, 1]."""
    def __init__(self, weight: Tensor | Number | None = None, *, reduction: str = 'mean') -> None: ...

class BCEWithLogitsLoss(Module):
    """Cross entropy of logits, without overflow."""
    def __init__(self, weight: Tensor | Number | None = None, *, reduction: str = 'mean', pos_weight: Tensor | Number | None = None) -> None: ...

class KLDivLoss(Module):
    """The Kullback-Leibler divergence; the input holds log-probabilities."""
    def __init__(self, *, reduction: str = 'mean', log_target: bool = False) -> None: ...
