# SPDX-License-Identifier: MIT
"""Tensor as a Python object: identity, life, indexing, sharing, errors."""
import copy
import gc
import pickle
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest


# --- identity and life --------------------------------------------------------------

def test_a_c_tensor_has_one_python_object(rt):
    x = rt.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad is x.grad
    y = (x * 2).exp()
    assert y.grad_fn.next_functions[0][0].next_functions[0][0].variable is x


def test_attributes_survive_while_c_holds_the_tensor(rt):
    x = rt.tensor([1.0], requires_grad=True)
    x.sum().backward()
    x.grad.note = "kept"
    gc.collect()
    assert x.grad.note == "kept"
    assert x.grad.note == "kept"        # turned over more than once


def test_a_subclass_survives_in_a_module(rt):
    class Special(rt.nn.Parameter):
        pass
    layer = rt.nn.Linear(2, 2)
    layer.weight = Special(rt.zeros(2, 2))
    layer.weight.tag = 5
    gc.collect()
    assert type(layer.weight) is Special and layer.weight.tag == 5


def test_tensors_die_with_their_last_reference(rt):
    before = rt._C.memory_stats()["allocated"]
    for _ in range(50):
        x = rt.randn(100, 100)
        y = (x.requires_grad_() * 2).sum()
        y.backward()
    ref = weakref.ref(y)
    del x, y
    gc.collect()
    assert ref() is None
    assert rt._C.memory_stats()["allocated"] <= before + 200_000


def test_a_cycle_through_an_attribute_is_collected(rt):
    x = rt.zeros(3)
    x.me = x
    ref = weakref.ref(x)
    del x
    gc.collect()
    assert ref() is None


def test_a_model_in_a_cycle_is_collected(rt):
    model = rt.nn.Sequential(rt.nn.Linear(2, 2))
    model.owner = [model]
    model[0].parent = [model]
    ref = weakref.ref(model)
    del model
    gc.collect()
    assert ref() is None


def test_calls_leave_no_references_behind(rt):
    a, b = rt.ones(3), rt.ones(3)
    for f in (lambda: a + b, lambda: a[0], lambda: a.sum(), lambda: rt.cat([a, b]),
              lambda: a.max(0), lambda: a.tolist(), lambda: a.shape, lambda: a.reshape(3, 1)):
        f()
        before = sys.getrefcount(a), sys.getrefcount(b)
        for _ in range(20):
            f()
        assert (sys.getrefcount(a), sys.getrefcount(b)) == before


def test_hash_is_identity_and_equality_is_elementwise(rt):
    a = rt.ones(2)
    assert hash(a) == hash(a) and {a: 1}[a] == 1
    assert (a == a).all() and a in [a]
    assert (a != 1).any().item() is False


# --- numbers, indexing, printing ------------------------------------------------------

def test_one_element_tensors_are_numbers(rt):
    assert float(rt.tensor(2.5)) == 2.5 and int(rt.tensor([7])) == 7
    assert [10, 20][rt.tensor(1)] == 20
    assert bool(rt.tensor([0])) is False
    with pytest.raises(rt.RusTorchError, match="any"):
        bool(rt.ones(2))
    with pytest.raises(TypeError):
        [1][rt.tensor(0.0)]
    assert f"{rt.tensor(1.23456):.2f}" == "1.23"


def test_shape_is_a_tuple_a_call_and_prints_as_a_list(rt):
    x = rt.zeros(2, 3)
    assert x.shape == (2, 3) == x.shape() and x.shape == [2, 3] and str(x.shape) == "[2, 3]"
    assert x.shape[1:] == (3,) and type(x.shape[1:]) is rt.Size and x.size(-1) == 3
    assert hash(x.shape) == hash((2, 3)) and x.shape.numel() == 6
    rows, columns = x.shape
    assert (rows, columns) == (2, 3)


INDICES = [0, -1, slice(1, None), slice(None, None, 2), None, ..., (0, 1), (slice(None), 1),
           (..., 0), (0, ..., None), [0, 2], ([0, 1], [1, 2]), (slice(None), [0, 2]),
           np.array([1, 0]), np.array([True, False, True]), (None, 0, slice(1, 3)), True, False,
           np.int64(2)]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_reading_by_index_is_numpys(rt, index):
    a = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    np.testing.assert_array_equal(rt.from_numpy(a)[index].numpy(), a[index])


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_writing_by_index_is_numpys(rt, index):
    a = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    t = rt.from_numpy(a.copy())
    t[index] = -1.0
    a[index] = -1.0
    np.testing.assert_array_equal(t.numpy(), a)


def test_indexing_by_tensors_and_iteration(rt):
    t = rt.arange(6).reshape(3, 2)
    assert t[t > 2].tolist() == [3, 4, 5] and t[rt.tensor([2, 0])].tolist() == [[4, 5], [0, 1]]
    assert [r.tolist() for r in t] == [[0, 1], [2, 3], [4, 5]] and len(t) == 3
    a, b = rt.tensor([1, 2])
    assert (a.item(), b.item()) == (1, 2)
    with pytest.raises(IndexError):
        t[3]
    with pytest.raises(TypeError):
        len(rt.tensor(1.0))


def test_repr_is_pytorchs(rt, torch):
    for make in (lambda L: L.arange(12).reshape(3, 4) / 7, lambda L: L.tensor([1, 2, 3]),
                 lambda L: L.tensor([True, False]), lambda L: L.tensor(3.5),
                 lambda L: L.zeros(2000), lambda L: L.tensor([1e-8, 1.0, 1e6]),
                 lambda L: L.tensor([1.0], requires_grad=True), lambda L: L.zeros(0, 3),
                 lambda L: L.tensor([[1.0, float("nan")], [float("inf"), -2]]),
                 lambda L: L.tensor([1.0], requires_grad=True) * 2):
        assert repr(make(rt)).replace("rustorch.", "torch.") == repr(make(torch))


def test_results_beyond_the_first_come_when_asked_for(rt, torch):
    def ask(library):
        x = library.tensor([3, 1, 3, 2, 2])
        values, inverse, counts = library.unique(x, return_inverse=True, return_counts=True)
        top = library.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
        pooled, where = library.nn.functional.max_pool2d(
            library.arange(16).reshape(1, 1, 4, 4).float(), 2, return_indices=True)
        return (values.tolist(), inverse.tolist(), counts.tolist(), top.values.tolist(),
                top.indices.tolist(), pooled.tolist(), where.tolist(), x.unique().tolist(),
                [t.tolist() for t in library.unique_consecutive(x, return_counts=True)])
    assert ask(rt) == ask(torch)


# --- sharing --------------------------------------------------------------------------

def test_numpy_memory_is_shared_both_ways(rt):
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = rt.from_numpy(a)
    t.add_(1)
    a[0, 0] = 9
    assert t[0, 0].item() == 9 and a[1, 2] == 6
    view = t.T.numpy()
    view[2, 1] = -1
    assert a[1, 2] == -1 and np.shares_memory(view, a)
    strided = rt.from_numpy(a[:, ::2])
    strided.zero_()
    assert a[0].tolist() == [0, 2, 0]


def test_what_cannot_be_shared_is_copied(rt):
    a = np.arange(3.0)
    a.flags.writeable = False
    t = rt.from_numpy(a)
    t.add_(1)
    assert a[0] == 0 and t[0].item() == 1
    assert rt.from_numpy(np.arange(3.0)[::-1]).tolist() == [2, 1, 0]
    with pytest.raises(rt.errors.DtypeError, match="astype"):
        rt.from_numpy(np.array([1 + 2j]))


def test_the_array_outlives_the_tensor_and_the_reverse(rt):
    a = rt.ones(1000).numpy()
    gc.collect()
    assert a.sum() == 1000
    t = rt.from_numpy(np.full(1000, 2.0))
    gc.collect()
    assert t.sum().item() == 2000


def test_array_protocol(rt):
    t = rt.tensor([[1.0, 2.0]])
    assert np.asarray(t).base is not None and np.asarray(t, dtype=np.float64).dtype == float
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    assert isinstance(np.ones(2, "float32") + t, rt.Tensor)     # __array_priority__
    assert isinstance(np.sin(t), rt.Tensor)
    assert rt.tensor([1.0], requires_grad=True).numpy().tolist() == [1.0]
    with pytest.raises(TypeError):
        memoryview(t)
    with pytest.raises(rt.errors.DtypeError, match="float"):
        t.bfloat16().numpy()


def test_dlpack_shares_with_numpy(rt):
    t = rt.arange(4).float()
    a = np.from_dlpack(t)
    a_writable = a.flags.writeable
    t[0] = 5
    assert a[0] == 5 and a_writable
    b = np.arange(3.0)
    s = rt.from_dlpack(b)
    s[0] = 7
    assert b[0] == 7 and t.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        t.requires_grad_().__dlpack__()


def test_torch_memory_is_shared(rt, torch):
    theirs = torch.arange(4.0)
    ours = rt.from_torch(theirs)
    ours.mul_(2)
    assert theirs.tolist() == [0, 2, 4, 6]
    back = ours.to_torch()
    back[0] = 9
    assert theirs[0].item() == 9
    assert torch.from_dlpack(rt.ones(2).bfloat16()).dtype == torch.bfloat16


# --- copies -----------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "bfloat16",
                                   "float32", "float64"])
def test_pickle_and_deepcopy_keep_values_and_kind(rt, dtype):
    t = rt.arange(4).to(rt.dtype(dtype)).reshape(2, 2)
    for copied in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t), copy.copy(t)):
        assert copied.dtype is t.dtype and copied.tolist() == t.tolist()
    p = rt.nn.Parameter(rt.ones(2))
    assert type(pickle.loads(pickle.dumps(p))) is rt.nn.Parameter
    assert type(copy.deepcopy(p)) is rt.nn.Parameter and copy.deepcopy(p).requires_grad


def test_conversions_and_devices(rt):
    t = rt.tensor([1.7])
    assert t.to(rt.int64).tolist() == [1] and t.long().dtype is rt.int64
    assert t.to("cpu") is t and t.to(rt.float32) is t and t.to(t.double()).dtype is rt.float64
    assert t.to(device="cpu", dtype=rt.float64).dtype is rt.float64
    assert rt.tensor([1, 2]).dtype is rt.int64 and rt.tensor([1, 2.0]).dtype is rt.float32
    assert rt.tensor(np.float64(2)).dtype is rt.float64
    assert rt.LongTensor([1]).dtype is rt.int64 and rt.Tensor([1, 2]).dtype is rt.float32


# --- errors -------------------------------------------------------------------------------

def test_errors_are_python_exceptions_with_shapes_and_help(rt):
    with pytest.raises(ValueError) as info:
        rt.zeros(2, 3) @ rt.zeros(4, 5)
    e = info.value
    assert isinstance(e, rt.ShapeMismatchError) and isinstance(e, RuntimeError)
    assert e.shape1 == (2, 3) and e.shape2 == (4, 5) and e.code == "shape"
    with pytest.raises(TypeError, match="dim"):
        rt.zeros(2).sum(dims=0)
    with pytest.raises(IndexError):
        rt.zeros(2).sum(5)
    with pytest.raises(rt.ShapeMismatchError, match="length"):
        rt.tensor([[1, 2], [3]])
    with pytest.raises(TypeError):
        rt.zeros(2) + "a"
    with pytest.raises(rt.RusTorchError):
        rt.tensor([1]).requires_grad_()


def test_a_refused_call_leaves_its_operands_as_they_were(rt):
    a = rt.ones(2, 3)
    with pytest.raises(rt.RusTorchError):
        a.add_(rt.ones(4))
    assert a.tolist() == [[1, 1, 1], [1, 1, 1]] and a._version == 0


def test_ctrl_c_stops_a_long_operation(rt):
    a = rt.ones(3000, 3000)
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        while time.monotonic() - start < 20:
            a @ a
    assert time.monotonic() - start < 10
    assert (a[0] == 1).all() and (a[:2, :2] @ a[:2, :2]).tolist() == [[2, 2], [2, 2]]


@pytest.fixture
def deaf():
    """SIGINT does nothing, by a handler that is set after big operations have run."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    signal.signal(signal.SIGINT, before)


def interrupts_itself(rt, size):
    """A function whose gradient works for a while, then gets a SIGINT."""
    class Interrupted(rt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            a = rt.ones(size, size)
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                a @ a
            signal.raise_signal(signal.SIGINT)
            return g * 1
    return Interrupted


def test_an_interrupt_is_seen_though_another_handler_was_set(rt, request):
    a = rt.ones(600, 600)
    assert (a @ a)[0, 0] == 600
    request.getfixturevalue("deaf")
    w = rt.ones(300, 300, requires_grad=True)
    y = interrupts_itself(rt, 600).apply(w * 2)
    with pytest.raises(KeyboardInterrupt):
        y.backward(rt.ones(300, 300))
    assert (a @ a)[0, 0] == 600   # the next call has nothing to do with it


def test_an_interrupt_between_operations_is_left_to_its_handler(rt, deaf):
    a = rt.ones(600, 600)
    for _ in range(3):
        a = a @ a / 600
        signal.raise_signal(signal.SIGINT)
        assert (a + a)[0, 0] == 2


def test_other_threads_run_during_long_operations(rt):
    count, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0.001)
    thread = threading.Thread(target=tick)
    thread.start()
    a = rt.ones(1500, 1500)
    before = count[0]
    for _ in range(5):
        a @ a
    ticks = count[0] - before
    stop.set()
    thread.join()
    assert ticks >= 5
