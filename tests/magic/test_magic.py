# SPDX-License-Identifier: MIT
"""`%%rustorch` in a Python notebook."""
import numpy as np
import pytest

import rustorch


def test_a_cell_prints_and_gives_its_last_value(run):
    ran = run('%%rustorch\nfloat x = 1.5;\nprintf("%g\\n", x);\nx * 2')
    assert ran.out.splitlines()[0] == "1.5"
    assert ran.result.result == 3.0


def test_a_semicolon_or_n_hides_the_value(run):
    assert run("%%rustorch\n1 + 1;").result.result is None
    assert run("%%rustorch -n\n1 + 1").result.result is None


def test_a_tensor_of_the_notebook_is_shared_not_copied(ip, run):
    ip.user_ns["a"] = rustorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    run("%%rustorch\na.add_(1.0);\nlet b = a;")
    assert ip.user_ns["a"].tolist() == [[2, 3], [4, 5]]
    assert ip.user_ns["b"].data_ptr() == ip.user_ns["a"].data_ptr()


def test_a_numpy_array_is_shared_both_ways(ip, run):
    ip.user_ns["array"] = array = np.arange(4, dtype=np.float32)
    run("%%rustorch\narray.mul_(10.0);\nlet view = array;")
    assert array.tolist() == [0, 10, 20, 30]
    array[0] = 7
    assert ip.user_ns["view"][0].item() == 7


def test_a_cell_changes_the_value_of_its_variable_in_the_notebook(ip, run):
    run("%%rustorch\nint n = 1;")
    assert ip.user_ns["n"] == 1
    run("%%rustorch\nn = n + 41;")
    assert ip.user_ns["n"] == 42


def test_a_name_bound_anew_in_python_is_seen_by_the_next_cell(ip, run):
    run("%%rustorch\nlet t = ones(2);")
    ip.user_ns["t"] = rustorch.tensor([5.0, 6.0])
    assert run("%%rustorch\nt.sum().item()").result.result == 11.0


def test_options_hand_values_in_and_out(ip, run):
    ip.user_ns["secret"] = 5
    ran = run("%%rustorch --no-share -i k=[1.0,2.0][1],secret -o y", ok=False)
    assert ran.error is not None            # an expression keeps its commas
    run("%%rustorch --no-share -i k=2+1 -i secret -o y\nint y = k * secret;\nint z = 3;")
    assert ip.user_ns["y"] == 15 and "z" not in ip.user_ns
    assert run("%%rustorch --no-share\nprintln!(\"{}\", nowhere);", ok=False).error


def test_printed_text_goes_into_a_variable(ip, run):
    ran = run('%%rustorch --out text\nprintf("hello\\n");')
    assert ip.user_ns["text"] == "hello\n" and "hello" not in ran.out


def test_time_is_printed(run):
    assert "time: " in run("%%rustorch --time\nint q = 1;").out


def test_the_line_magic_evaluates_an_expression(ip, run):
    ip.user_ns["v"] = rustorch.tensor([1.0, 2.0])
    ran = run("r = %rustorch v.sum().item() + 1")
    assert ip.user_ns["r"] == 4.0 and ran.error is None


def test_an_error_shows_the_place_with_a_caret(ip, run):
    ran = run("%%rustorch\nlet a = zeros(2, 3);\nlet b = a.matmul(zeros(4, 5));", ok=False)
    assert isinstance(ran.error, rustorch.errors.ShapeMismatchError)
    assert "^" in str(ran.error) and "2, 3" in str(ran.error)
    assert ran.error.line == 2              # the cell's second line below %%rustorch
    assert ip.user_ns["a"].shape == (2, 3)  # what ran before it is kept
    assert "^" in ran.out and "session.py" not in ran.out


def test_a_syntax_error_runs_nothing(ip, run):
    assert run("%%rustorch\nint fresh = 1;\nlet = ;", ok=False).error is not None
    assert "fresh" not in ip.user_ns


def test_a_python_function_can_be_called_from_a_cell(ip, run):
    ip.user_ns["twice"] = lambda x: x * 2
    assert run("%%rustorch\nfloat d = twice(4.0);\nd").result.result == 8.0
    ip.user_ns["broken"] = lambda x: 1 / 0
    assert run("%%rustorch\nbroken(1.0);", ok=False).error is not None


def test_a_model_crosses_the_border(ip, run):
    run("%%rustorch\nlet net = Sequential(Linear(3, 4), ReLU(), Linear(4, 2));")
    net = ip.user_ns["net"]
    assert isinstance(net, rustorch.nn.Module)
    assert [tuple(p.shape) for p in net.parameters()] == [(4, 3), (4,), (2, 4), (2,)]
    assert isinstance(net[0].weight, rustorch.nn.Parameter)
    ip.user_ns["model"] = rustorch.nn.Linear(3, 1)
    run("%%rustorch\nlet y = model(ones(2, 3));")
    assert ip.user_ns["y"].shape == (2, 1) and ip.user_ns["y"].requires_grad


def test_optimizers_and_loaders_cross_the_border(ip, run):
    run("%%rustorch\nlet net = Linear(2, 1);\nlet opt = SGD(net.parameters(), lr=0.5);")
    net, opt = ip.user_ns["net"], ip.user_ns["opt"]
    assert isinstance(opt, rustorch.optim.SGD) and opt.param_groups[0]["lr"] == 0.5
    before = net.weight.tolist()
    net(rustorch.ones(3, 2)).sum().backward()
    opt.step()
    opt.zero_grad()
    assert net.weight.tolist() != before and net.weight.grad is None
    data = rustorch.utils.data.TensorDataset(rustorch.ones(10, 2), rustorch.ones(10, 1))
    ip.user_ns["loader"] = rustorch.utils.data.DataLoader(data, batch_size=4)
    ip.user_ns["mine"] = rustorch.optim.SGD(net.parameters(), lr=0.1)
    run("%%rustorch\nint n = len(loader);\nmine.zero_grad();")
    assert ip.user_ns["n"] == 3


def test_ctrl_c_stops_an_endless_cell_and_keeps_variables(ip, run):
    import signal
    import threading

    def press():
        """Ctrl-C, once the cell runs."""
        threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
        return 1
    ip.user_ns["press"] = press
    ran = run("%%rustorch\nint kept = 7;\nint i = press();\nwhile (1) { i = i + 1; }", ok=False)
    assert isinstance(ran.error, KeyboardInterrupt)
    assert run("%%rustorch\nkept").result.result == 7


def test_a_line_of_input(ip, run, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt="": prompt + "Ada")
    assert run('%%rustorch\nlet name = input("who? ");\nname').result.result == "who? Ada"


def test_completion_inside_a_cell(ip, run):
    run("%%rustorch\nlet weights = ones(2);")
    text = "%%rustorch\nweig"
    from IPython.core.completer import provisionalcompleter
    with provisionalcompleter():
        found = [c.text for c in ip.Completer.completions(text, len(text))]
    assert "weights" in found
    with provisionalcompleter():
        assert [c.text for c in ip.Completer.completions("impor", 5)]   # Python still works


def test_rust_returns_the_printed_text(ip):
    import rustorch_magic
    assert rustorch_magic.rust('printf("%d\\n", 6 * 7);') == "42\n"
    with pytest.raises(rustorch_magic.CellError):
        rustorch_magic.rust("let = ;")


def test_unloading_takes_the_magic_away(ip):
    ip.run_line_magic("unload_ext", "rustorch_magic")
    assert "rustorch" not in ip.magics_manager.magics["cell"]
