# SPDX-License-Identifier: MIT
"""Cells that ask for too much: each ends soon with an error that explains
itself or with a view that is cut, and the session stays as it was."""
import time

import pytest
from client import text, types
from dialect import KERNEL

pytestmark = pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")

DEEP = 100_000
SECONDS = 20            # far above what any takes, on a loaded machine too

DECLARE = "int f(int x) { return x; } Tensor t = zeros(2);\n"
NESTED = {
    "parentheses": "int x = " + "(" * DEEP + "1" + ")" * DEEP + ";",
    "open parentheses": "int x = " + "(" * DEEP,
    "lists": "auto x = " + "[" * DEEP + "1" + "]" * DEEP + ";",
    "blocks": "{" * DEEP + "}" * DEEP,
    "open blocks": "{" * DEEP,
    "closing brackets": ")" * DEEP,
    "ifs": "if (1) " * DEEP + "{ int x = 1; }",
    "else ifs": "if (0) { } " + "else if (0) { } " * DEEP,
    "loops": "while (0) " * DEEP + "{ int x = 1; }",
    "minus signs": "int x = " + "-" * DEEP + "1;",
    "nots": "bool x = " + "!" * DEEP + "true;",
    "powers": "int x = " + "1**" * DEEP + "1;",
    "sums": "int x = " + "1+" * DEEP + "1;",
    "conditionals": "int x = " + "true ? 1 : " * DEEP + "1;",
    "assignments": "int a = 0; " + "a = " * DEEP + "1;",
    "calls": DECLARE + "int y = " + "f(" * DEEP + "1" + ")" * DEEP + ";",
    "methods": DECLARE + "Tensor u = t" + ".neg()" * DEEP + ";",
    "indices": DECLARE + "t" + "[0]" * DEEP + ";",
    "types": "list<" * DEEP + "int" + ">" * DEEP + " x;",
    "comments": "/*" * DEEP,
}


@pytest.fixture(autouse=True)
def variables_are_kept(kernel):
    kernel.run("int kept = 41; Tensor whole = arange(5);")
    yield
    _, outputs = kernel.run("whole.sum().item() + kept")
    assert shown(outputs) == "51.0"


def shown(outputs):
    return "".join(m["content"]["data"]["text/plain"] for m in outputs
                   if m["msg_type"] == "execute_result")


def timed(kernel, code):
    began = time.time()
    reply, outputs = kernel.run(code)
    assert time.time() - began < SECONDS
    return reply, outputs


def fails(kernel, code, ename, *said):
    reply, outputs = timed(kernel, code)
    assert reply["status"] == "error" and reply["ename"] == ename, reply
    assert types(outputs)[1:] == ["error"]
    whole = reply["evalue"] + "".join(reply["traceback"])
    for word in said:
        assert word in whole
    assert len(whole) < 20_000
    return reply


@pytest.mark.parametrize("what", NESTED)
def test_a_hundred_thousand_levels_in_the_source_are_an_error(kernel, what):
    reply, outputs = timed(kernel, NESTED[what])
    assert reply["ename"] in ("LimitError", "CellSyntaxError")
    assert types(outputs)[1:] == ["error"]
    assert sum(map(len, reply["traceback"])) < 20_000
    content = dict(code=NESTED[what])
    assert kernel.ask("is_complete_request", content)["status"] in (
        "complete", "incomplete", "invalid")
    for request in ("complete_request", "inspect_request"):
        asked = dict(content, cursor_pos=len(NESTED[what]) // 2)
        assert kernel.ask(request, asked)["status"] == "ok"


def test_the_nesting_error_says_what_the_limit_is_and_what_to_do(kernel):
    reply = fails(kernel, NESTED["parentheses"], "LimitError", "200 levels", "help:")
    assert "".join(reply["traceback"]).count("error[") == 1


@pytest.mark.parametrize("shape", ["50000000000", "200000, 250000"])
def test_200_gigabytes_are_an_error_that_names_shape_and_size(kernel, shape):
    for op in ("zeros", "randn", "ones"):
        fails(kernel, f"Tensor big = {op}({shape});", "OutOfMemoryError", f"[{shape}]", "186 GiB")


def test_a_result_of_200_gigabytes_is_an_error_too(kernel):
    fails(kernel, "Tensor v = ones(250000);\nv.reshape(250000, 1) * v", "OutOfMemoryError", "GiB")


@pytest.mark.parametrize("code", [
    "int f(int n) { if (n == 0) { return 0; } return 1 + f(n - 1); }\nf(100000)",
    "int odd(int n);\nint even(int n) { return odd(n); }\n"
    "int odd(int n) { return even(n); }\neven(1)",
])
def test_recursion_without_end_is_an_error_with_its_trace(kernel, code):
    fails(kernel, code, "LimitError", "10000 calls", "recursion without end", "called from")


def test_modules_that_call_themselves_are_stopped(kernel):
    fails(kernel, "module Loop { Tensor forward(Tensor x) { return forward(x); } }\n"
                  "Loop loop = Loop();\nloop(ones(1))", "LimitError", "10000 calls")


def test_a_cell_of_20000_lines_runs(kernel):
    lines = "".join(f"total = total + {i} * 2;\n" for i in range(20_000))
    reply, outputs = timed(kernel, f"int total = 0;\n{lines}total")
    assert reply["status"] == "ok" and shown(outputs) == str(20_000 * 19_999)


def test_20000_lines_that_print_arrive_in_order(kernel):
    code = "".join(f'printf("%d\\n", {i});\n' for i in range(20_000))
    reply, outputs = timed(kernel, code)
    assert reply["status"] == "ok"
    assert text(outputs).split() == [str(i) for i in range(20_000)]


def test_more_calls_than_one_cell_can_hold_are_an_error_with_help(kernel):
    fails(kernel, "abs(-1);" * 40_000, "LimitError", "more than 30000 calls", "several cells")


def test_a_tensor_of_a_million_elements_is_summarised(kernel):
    for code in ("ones(1000000)", "ones(1000, 1000)"):
        reply, outputs = timed(kernel, code)
        assert reply["status"] == "ok" and "..." in shown(outputs)
        assert "1000" in shown(outputs) and len(shown(outputs)) < 5000
    reply, outputs = timed(kernel, 'println!("{}", arange(1000000));')
    assert "999999" in text(outputs) and len(text(outputs)) < 500


def test_a_list_of_a_million_elements_is_summarised(kernel):
    reply, outputs = timed(kernel, "list<int> l; for (int i = 0; i < 1000000; i++) "
                                   "{ l.push(i); }\nl")
    assert reply["status"] == "ok" and len(shown(outputs)) < 20_000


def test_a_string_of_50_megabytes_is_built_and_its_view_cut(kernel):
    reply, outputs = timed(kernel, 'string s = "01234567";\n'
                                   "while (len(s) < 50000000) { s = s + s; }\ns")
    assert reply["status"] == "ok"
    view = shown(outputs)
    assert len(view) < 10_000 and view.startswith('"0123456701') and view.endswith('567"')
    assert "bytes are left out" in view
    assert shown(kernel.run("len(s)")[1]) == str(8 * 2 ** 23)
    kernel.run('s = "";')


def test_a_string_of_50_megabytes_is_printed_whole_when_asked(kernel):
    _, outputs = timed(kernel, 'string s = "01234567";\n'
                               'while (len(s) < 50000000) { s = s + s; }\nprint(s);')
    assert len(text(outputs)) == 8 * 2 ** 23 + 1
    kernel.run('s = "";')


def test_a_string_without_end_meets_its_limit(kernel):
    fails(kernel, 'string s = "0123456789"; while (true) { s = s + s; }', "LimitError",
          "67108864 fit")
    kernel.run('s = "";')


def test_a_line_of_a_million_characters_is_quoted_around_its_error(kernel):
    reply = fails(kernel, "int x = 1; " + " " * 500_000 + "x = y; " + " " * 500_000,
                  kernel.run("nobody_knows")[0]["ename"], "x = y;", "…")
    assert len("".join(reply["traceback"])) < 2000


def test_a_source_above_16_megabytes_is_refused_with_its_size(kernel):
    fails(kernel, 'string s = "' + "x" * 17_000_000 + '";', "LimitError", "bytes", "at most")


def test_a_variable_of_megabytes_costs_the_cells_after_it_nothing(kernel):
    kernel.run('string wide = "x"; for (int i = 0; i < 26; i++) { wide = wide + wide; }')
    kernel.run("List<string> rows = [wide, wide, wide];")
    began = time.monotonic()
    for i in range(20):
        assert kernel.run(f"int after_{i} = {i};")[0]["status"] == "ok"
    assert time.monotonic() - began < 10        # a second each, when all of it was written down
    listed = text(kernel.run("%who")[1])
    assert 'string  "' + "x" * 79 + "..." in listed and "3 elements" in listed
    kernel.run('wide = ""; rows = [];')
