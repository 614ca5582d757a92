# SPDX-License-Identifier: MIT
"""Everyday calls, for `make bench-everyday`: what notebooks use beside the rows of rows.py.

One line a row: its name, what is called with the library and the operands, and what makes the
operands. `gradients` takes the gradients of the sum of what is called, `module` those of a
module's result, too, and `steps` is a whole training step.
"""
import rows
from rows import randn

ROWS = {}


def entry(name, make):
    if name in ROWS or name in rows.ROWS:
        raise ValueError(f"two rows are named {name!r}")
    rows.row(name, tolerance=1e-3, into=ROWS)(make)


def call(name, function, *operands):
    def make(T):
        made = [operand(T) for operand in operands]
        return lambda: first(function(T, *made))

    entry(name, make)


def gradients(name, function, *operands):
    def make(T):
        made = [operand(T) for operand in operands]
        leaves = [a.requires_grad_() for a in made if a.is_floating_point()]
        return backward(lambda: function(T, *made), leaves)

    entry(name + ", gradients", make)


def module(name, build, operand):
    def make(T):
        T.manual_seed(0)
        layer, x = build(T.nn), operand(T)
        leaves = list(layer.parameters()) + ([x.requires_grad_()] if x.is_floating_point() else [])
        return backward(lambda: first(layer(x)), leaves)

    entry(name + ", gradients", make)


def without(name, build, operand):
    def make(T):
        T.manual_seed(0)
        layer, x = build(T.nn), operand(T)

        def run():
            with T.no_grad():
                return first(layer(x))

        return run

    entry(name, make)


def steps(name, build, operand, target, loss, optimizer="SGD"):
    def make(T):
        T.manual_seed(0)
        layer, x, y = build(T.nn), operand(T), target(T)
        step = getattr(T.optim, optimizer)(layer.parameters(), lr=1e-5)

        def run():
            step.zero_grad()
            value = getattr(T.nn.functional, loss)(layer(x), y)
            value.backward()
            step.step()
            return value

        return run

    entry(name, make)


def first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


def backward(function, leaves):
    def run():
        for leaf in leaves:
            leaf.grad = None
        function().sum().backward()
        return leaves[0].grad

    return run


# --- operands -------------------------------------------------------------------------

def normal(*shape):
    return lambda T: randn(T, *shape)


def uniform(*shape):
    def make(T):
        T.manual_seed(1)
        return T.rand(*shape) * 0.9 + 0.05

    return make


def below(end, *shape):
    def make(T):
        T.manual_seed(2)
        return T.randint(0, end, shape)

    return make


def counted(n):
    return lambda T: T.arange(n)


def mask(*shape):
    return lambda T: randn(T, *shape) > 0


def triangle(n):
    return lambda T: T.tril(T.ones(n, n))


def typed(operand, dtype):
    return lambda T: operand(T).to(getattr(T, dtype))


M = normal(1000, 1000)
P = uniform(1000, 1000)

# --- functions of 1e6 elements ----------------------------------------------------------

for name in ("abs neg sign floor round trunc frac square reciprocal sqrt rsqrt log log2 log10 log1p "
             "exp2 expm1 sin cos tan asin acos atan sinh cosh erf").split():
    call(name, lambda T, a, name=name: getattr(T, name)(a), P)
for name in ("silu leaky_relu elu selu softplus hardtanh relu6 hardswish hardsigmoid logsigmoid "
             "softsign mish tanhshrink").split():
    call(name, lambda T, a, name=name: getattr(T.nn.functional, name)(a), M)
for name in "maximum minimum atan2 fmod remainder pow".split():
    call(name, lambda T, a, b, name=name: getattr(T, name)(a, b), P, uniform(1000, 1000))
for power in 2, 3, 1.7:
    call(f"a ** {power}", lambda T, a, power=power: a ** power, P)
call("a / b", lambda T, a, b: a / b, M, M)
call("a + 1", lambda T, a: a + 1, M)
call("1 - a", lambda T, a: 1 - a, M)
call("1 / a", lambda T, a: 1 / a, M)
call("a * 2 + 1", lambda T, a: a * 2 + 1, M)
call("lerp", lambda T, a, b: T.lerp(a, b, 0.3), M, M)
call("addcmul", lambda T, a, b, c: T.addcmul(a, b, c), M, M, M)
call("clamp", lambda T, a: a.clamp(-1, 1), M)
call("where", lambda T, a, b: T.where(a > 0, a, b), M, P)
call("a > b", lambda T, a, b: a > b, M, P)
call("mask & mask", lambda T, a, b: a & b, mask(1000, 1000), mask(1000, 1000))
call("~mask", lambda T, a: ~a, mask(1000, 1000))
call("a.add_(b)", lambda T, a, b: a.add_(b), M, lambda T: T.zeros(1000, 1000))
call("a.mul_(1)", lambda T, a: a.mul_(1.0), M)
call("a.copy_(b)", lambda T, a, b: a.copy_(b), M, P)
call("int64 a + b", lambda T, a, b: a + b, counted(1000000), counted(1000000))
call("int64 a // 7", lambda T, a: a // 7, counted(1000000))
call("int64 a % 7", lambda T, a: a % 7, counted(1000000))
for dtype in "float64 bfloat16 float16".split():
    call(f"{dtype} a + b", lambda T, a, b: a + b, typed(M, dtype), typed(P, dtype))
call("float64 exp", lambda T, a: a.exp(), typed(P, "float64"))
call("to float64", lambda T, a: a.double(), M)
call("to int64", lambda T, a: a.long(), M)
call("bool to float", lambda T, a: a.float(), mask(1000, 1000))
call("uint8 to float / 255", lambda T, a: a.float() / 255, typed(below(255, 1000, 784), "uint8"))
call("dropout", lambda T, a: T.nn.functional.dropout(a, 0.5) is None, M)
call("a[:, None] - b[None] of [500, 3]", lambda T, a, b: a[:, None] - b[None], normal(500, 3),
     normal(500, 3))
call("squared distances of [500, 3]", lambda T, a, b: ((a[:, None] - b[None]) ** 2).sum(-1),
     normal(500, 3), uniform(500, 3))
call("cdist 500x64", lambda T, a, b: T.cdist(a, b), normal(500, 64), uniform(500, 64))
call("a[:, 1:] + a[:, :-1]", lambda T, a: a[:, 1:] + a[:, :-1], M)
call("a - a.mean(1, keepdim)", lambda T, a: a - a.mean(1, keepdim=True), M)

# --- reductions and orders ------------------------------------------------------------------

for name in "sum mean max min argmax argmin std norm median".split():
    call(f"{name} of all", lambda T, a, name=name: getattr(a, name)(), M)
for name in "mean min argmin std norm prod logsumexp all cumsum cumprod".split():
    call(f"{name} dim 1", lambda T, a, name=name: getattr(a, name)(dim=1), M)
for name in "mean std argmin cumsum".split():
    call(f"{name} dim 0", lambda T, a, name=name: getattr(a, name)(dim=0), M)
call("mean of (0, 2, 3)", lambda T, a: a.mean((0, 2, 3)), normal(8, 64, 56, 56))
call("sum dim 1 of 64x128x128", lambda T, a: a.sum(1), normal(64, 128, 128))
call("log_softmax", lambda T, a: T.nn.functional.log_softmax(a, 1), M)
call("causal softmax", lambda T, a, m: T.softmax(a.masked_fill(m == 0, float("-inf")), -1),
     normal(16, 4, 128, 128), triangle(128))
call("isnan any", lambda T, a: T.isnan(a).any(), M)
call("allclose", lambda T, a, b: T.allclose(a, b), M, P)
call("equal", lambda T, a, b: T.equal(a, b), M, M)
call("mask.sum", lambda T, a: a.sum(), mask(1000, 1000))
call("int64 sum", lambda T, a: a.sum(), counted(1000000))
call("float64 sum", lambda T, a: a.sum(), typed(M, "float64"))
call("accuracy", lambda T, a, y: (a.argmax(1) == y).sum(), normal(10000, 10), below(10, 10000))
call("topk 10", lambda T, a: a.topk(10), M)
call("sort rows", lambda T, a: a.sort(1), M)
call("argsort 1e5", lambda T, a: a.argsort(), normal(100000))
call("unique 1e5", lambda T, a: T.unique(a), below(1000, 100000))
call("bincount 1e6", lambda T, a: T.bincount(a), below(1000, 1000000))
call("histc", lambda T, a: T.histc(a, 50, -3, 3), M)
call("searchsorted", lambda T, a, b: T.searchsorted(a, b), lambda T: T.linspace(-3, 3, 1000),
     normal(100000))

# --- indices --------------------------------------------------------------------------------

call("a[i] of rows", lambda T, a, i: a[i], M, below(1000, 1000))
call("a[i, j]", lambda T, a, i, j: a[i, j], M, below(1000, 100000), below(999, 100000))
call("a[mask]", lambda T, a, m: a[m], M, mask(1000, 1000))
call("a[i] = 0", lambda T, a, i: a.__setitem__(i, 0.0) or a, M, below(1000, 300))
call("a[mask] = 0", lambda T, a, m: a.__setitem__(m, 0.0) or a, M, mask(1000, 1000))
call("masked_fill", lambda T, a, m: a.masked_fill(m, 0), M, mask(1000, 1000))
call("nonzero", lambda T, a: a.nonzero(), mask(1000, 1000))
call("gather", lambda T, a, i: a.gather(1, i), M, below(1000, 1000, 1000))
call("index_select dim 1", lambda T, a, i: a.index_select(1, i), M, below(1000, 1000))
call("scatter", lambda T, a, i: a.scatter(1, i, 1.0), M, below(1000, 1000, 100))
call("scatter_add", lambda T, a, i, s: a.scatter_add(1, i, s), M, below(1000, 1000, 1000), P)
call("index_add", lambda T, a, i, s: a.index_add(0, i, s), normal(1000, 100), below(1000, 1000),
     uniform(1000, 100))
call("one_hot", lambda T, i: T.nn.functional.one_hot(i, 1000), below(1000, 1000))
call("embedding 65x128", lambda T, w, i: T.nn.functional.embedding(i, w), normal(65, 128),
     below(65, 16, 128))

# --- making and moving ------------------------------------------------------------------------

call("zeros", lambda T: T.zeros(1000, 1000))
call("full", lambda T: T.full((1000, 1000), 3.0))
call("arange 1e6", lambda T: T.arange(1000000))
call("linspace 1e6", lambda T: T.linspace(0, 1, 1000000))
call("eye", lambda T: T.eye(1000))
call("rand 1e6", lambda T: T.rand(1000000) is None)
call("randint 1e6", lambda T: T.randint(0, 10, (1000000,)) is None)
call("randperm 1e5", lambda T: T.randperm(100000) is None)
call("bernoulli", lambda T, a: T.bernoulli(a) is None, P)
call("multinomial", lambda T, a: T.multinomial(a, 1) is None, uniform(64, 1000))
call("tensor of 1000 numbers", lambda T, a: T.tensor(a), lambda T: [i / 2 for i in range(1000)])
call("clone", lambda T, a: a.clone(), M)
call("flip", lambda T, a: a.flip(1), M)
call("roll", lambda T, a: T.roll(a, 3, 1), M)
call("repeat", lambda T, a: a.repeat(2, 2), normal(500, 500))
call("cat of 2", lambda T, a: T.cat([a, a], 1), normal(1000, 500))
call("cat of 100", lambda T, a: T.cat([a] * 100), normal(10, 10))
call("stack of 64", lambda T, a: T.stack([a] * 64), normal(1000))
call("split and cat", lambda T, a: T.cat(T.split(a, 100, 1), 0), M)
call("every second column", lambda T, a: a[:, ::2].contiguous(), M)
call("heads apart", lambda T, a: a.view(16, 128, 4, 32).transpose(1, 2).contiguous(),
     normal(16, 128, 128))
call("NCHW to NHWC", lambda T, a: a.permute(0, 2, 3, 1).contiguous(), normal(8, 64, 56, 56))
call("pad", lambda T, a: T.nn.functional.pad(a, (1, 1, 1, 1)), normal(8, 64, 56, 56))
call("tril", lambda T, a: T.tril(a), M)
call("diag 1000", lambda T, a: T.diag(a), normal(1000))
call("nearest 2x", lambda T, a: T.nn.functional.interpolate(a, scale_factor=2),
     normal(8, 16, 28, 28))

# --- products ---------------------------------------------------------------------------------

for m, k, n in ((1, 784, 10), (10, 784, 128), (64, 784, 128), (10, 1000, 10), (1000, 10, 1000),
                (100, 100, 100), (784, 784, 1)):
    call(f"{m}x{k} @ {k}x{n}", lambda T, a, b: a @ b, normal(m, k), normal(k, n))
call("addmm 64x784x128", lambda T, a, b, c: T.addmm(a, b, c), normal(128), normal(64, 784),
     normal(784, 128))
call("16x128x128 @ 128x512", lambda T, a, b: a @ b, normal(16, 128, 128), normal(128, 512))
call("q @ k.T", lambda T, a, b: a @ b.transpose(-2, -1), normal(16, 4, 128, 32),
     normal(16, 4, 128, 32))
call("weights @ v", lambda T, a, b: a @ b, normal(16, 4, 128, 128), normal(16, 4, 128, 32))
call("a.T @ b 512", lambda T, a, b: a.T @ b, normal(512, 512), normal(512, 512))
call("a @ b.T 512", lambda T, a, b: a @ b.T, normal(512, 512), normal(512, 512))
call("float64 512 @ 512", lambda T, a, b: a @ b, typed(normal(512, 512), "float64"),
     typed(normal(512, 512), "float64"))
call("int64 200 @ 200", lambda T, a, b: a @ b, below(9, 200, 200), below(9, 200, 200))
call("dot 1e5", lambda T, a, b: a @ b, normal(100000), normal(100000))
call("outer 1000", lambda T, a, b: T.outer(a, b), normal(1000), normal(1000))
call("einsum bij,bjk->bik", lambda T, a, b: T.einsum("bij,bjk->bik", a, b), normal(16, 64, 64),
     normal(16, 64, 64))
gradients("matmul 256", lambda T, a, b: a @ b, normal(256, 256), normal(256, 256))
gradients("batches of 64x32 @ 32x64", lambda T, a, b: a @ b, normal(64, 64, 32),
          normal(64, 32, 64))

# --- gradients of functions ---------------------------------------------------------------------

for name in "exp tanh sigmoid relu log sqrt abs sin".split():
    gradients(name, lambda T, a, name=name: getattr(T, name)(a), P)
for name in "gelu silu elu leaky_relu softplus".split():
    gradients(name, lambda T, a, name=name: getattr(T.nn.functional, name)(a), M)
gradients("softmax", lambda T, a: T.softmax(a, 1)[:, :10], M)
gradients("log_softmax", lambda T, a: T.nn.functional.log_softmax(a, 1), M)
gradients("sum dim 0", lambda T, a: a.sum(0), M)
gradients("max dim 1", lambda T, a: a.max(1)[0], M)
gradients("var dim 1", lambda T, a: a.var(1), M)
gradients("norm dim 1", lambda T, a: a.norm(dim=1), M)
gradients("cumsum", lambda T, a: a.cumsum(1), M)
gradients("x.T contiguous", lambda T, a: a.T.contiguous(), M)
gradients("a[:, 10:500]", lambda T, a: a[:, 10:500], M)
gradients("a[::3]", lambda T, a: a[::3], M)
gradients("cat", lambda T, a: T.cat([a, a]), M)
gradients("clamp", lambda T, a: a.clamp(-1, 1), M)
gradients("where", lambda T, a: T.where(a > 0, a, a * 0.1), M)
gradients("a * a", lambda T, a: a * a, M)
gradients("a ** 2", lambda T, a: a ** 2, M)
gradients("a / (b + 1)", lambda T, a, b: a / (b + 1), M, P)
gradients("a * row", lambda T, a, b: a * b, M, normal(1000))

# --- layers and losses ----------------------------------------------------------------------------

for name, loss in (("mse_loss", M), ("l1_loss", M), ("smooth_l1_loss", M),
                   ("binary_cross_entropy_with_logits", P)):
    gradients(name, lambda T, a, b, name=name: getattr(T.nn.functional, name)(a, b.detach()),
              P, loss)
for count, classes in (128, 10), (2048, 65):
    gradients(f"cross_entropy {count}x{classes}",
              lambda T, a, y: T.nn.functional.cross_entropy(a, y), normal(count, classes),
              below(classes, count))
gradients("cross_entropy with smoothing",
          lambda T, a, y: T.nn.functional.cross_entropy(a, y, label_smoothing=0.1),
          normal(1000, 100), below(100, 1000))
gradients("attention 16x4x128x32",
          lambda T, q, k, v: T.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
          *[normal(16, 4, 128, 32)] * 3)
gradients("max_pool2d 64x32x24x24", lambda T, a: T.nn.functional.max_pool2d(a, 2),
          normal(64, 32, 24, 24))
gradients("avg_pool2d", lambda T, a: T.nn.functional.avg_pool2d(a, 2), normal(8, 64, 28, 28))
gradients("nearest 2x", lambda T, a: T.nn.functional.interpolate(a, scale_factor=2),
          normal(8, 16, 14, 14))
for batch in 1, 10, 64:
    module(f"Linear(784, 128) of {batch}", lambda nn: nn.Linear(784, 128), normal(batch, 784))
module("Linear(128, 512) of 16x128", lambda nn: nn.Linear(128, 512), normal(16, 128, 128))
module("LayerNorm(128) of 2048", lambda nn: nn.LayerNorm(128), normal(2048, 128))
module("GroupNorm(8, 64)", lambda nn: nn.GroupNorm(8, 64), normal(32, 64, 28, 28))
module("BatchNorm1d(128) of 128", lambda nn: nn.BatchNorm1d(128), normal(128, 128))
module("InstanceNorm2d(16)", lambda nn: nn.InstanceNorm2d(16), normal(8, 16, 28, 28))
module("Embedding(65, 128)", lambda nn: nn.Embedding(65, 128), below(65, 16, 128))
module("Conv2d(1, 32, 3) of 64 digits", lambda nn: nn.Conv2d(1, 32, 3), normal(64, 1, 28, 28))
module("Conv2d(32, 64, 3)", lambda nn: nn.Conv2d(32, 64, 3), normal(16, 32, 26, 26))
module("Conv2d(64, 128, 3), stride 2", lambda nn: nn.Conv2d(64, 128, 3, stride=2, padding=1),
       normal(4, 64, 56, 56))
module("Conv2d(64, 64, 3), depthwise", lambda nn: nn.Conv2d(64, 64, 3, padding=1, groups=64),
       normal(8, 64, 56, 56))
module("Conv2d(16, 16, 3), dilated", lambda nn: nn.Conv2d(16, 16, 3, dilation=2, padding=2),
       normal(8, 16, 28, 28))
module("ConvTranspose2d(64, 32, 4)", lambda nn: nn.ConvTranspose2d(64, 32, 4, 2, 1),
       normal(4, 64, 28, 28))
module("Conv1d(64, 64, 3)", lambda nn: nn.Conv1d(64, 64, 3, padding=1), normal(16, 64, 128))
module("RNN(64, 128)", lambda nn: nn.RNN(64, 128, batch_first=True), normal(32, 32, 64))
module("LSTM(64, 128)", lambda nn: nn.LSTM(64, 128, batch_first=True), normal(32, 32, 64))
without("LSTM(64, 128), forward", lambda nn: nn.LSTM(64, 128, batch_first=True),
        normal(32, 32, 64))
without("Conv2d(3, 16, 3) of one picture", lambda nn: nn.Conv2d(3, 16, 3, padding=1),
        normal(1, 3, 32, 32))


# --- models -----------------------------------------------------------------------------------------

def perceptron(nn):
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def block(nn):
    return nn.Sequential(nn.Embedding(65, 128), nn.LayerNorm(128), nn.Linear(128, 512), nn.GELU(),
                         nn.Linear(512, 128), nn.Linear(128, 65))


def exclusive_or(nn):
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())


def convolutional(nn):
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10))


without("perceptron of one digit", perceptron, normal(1, 784))
without("perceptron of 10,000 digits", perceptron, normal(10000, 784))
module("a transformer's layers by position", block, below(65, 16, 64))
steps("training step of a line", lambda nn: nn.Linear(1, 1), normal(100, 1), uniform(100, 1),
      "mse_loss")
steps("training step of exclusive or", exclusive_or, uniform(4, 2), uniform(4, 1),
      "binary_cross_entropy")
for optimizer in "SGD", "Adam":
    steps(f"training step of a perceptron, {optimizer}", perceptron, normal(64, 784),
          below(10, 64), "cross_entropy", optimizer)
steps("training step of a convolutional network", convolutional, normal(64, 1, 28, 28),
      below(10, 64), "cross_entropy", "Adam")

ALL = {**rows.ROWS, **ROWS}
