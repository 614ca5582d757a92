# SPDX-License-Identifier: MIT
"""Modules, optimizers, schedules, data and files against PyTorch's behaviour."""
import copy
import gc
import io
import pickle

import numpy as np
import pytest

import rustorch
from rustorch import _C


def layer_samples():
    """Constructor and input of every layer of the catalog."""
    x = [("randn", (4, 6))]
    images = [("randn", (2, 4, 8, 8))]
    table = {n: ((), {}, x) for n in """Identity ReLU ReLU6 LeakyReLU PReLU ELU SELU SiLU Mish
             GELU Softplus Hardtanh Tanh Sigmoid LogSigmoid Flatten""".split()}
    table.update({
        "Linear": ((6, 3), {}, x), "Bilinear": ((6, 5, 3), {}, x + [("randn", (4, 5))]),
        "Embedding": ((10, 3), {}, [("randint", (10, (2, 5)))]),
        "Softmax": ((1,), {}, x), "LogSoftmax": ((), {"dim": 1}, x),
        "Dropout": ((0.3,), {}, x), "Unflatten": ((1, (2, 3)), {}, x),
        "LayerNorm": ((6,), {}, x), "GroupNorm": ((2, 4), {}, images),
        "BatchNorm1d": ((6,), {}, x), "BatchNorm2d": ((4,), {}, images),
        "Conv2d": ((4, 6, 3), {"padding": 1, "stride": 2}, images),
        "MaxPool2d": ((2,), {}, images), "AvgPool2d": ((2,), {}, images),
        "RNN": ((6, 5, 2), {}, [("randn", (3, 2, 6))]),
        "GRU": ((6, 5), {"batch_first": True}, [("randn", (3, 2, 6))]),
        "LSTM": ((6, 5, 2), {"bidirectional": True}, [("randn", (3, 2, 6))]),
        "CrossEntropyLoss": ((), {}, x + [("randint", (6, (4,)))]),
        "NLLLoss": ((), {}, x + [("randint", (6, (4,)))]),
        "BCELoss": ((), {}, [("rand", (4,)), ("rand", (4,))]),
        "BCEWithLogitsLoss": ((), {}, [("randn", (4,)), ("rand", (4,))]),
    })
    rows = [("randn", (2, 4, 9))]
    table.update({
        "Dropout1d": ((0.4,), {}, rows), "Dropout2d": ((0.4,), {}, images),
        "RMSNorm": ((6,), {}, x), "InstanceNorm1d": ((4,), {"affine": True}, rows),
        "InstanceNorm2d": ((4,), {}, images), "Conv1d": ((4, 6, 3), {"padding": 1}, rows),
        "ConvTranspose2d": ((4, 6, 3), {"stride": 2, "output_padding": 1}, images),
        "MaxPool1d": ((3,), {}, rows), "AvgPool1d": ((3,), {}, rows),
        "AdaptiveAvgPool2d": ((3,), {}, images),
    })
    for n in "MSELoss L1Loss SmoothL1Loss KLDivLoss".split():
        table[n] = ((), {"reduction": "sum"}, x + [("rand", (4, 6))])
    return table


LAYERS = layer_samples()
CONTAINERS = {"Sequential", "ModuleList"}


def test_every_layer_row_has_a_sample():
    assert {r["name"] for r in _C._layer_rows()} - CONTAINERS - set(LAYERS) <= set()


def outputs(result):
    return [t for r in result for t in outputs(r)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_layer_draws_computes_and_differentiates_as_pytorchs(torch, name):
    args, kwargs, inputs = LAYERS[name]
    seen = []
    for library in (torch, rustorch):
        library.manual_seed(5)
        layer = getattr(library.nn, name)(*args, **kwargs)
        given = [getattr(library, f)(*a) for f, a in inputs]
        results = outputs(layer(*given))
        total = sum((r.sum() * (i + 1) for i, r in enumerate(results)), library.zeros(()))
        if total.requires_grad:
            total.backward()
        seen.append([results, list(layer.named_parameters()), list(layer.named_buffers()),
                     repr(layer)])
    (r1, p1, b1, shown1), (r2, p2, b2, shown2) = seen
    assert len(r1) == len(r2) and shown1 == shown2
    for a, b in zip(r1, r2):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=2e-5, atol=1e-5)
    assert [n for n, _ in p1] == [n for n, _ in p2] and [n for n, _ in b1] == [n for n, _ in b2]
    for (_, a), (_, b) in zip(p1, p2):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6)
        np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=1e-4, atol=1e-4)


class Net(rustorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = rustorch.nn.Linear(4, 5)
        self.rest = rustorch.nn.ModuleList([rustorch.nn.Linear(5, 5), rustorch.nn.Dropout(0.5)])
        self.scale = rustorch.nn.Parameter(rustorch.ones(1))
        self.register_buffer("steps", rustorch.zeros(1))
        self.register_buffer("scratch", rustorch.zeros(1), persistent=False)

    def forward(self, x, times=1):
        for _ in range(times):
            x = self.first(x) if x.shape[-1] == 4 else x
        for layer in self.rest:
            x = layer(x)
        return x * self.scale


def test_attributes_register():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "rest.0.weight", "rest.0.bias"]
    assert list(net.state_dict()) == ["scale", "steps", "first.weight", "first.bias",
                                      "rest.0.weight", "rest.0.bias"]
    assert [n for n, _ in net.named_children()] == ["first", "rest"]
    assert net.first.in_features == 4 and net(rustorch.ones(2, 4), times=2).shape == (2, 5)
    net.first = rustorch.nn.Identity()
    assert "first.weight" not in net.state_dict()
    del net.scale
    with pytest.raises(AttributeError):
        net.scale
    with pytest.raises(TypeError, match="Parameter"):
        net.rest[0].weight = 3
    with pytest.raises(TypeError):
        net._parameters["x"] = None


def test_buffers_may_be_assigned_as_objects():
    net = rustorch.nn.Module()
    net.seen = rustorch.nn.Buffer(rustorch.ones(1))
    net.cache = rustorch.nn.Buffer(rustorch.ones(1), persistent=False)
    assert [n for n, _ in net.named_buffers()] == ["seen", "cache"]
    assert list(net.state_dict()) == ["seen"]


def test_modes_hooks_and_apply():
    net = Net()
    assert net.training and net.eval() is net and not net.rest[1].training
    net.train()
    seen = []
    handle = net.first.register_forward_hook(lambda m, a, out: seen.append(out.shape))
    pre = net.register_forward_pre_hook(lambda m, a: (a[0] * 0,))
    out = net.eval()(rustorch.ones(2, 4))
    assert seen == [[2, 5]] and out.shape == (2, 5)
    handle.remove()
    pre.remove()
    net(rustorch.ones(2, 4))
    assert len(seen) == 1
    inside = rustorch.nn.Sequential(rustorch.nn.Linear(2, 2), rustorch.nn.ReLU())
    inside[0].register_forward_hook(lambda m, a, out: out * 0 - 1)
    assert inside(rustorch.ones(1, 2)).tolist() == [[0, 0]]
    names = []
    net.apply(lambda m: names.append(type(m).__name__))
    assert names == ["Linear", "Linear", "Dropout", "ModuleList", "Net"]


def test_a_python_module_runs_inside_a_sequential_of_the_runtime():
    class Twice(rustorch.nn.Module):
        def forward(self, x):
            return x * 2

    class Shifted(rustorch.nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    model = rustorch.nn.Sequential(Shifted(2, 2), Twice())
    x = rustorch.ones(1, 2)
    want = (x @ model[0].weight.T + model[0].bias + 1) * 2
    assert rustorch.allclose(model(x), want)
    model(x).sum().backward()
    assert model[0].weight.grad is not None

    class Broken(rustorch.nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        rustorch.nn.Sequential(rustorch.nn.ReLU(), Broken())(x)
    with pytest.raises(NotImplementedError):
        rustorch.nn.Module()(x)


def test_copies_and_pickles_of_models_are_whole_and_draw_nothing():
    net = Net()
    rustorch.manual_seed(1)
    twin = copy.deepcopy(net)
    assert rustorch.rand(1).item() == (rustorch.manual_seed(1) and rustorch.rand(1).item())
    x = rustorch.ones(2, 4)
    assert rustorch.equal(twin.eval()(x), net.eval()(x))
    twin.first.weight.data.zero_()
    assert not rustorch.equal(twin(x), net(x))
    layer = rustorch.nn.Conv2d(3, 4, 3, padding=1)
    again = pickle.loads(pickle.dumps(layer))
    assert repr(again) == repr(layer) and rustorch.equal(again.weight, layer.weight)
    model = rustorch.nn.Sequential(rustorch.nn.Linear(2, 3), rustorch.nn.ReLU())
    assert repr(copy.deepcopy(model)) == repr(model)
    assert len(rustorch.nn.Sequential()) == 0 and len(rustorch.nn.ModuleList()) == 0
    assert [type(m).__name__ for m in model[:1]] == ["Linear"] and model[-1] is model[1]


def test_state_dicts_are_strict_unless_told_otherwise():
    a, b = Net(), Net()
    assert str(b.load_state_dict(a.state_dict())) == "<All keys matched successfully>"
    assert rustorch.equal(a.first.weight, b.first.weight)
    state = a.state_dict()
    del state["scale"]
    state["extra"] = rustorch.ones(1)
    state["first.weight"] = rustorch.ones(5, 4)
    with pytest.raises(rustorch.RusTorchError, match="extra.*scale"):
        b.load_state_dict(state)
    assert rustorch.equal(a.first.weight, b.first.weight)      # nothing was copied
    result = b.load_state_dict(state, strict=False)
    assert result.missing_keys == ["scale"] and result.unexpected_keys == ["extra"]
    with pytest.raises(rustorch.RusTorchError, match=r"\[5, 4\]"):
        b.load_state_dict({**a.state_dict(), "first.weight": rustorch.ones(2, 2)})


def test_conversion_of_a_model():
    net = Net().double()
    assert net.first.weight.dtype is rustorch.float64 and net.to("cpu") is net
    p = net.first.weight
    net.float()
    assert net.first.weight is p and p.dtype is rustorch.float32


# --- optimizers and schedules ----------------------------------------------------------------

OPTIMIZERS = [("SGD", dict(lr=0.1)), ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
              ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01)),
              ("Adam", dict(lr=0.01)), ("Adam", dict(lr=0.01, amsgrad=True, weight_decay=0.1)),
              ("AdamW", dict(lr=0.01, betas=(0.8, 0.99))), ("RMSprop", dict(lr=0.01)),
              ("RMSprop", dict(lr=0.01, momentum=0.5, centered=True)), ("Adagrad", dict(lr=0.1))]


def train(library, name, options, steps=8, resume=None):
    library.manual_seed(2)
    model = library.nn.Linear(4, 2)
    optimizer = getattr(library.optim, name)(
        [{"params": [model.weight]}, {"params": [model.bias], "lr": options["lr"] / 2}], **options)
    for step in range(steps):
        optimizer.zero_grad()
        x = library.randn(6, 4)
        ((model(x) - x[:, :2]) ** 2).mean().backward()
        optimizer.step()
        if step == 3:
            optimizer.param_groups[0]["lr"] *= 0.5
            if resume:
                optimizer = resume(optimizer, model)
    return model


@pytest.mark.parametrize("name,options", OPTIMIZERS, ids=[f"{n}-{i}" for i, (n, _) in
                                                          enumerate(OPTIMIZERS)])
def test_an_optimizer_steps_as_pytorchs(torch, name, options):
    ours, theirs = train(rustorch, name, options), train(torch, name, options)
    for a, b in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_an_option_set_in_whatever_way_counts_at_the_next_step():
    p = rustorch.zeros(1, requires_grad=True)
    q = rustorch.zeros(1, requires_grad=True)
    optimizer = rustorch.optim.SGD([p], lr=1.0)
    group = optimizer.param_groups[0]

    def moved():
        p.grad = q.grad = rustorch.ones(1)
        before = p.item(), q.item()
        optimizer.step()
        return before[0] - p.item(), before[1] - q.item()

    assert moved() == moved() == (1, 0)
    group["lr"] = 0.5
    assert moved() == moved() == (0.5, 0)
    group["mine"] = object()
    assert moved() == (0.5, 0)
    group["lr"] = float("0.25")
    assert moved() == (0.25, 0)
    optimizer.add_param_group({"params": [q], "lr": 2.0})
    assert moved() == moved() == (0.25, 2)
    optimizer.param_groups[1]["lr"] = 4.0
    del group["mine"]
    assert moved() == (0.25, 4)
    with pytest.raises(rustorch.RustorchError):
        group["lr"] = "fast"
        optimizer.step()
    assert (p.item(), q.item()) == (-4.5, -8)
    group["lr"] = 1.0
    rustorch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5).step()
    assert moved() == (0.5, 2)
    optimizer.param_groups = [dict(g, lr=0.125) for g in optimizer.param_groups]
    assert moved() == moved() == (0.125, 0.125)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_an_optimizer_goes_on_from_its_state_dict(name):
    options = dict(lr=0.05, momentum=0.9) if name == "SGD" else dict(lr=0.05)

    def resume(optimizer, model):
        state = pickle.loads(pickle.dumps(optimizer.state_dict()))
        again = getattr(rustorch.optim, name)(
            [{"params": [model.weight]}, {"params": [model.bias]}], lr=1.0)
        again.load_state_dict(state)
        return again
    plain, resumed = train(rustorch, name, options), train(rustorch, name, options, resume=resume)
    for a, b in zip(plain.parameters(), resumed.parameters()):
        assert rustorch.equal(a, b)


def test_an_optimizer_refuses_what_it_cannot_train():
    w = rustorch.ones(2, requires_grad=True)
    with pytest.raises(ValueError):
        rustorch.optim.SGD([], lr=0.1)
    with pytest.raises(TypeError, match="learning_rate"):
        rustorch.optim.SGD([w], learning_rate=0.1)
    with pytest.raises(rustorch.RusTorchError):
        rustorch.optim.SGD([w * 2], lr=0.1)
    with pytest.raises(rustorch.RusTorchError):
        rustorch.optim.Adam([w], lr=-1.0)
    assert "lr: 0.1" in repr(rustorch.optim.SGD([w], lr=0.1))


def test_a_python_optimizer_and_closures():
    class Plain(rustorch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with rustorch.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.add_(p.grad, alpha=-group["lr"])
    w = rustorch.tensor([1.0], requires_grad=True)
    optimizer = Plain([w], 0.5)
    (w * 2).sum().backward()
    optimizer.step()
    assert w.item() == 0.0
    sgd = rustorch.optim.SGD([w], lr=1.0)

    def closure():
        sgd.zero_grad()
        loss = (w - 3).square().sum()
        loss.backward()
        return loss
    assert sgd.step(closure).item() == 9.0 and w.item() == 6.0


SCHEDULES = [("StepLR", dict(step_size=3, gamma=0.5)), ("MultiStepLR", dict(milestones=[2, 5])),
             ("ExponentialLR", dict(gamma=0.9)), ("CosineAnnealingLR", dict(T_max=6)),
             ("LinearLR", dict(total_iters=4)), ("ConstantLR", dict(factor=0.5, total_iters=3)),
             ("PolynomialLR", dict(total_iters=5, power=2.0)),
             ("OneCycleLR", dict(max_lr=0.5, total_steps=12)),
             ("LambdaLR", dict(lr_lambda=lambda e: 0.9 ** e)),
             ("MultiplicativeLR", dict(lr_lambda=lambda e: 0.8)),
             ("ReduceLROnPlateau", dict(patience=1)),
             ("ReduceLROnPlateau", dict(patience=2, cooldown=2)), ("SequentialLR", {})]


@pytest.mark.parametrize("name,options", SCHEDULES, ids=[n for n, _ in SCHEDULES])
def test_a_schedule_gives_pytorchs_rates(torch, name, options):
    def rates(library):
        w = library.ones(1, requires_grad=True)
        optimizer = library.optim.SGD([w], lr=0.1)
        if name == "SequentialLR":
            parts = [library.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=3),
                     library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)]
            schedule = library.optim.lr_scheduler.SequentialLR(optimizer, parts, [4])
        else:
            schedule = getattr(library.optim.lr_scheduler, name)(optimizer, **options)
        out = []
        for i in range(10):
            out.append(optimizer.param_groups[0]["lr"])
            w.grad = library.ones(1)
            optimizer.step()
            schedule.step(*([[3, 2, 2, 2, 2, 2, 2, 2, 2, 2][i]] if "Plateau" in name else []))
        return out
    np.testing.assert_allclose(rates(rustorch), rates(torch), rtol=1e-6)


@pytest.mark.parametrize("name,options", SCHEDULES, ids=[n for n, _ in SCHEDULES])
def test_a_schedule_goes_on_from_its_state_as_pytorchs_does(torch, name, options):
    def rates(library):
        def make():
            w = library.ones(1, requires_grad=True)
            optimizer = library.optim.SGD([w], lr=0.1)
            if name == "SequentialLR":
                parts = [library.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
                         library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)]
                return optimizer, library.optim.lr_scheduler.SequentialLR(optimizer, parts, [2])
            return optimizer, getattr(library.optim.lr_scheduler, name)(optimizer, **options)

        optimizer, schedule = make()
        out = []
        for i in range(10):
            out.append(optimizer.param_groups[0]["lr"])
            schedule.step(*([[3, 2, 2, 2, 2, 2, 2, 2, 2, 2][i]] if "Plateau" in name else []))
            if i in (1, 4):
                states = optimizer.state_dict(), schedule.state_dict()
                optimizer, schedule = make()
                optimizer.load_state_dict(states[0])
                schedule.load_state_dict(states[1])
        return out
    np.testing.assert_allclose(rates(rustorch), rates(torch), rtol=1e-6)


# --- data ---------------------------------------------------------------------------------------

def batches(library, **options):
    library.manual_seed(4)
    data = library.utils.data.TensorDataset(library.arange(23).float(), library.arange(23))
    loader = library.utils.data.DataLoader(data, **options)
    return [[t.tolist() for t in b] for _ in range(2) for b in loader]


@pytest.mark.parametrize("options", [dict(), dict(batch_size=5), dict(batch_size=5, shuffle=True),
                                     dict(batch_size=5, shuffle=True, drop_last=True)])
def test_a_loader_gives_pytorchs_batches(torch, options):
    assert batches(rustorch, **options) == batches(torch, **options)


def test_workers_and_python_data_sets_change_no_result(torch):
    want = batches(torch, batch_size=4, shuffle=True)
    assert batches(rustorch, batch_size=4, shuffle=True, num_workers=3) == want

    class Squares(rustorch.utils.data.Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, i):
            return {"x": np.float32(i), "y": i * i, "name": str(i)}
    for workers in (0, 3):
        loader = rustorch.utils.data.DataLoader(Squares(), batch_size=4, num_workers=workers)
        got = list(loader)
        assert [b["y"].tolist() for b in got] == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]
        assert got[0]["name"] == ["0", "1", "2", "3"] and got[0]["x"].dtype is rustorch.float32


def test_an_error_in_a_data_set_reaches_the_loop():
    class Bad(rustorch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            raise ZeroDivisionError("in the data set")
    for workers in (0, 2):
        with pytest.raises(ZeroDivisionError, match="in the data set"):
            list(rustorch.utils.data.DataLoader(Bad(), batch_size=2, num_workers=workers))


def test_random_split_and_samplers_are_pytorchs(torch):
    def draw(library):
        library.manual_seed(8)
        d = library.utils.data
        parts = d.random_split(list(range(20)), [0.75, 0.25])
        weighted = d.WeightedRandomSampler([0.1, 0.9, 0.4], 8)
        return [list(p.indices) for p in parts], list(weighted), list(
            d.RandomSampler(range(7))), list(d.SubsetRandomSampler([3, 5, 9]))
    assert draw(rustorch) == draw(torch)


def test_collate_fn_and_iterable_data():
    class Stream(rustorch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(5))
    assert [b.tolist() for b in rustorch.utils.data.DataLoader(Stream(), batch_size=2)] == [
        [0, 1], [2, 3], [4]]
    loader = rustorch.utils.data.DataLoader([1, 2, 3], batch_size=2, collate_fn=sum)
    assert list(loader) == [3, 3]


# --- files ----------------------------------------------------------------------------------------

def test_models_states_and_objects_go_through_files(tmp_path):
    model = rustorch.nn.Sequential(rustorch.nn.Linear(3, 4), rustorch.nn.ReLU())
    x = rustorch.ones(2, 3)
    rustorch.save(model, tmp_path / "model.rustorch")
    again = rustorch.load(tmp_path / "model.rustorch")
    assert repr(again) == repr(model) and rustorch.equal(again(x), model(x))
    rustorch.save(model.state_dict(), tmp_path / "state.rustorch")
    model.load_state_dict(rustorch.load(tmp_path / "state.rustorch"))
    checkpoint = {"epoch": 3, "model": Net().state_dict(), "losses": [0.5, 0.25]}
    rustorch.save(checkpoint, tmp_path / "checkpoint.pt")
    back = rustorch.load(tmp_path / "checkpoint.pt")
    assert back["epoch"] == 3 and list(back["model"]) == list(checkpoint["model"])
    stream = io.BytesIO()
    rustorch.save([rustorch.ones(2)], stream)
    stream.seek(0)
    assert rustorch.load(stream)[0].tolist() == [1, 1]


def test_bad_files_are_refused(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(OSError):
        rustorch.load(path)
    path.write_bytes(b"not a file of ours at all")
    with pytest.raises(rustorch.errors.FormatError):
        rustorch.load(path)
    rustorch.save(Net(), path)               # a Python class: pickled
    with pytest.raises(rustorch.errors.FormatError, match="weights_only"):
        rustorch.load(path)
    assert isinstance(rustorch.load(path, weights_only=False), Net)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(rustorch.errors.FormatError):
        rustorch.load(path, weights_only=False)


def test_modules_do_not_leak():
    gc.collect()
    before = _C.memory_stats()["allocated"]
    for _ in range(20):
        model = rustorch.nn.Sequential(rustorch.nn.Linear(100, 100), rustorch.nn.Tanh())
        optimizer = rustorch.optim.Adam(model.parameters(), lr=0.1)
        model(rustorch.ones(3, 100)).sum().backward()
        optimizer.step()
    del model, optimizer
    gc.collect()
    assert _C.memory_stats()["allocated"] <= before + 100_000


def test_models_convert_to_pytorch_and_back(torch):
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=1, bias=False), torch.nn.BatchNorm2d(3), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(48, 5)).eval()
    x = torch.randn(2, 1, 8, 8)
    ours = rustorch.interop.from_pytorch(theirs)
    np.testing.assert_allclose(ours(rustorch.from_torch(x)).numpy(), theirs(x).detach().numpy(),
                               rtol=1e-5, atol=1e-6)
    back = rustorch.interop.to_pytorch(ours)
    assert repr(back) == repr(theirs) and torch.equal(back(x), theirs(x))

    class Own(torch.nn.Module):
        pass
    with pytest.raises(rustorch.errors.UnsupportedError, match="Own"):
        rustorch.interop.from_pytorch(Own())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, groups", [((5, 6, 13, 11), 3), ((4, 6), 2), ((1, 6, 70, 1000), 2),
                                           ((3, 6, 7), 6)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norms_gradients_in_one_pass_are_those_of_the_formula(rt, dtype, shape, groups,
                                                                    affine):
    rt.manual_seed(0)
    dtype = getattr(rt, dtype)
    x = (rt.randn(*shape, dtype=dtype) * 3 + 2).requires_grad_()
    w, b = (rt.randn(6, dtype=dtype).requires_grad_() for _ in range(2)) if affine else (None, None)
    g = rt.randn(*shape, dtype=dtype)
    leaves = [t for t in (x, w, b) if t is not None]

    def gradients(x=x, **how):
        y = rt.nn.functional.group_norm(x, groups, w, b)
        return rt.autograd.grad(y, leaves, g, **how)

    want, once = gradients(create_graph=True), gradients()
    apart = gradients(x.transpose(0, 1).contiguous().transpose(0, 1))
    for a, c, d in zip(once, apart, want):
        size = max(1.0, d.detach().abs().max().item())
        near = 2e-5 if dtype is rt.float32 else 1e-12
        assert rt.allclose(a, d.detach(), rtol=0, atol=near * size)
        assert rt.allclose(c, d.detach(), rtol=0, atol=near * size)
    x.data[0, 3] = float("nan")
    hurt = gradients()[0].isnan().reshape(shape[0], groups, -1).any(2)
    assert hurt.tolist() == [[i == 0 and k == 3 * groups // 6 for k in range(groups)]
                             for i in range(shape[0])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norms_gradients_in_one_pass_are_those_of_the_formula(rt, dtype, training, affine):
    rt.manual_seed(0)
    dtype = getattr(rt, dtype)
    x = (rt.randn(5, 7, 13, 11, dtype=dtype) * 3 + 2).requires_grad_()
    w, b = (rt.randn(7, dtype=dtype).requires_grad_() for _ in range(2)) if affine else (None, None)
    g = rt.randn(5, 7, 13, 11, dtype=dtype)
    mean, var = rt.randn(7, dtype=dtype), rt.rand(7, dtype=dtype) + 1
    leaves = [t for t in (x, w, b) if t is not None]

    def gradients(**how):
        y = rt.nn.functional.batch_norm(x, mean.clone(), var.clone(), w, b, training)
        return rt.autograd.grad(y, leaves, g, **how)

    want = gradients(create_graph=True)
    before = rt.get_num_threads()
    rt.set_num_threads(1)
    once = gradients()
    rt.set_num_threads(3)
    again = gradients()
    rt.set_num_threads(before)
    for a, c, d in zip(once, again, want):
        assert a.tolist() == c.tolist()
        assert rt.allclose(a, d.detach(), rtol=1e-4, atol=2e-4 if dtype is rt.float32 else 1e-9)
    x.data[0, 3, 0, 0] = float("nan")
    hurt = gradients()[0]
    assert hurt.isnan().any((0, 2, 3)).tolist() == [training and c == 3 for c in range(7)]
