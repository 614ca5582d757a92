# SPDX-License-Identifier: MIT
"""The rows of `make bench`: one function each, written once for both libraries.

A row takes the library `T` (torch or rustorch) and returns a callable (or, for
what takes less than a microsecond, a Statement) that does the work once and
returns what it computed (for the comparison of results before anything is timed). `work` is (kind, amount): floating point operations
("flop"), bytes read ("read"), bytes read and written ("byte") or bytes of a pass over four
arrays in which three are updated ("update") at the least, for the share of the machine's limit.
"""
import math
import timeit

ROWS = {}


class Statement:
    """An expression timed as `timeit` does, written into the loop: where the work takes tens of
    nanoseconds, calling a function that holds it would be a good part of both libraries' figures."""

    def __init__(self, text, **names):
        self.code = compile(text, "<row>", "eval")
        self.names = names
        self.timer = timeit.Timer(text, globals=names)

    def __call__(self):
        return eval(self.code, self.names)

    def seconds(self, n):
        """Seconds for n evaluations."""
        return self.timer.timeit(n)


def row(name, work=None, tolerance=1e-4, variants=("",), into=ROWS):
    """Registers a row; `variants` are layouts of which each library's best counts."""

    def register(make):
        into[name] = {"make": make, "work": work, "tolerance": tolerance, "variants": variants}
        return make

    return register


def randn(T, *shape, grad=False):
    T.manual_seed(0)
    return T.randn(*shape, requires_grad=grad)


# --- small tensors ------------------------------------------------------------

@row("add 10")
def _(T):
    return Statement("a + b", a=randn(T, 10), b=randn(T, 10))


@row("mul 10 with grad")
def _(T):
    return Statement("a * b", a=randn(T, 10, grad=True), b=randn(T, 10))


@row("view")
def _(T):
    return Statement("a.view(6, 4)", a=randn(T, 4, 6))


@row("slice")
def _(T):
    return Statement("a[1:3]", a=randn(T, 4, 6))


@row("item")
def _(T):
    return Statement("a.item()", a=randn(T, 1))


@row("chain 1000 forward and backward")
def _(T):
    a, b = randn(T, 10, grad=True), T.ones(10)

    def run():
        a.grad = None
        y = a
        for _ in range(1000):
            y = y * b
        y.sum().backward()
        return a.grad

    return run


# --- elementwise ----------------------------------------------------------------

def binary_row(size, text):
    @row(f"add {text}", work=("byte", 12 * size))
    def _(T):
        return Statement("a + b", a=randn(T, size), b=randn(T, size))


for size, text in ((1000, "1e3"), (100_000, "1e5"), (1_000_000, "1e6"), (10_000_000, "1e7")):
    binary_row(size, text)


@row("row broadcast 1000^2", work=("byte", 8e6))
def _(T):
    a, b = randn(T, 1000, 1000), randn(T, 1000)
    return lambda: a * b


@row("column broadcast 1000^2", work=("byte", 8e6))
def _(T):
    a, b = randn(T, 1000, 1000), randn(T, 1000, 1)
    return lambda: a * b


@row("x.T contiguous 1000^2", work=("byte", 8e6))
def _(T):
    a = randn(T, 1000, 1000)
    return lambda: a.T.contiguous()


@row("x + x.T 1000^2", work=("byte", 12e6))
def _(T):
    a = randn(T, 1000, 1000)
    return lambda: a + a.T


def unary_row(name, call):
    @row(f"{name} 1e6", work=("byte", 8e6))
    def _(T):
        a = randn(T, 1_000_000)
        return lambda: call(T, a)


unary_row("exp", lambda T, a: T.exp(a))
unary_row("sigmoid", lambda T, a: T.sigmoid(a))
unary_row("tanh", lambda T, a: T.tanh(a))
unary_row("gelu tanh", lambda T, a: T.nn.functional.gelu(a, approximate="tanh"))
unary_row("gelu erf", lambda T, a: T.nn.functional.gelu(a))


@row("sigmoid(a*b+c) 1e6", work=("byte", 16e6))
def _(T):
    a, b, c = (randn(T, 1_000_000) for _ in range(3))
    return lambda: T.sigmoid(a * b + c)


# --- reductions, softmax, norms, losses --------------------------------------------

def reduce_row(name, call, tolerance=1e-4, kind="read", amount=4e6):
    @row(f"{name} 1000^2", work=(kind, amount), tolerance=tolerance)
    def _(T):
        a = randn(T, 1000, 1000)
        return lambda: call(T, a)


reduce_row("sum", lambda T, a: a.sum(), 1e-3)
reduce_row("sum dim 0", lambda T, a: a.sum(0), 1e-3)
reduce_row("sum dim 1", lambda T, a: a.sum(1), 1e-3)
reduce_row("max dim 1", lambda T, a: a.max(1)[0])
reduce_row("argmax dim 1", lambda T, a: a.argmax(1))
reduce_row("var dim 1", lambda T, a: a.var(1))
reduce_row("softmax dim 1", lambda T, a: T.softmax(a, 1), kind="byte", amount=8e6)
reduce_row("softmax dim 0", lambda T, a: T.softmax(a, 0), kind="byte", amount=8e6)


@row("softmax 4096x50", work=("byte", 2 * 4 * 4096 * 50))
def _(T):
    a = randn(T, 4096, 50)
    return lambda: T.softmax(a, 1)


@row("layer_norm 512x768", work=("byte", 8 * 512 * 768))
def _(T):
    a, w, b = randn(T, 512, 768), T.ones(768), T.zeros(768)
    return lambda: T.nn.functional.layer_norm(a, (768,), w, b)


@row("layer_norm 512x768 with backward")
def _(T):
    a, w, b = randn(T, 512, 768, grad=True), T.ones(768), T.zeros(768)
    g = randn(T, 512, 768)

    def run():
        a.grad = None
        T.nn.functional.layer_norm(a, (768,), w, b).backward(g)
        return a.grad

    return run


@row("cross_entropy 1000^2 with backward")
def _(T):
    a, y = randn(T, 1000, 1000, grad=True), T.arange(1000)

    def run():
        a.grad = None
        T.nn.functional.cross_entropy(a, y).backward()
        return a.grad

    return run


# --- products -------------------------------------------------------------------------

def matmul_row(n):
    @row(f"matmul {n}", work=("flop", 2 * n ** 3), tolerance=1e-2)
    def _(T):
        return Statement("a @ b", a=randn(T, n, n), b=randn(T, n, n))


for n in (16, 64, 256, 512, 1024, 2048):
    matmul_row(n)


@row("linear 512x768->3072", work=("flop", 2 * 512 * 768 * 3072), tolerance=1e-2)
def _(T):
    x, w, b = randn(T, 512, 768), randn(T, 3072, 768), randn(T, 3072)
    return lambda: T.nn.functional.linear(x, w, b)


@row("gemv 1024^2", work=("read", 4 * 1024 ** 2), tolerance=1e-2)
def _(T):
    a, v = randn(T, 1024, 1024), randn(T, 1024)
    return lambda: a @ v


# --- convolution, pooling, gathering, sorting, random -----------------------------------

def conv_row(text, n, c, o, size, k, padding, backward=False):
    flop = 2 * n * o * (size + 2 * padding - k + 1) ** 2 * c * k * k * (3 if backward else 1)

    @row(f"conv {text}", work=("flop", flop), tolerance=1e-2, variants=("nchw", "nhwc"))
    def _(T, layout="nchw"):
        x, w = randn(T, n, c, size, size, grad=backward), randn(T, o, c, k, k, grad=backward)
        if layout == "nhwc":
            if T.__name__ != "torch":
                return None
            x = x.detach().to(memory_format=T.channels_last).requires_grad_(backward)
            w = w.detach().to(memory_format=T.channels_last).requires_grad_(backward)
        if not backward:
            return lambda: T.nn.functional.conv2d(x, w, padding=padding)

        def run():
            x.grad = w.grad = None
            T.nn.functional.conv2d(x, w, padding=padding).sum().backward()
            return w.grad

        return run


conv_row("3x3 64@56", 8, 64, 64, 56, 3, 1)
conv_row("3x3 128@28", 8, 128, 128, 28, 3, 1)
conv_row("3x3 256@14", 8, 256, 256, 14, 3, 1)
conv_row("3x3 512@7", 8, 512, 512, 7, 3, 1)
conv_row("1x1 64->256@56", 8, 64, 256, 56, 1, 0)
conv_row("5x5 1->6@28", 64, 1, 6, 28, 5, 0)
conv_row("3x3 64@56 forward and backward", 8, 64, 64, 56, 3, 1, backward=True)


def layer_row(text, build, *shape, backward=False, tolerance=1e-2):
    """A layer with its own parameters; `backward`: all gradients, of the input too."""

    @row(text + (" forward and backward" if backward else ""), tolerance=tolerance)
    def _(T):
        T.manual_seed(0)
        layer, x = build(T.nn), randn(T, *shape, grad=backward)
        params = list(layer.parameters())
        if not backward:
            def forward():
                with T.no_grad():
                    return layer(x)

            return forward

        def result():
            y = layer(x)
            return y[0] if isinstance(y, tuple) else y

        g = randn(T, *result().shape)

        def run():
            x.grad = None
            for p in params:
                p.grad = None
            result().backward(g)
            return x.grad

        return run


layer_row("conv 3x3 stride 2 64->128@56", lambda nn: nn.Conv2d(64, 128, 3, stride=2, padding=1),
          8, 64, 56, 56, backward=True)
layer_row("conv 7x7 stride 2 3->64@112", lambda nn: nn.Conv2d(3, 64, 7, stride=2, padding=3),
          8, 3, 112, 112)
layer_row("conv 1x1 64->64@56", lambda nn: nn.Conv2d(64, 64, 1), 8, 64, 56, 56, backward=True)
layer_row("conv 3x3 depthwise 64@56", lambda nn: nn.Conv2d(64, 64, 3, padding=1, groups=64),
          8, 64, 56, 56, backward=True)
layer_row("conv_transpose 4x4 stride 2 64->32@28",
          lambda nn: nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), 8, 64, 28, 28)
layer_row("LSTM 64->128, 50 steps of 32", lambda nn: nn.LSTM(64, 128), 50, 32, 64, backward=True)
layer_row("GRU 64->128, 50 steps of 32", lambda nn: nn.GRU(64, 128), 50, 32, 64, backward=True)
layer_row("batch_norm 32x64x28^2", lambda nn: nn.BatchNorm2d(64), 32, 64, 28, 28, backward=True)

layer_row("group_norm 32x64x28^2, 8 groups", lambda nn: nn.GroupNorm(8, 64), 32, 64, 28, 28,
          backward=True)


@row("bmm 1000 x 8^3")
def _(T):
    a, b = randn(T, 1000, 8, 8), randn(T, 1000, 8, 8)
    return lambda: T.bmm(a, b)


@row("attention 2x8x512x64", work=("flop", 4 * 16 * 512 * 512 * 64))
def _(T):
    q, k, v = (randn(T, 2, 8, 512, 64) for _ in range(3))
    return lambda: T.nn.functional.scaled_dot_product_attention(q, k, v)


@row("max_pool2d 8x64x56^2", work=("byte", 5 * 8 * 64 * 56 * 56))
def _(T):
    a = randn(T, 8, 64, 56, 56)
    return lambda: T.nn.functional.max_pool2d(a, 2)


@row("embedding 4096x768 forward and backward")
def _(T):
    w = randn(T, 50257, 768, grad=True)
    T.manual_seed(1)
    i = T.randint(0, 50257, (4096,))

    def run():
        w.grad = None
        T.nn.functional.embedding(i, w).sum().backward()
        return w.grad[0]

    return run


@row("x[idx] 1e6")
def _(T):
    a = randn(T, 1_000_000)
    i = T.randint(0, 1_000_000, (1_000_000,))
    return lambda: a[i]


@row("randn 1e6")
def _(T):
    T.manual_seed(0)
    return lambda: T.randn(1_000_000)


@row("sort 1e6")
def _(T):
    a = randn(T, 1_000_000)
    return lambda: T.sort(a)[0]


# --- optimizers and training steps ------------------------------------------------------

def adam_row(text, count, *shape):
    elements = count * math.prod(shape)

    @row(f"Adam {text}", work=("update", 28 * elements))
    def _(T):
        params = [randn(T, *shape, grad=True) for _ in range(count)]
        for p in params:
            p.grad = T.ones(*shape)
        extra = {"fused": True} if T.__name__ == "torch" else {}
        opt = T.optim.Adam(params, lr=1e-3, **extra)

        def run():
            opt.step()
            return params[0]

        return run


adam_row("1e6", 1, 1_000_000)
adam_row("100 of 100x100", 100, 100, 100)


def step_row(text, build, x_shape):
    @row(f"training step {text}", tolerance=1e-2)
    def _(T):
        T.manual_seed(0)
        net = build(T.nn)
        opt = T.optim.SGD(net.parameters(), lr=0.01)
        loss_of = T.nn.CrossEntropyLoss()
        x, y = randn(T, *x_shape), T.arange(x_shape[0]) % 10

        def run():
            opt.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            opt.step()
            return loss

        return run


step_row("MLP 784-128-10", lambda nn: nn.Sequential(
    nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (64, 784))
step_row("LeNet-5", lambda nn: nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
    nn.ReLU(), nn.Linear(84, 10)), (64, 1, 28, 28))
