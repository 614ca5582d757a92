# SPDX-License-Identifier: MIT
"""Prints the catalogs as Python stubs and reference pages.

    python scripts/dump_catalog.py            writes the files
    python scripts/dump_catalog.py --check    says which are stale, exit status 1

The output is committed; a test runs --check.
"""
import ast
import inspect
import keyword
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

import rustorch.nn  # noqa: E402,F401  (attaches Module's Python methods)
from rustorch import _C  # noqa: E402

TYPES = {"Tensor": "Tensor | Number", "Tensor[]": "Sequence[Tensor]",
         "Tensor?[]": "Sequence[Tensor | None]", "Scalar": "Number", "int": "int",
         "float": "float", "bool": "bool", "str": "str", "int[]": "int | Sequence[int]",
         "float[]": "Sequence[float]", "dtype": "dtype", "Device": "device | str | int",
         "Generator": "Generator", "Module": "Module", "Module[]": "Sequence[Module]"}
HEAD = '# SPDX-License-Identifier: MIT\n# Printed by scripts/dump_catalog.py; do not edit.\n'


def default(text):
    try:
        ast.literal_eval(text)
        return text
    except (ValueError, SyntaxError):
        return "..."


def parameters(row, skip_self=False):
    parts, star = [], False
    for i, (name, kind, optional, text, keyword_only) in enumerate(row["params"]):
        if skip_self and i == 0:
            continue
        if keyword_only and not star:
            parts.append("*")
            star = True
        name = name + "_" if keyword.iskeyword(name) else name
        part = f"{name}: {TYPES[kind]}" + (" | None" if optional else "")
        if text is not None:
            part += f" = {default(text)}"
        parts.append(part)
    return parts


def result(row):
    if row["list"]:
        return "tuple[Tensor, ...]"
    if row["scalar"]:
        return "bool"
    n = len(row["results"])
    if n > 1 and row["results"][0] != "output":
        return "tuple[" + ", ".join(["Tensor"] * n) + "]"
    return "Tensor"


def grouped():
    names = {}
    for row in _C._op_rows():
        names.setdefault(row["name"], []).append(row)
    return names


def is_method(row):
    return bool(row["params"]) and row["params"][0][0] == "self" and \
        row["params"][0][1] == "Tensor"


def op_stub(rows, method, indent):
    lines = []
    for row in rows:
        if len(rows) > 1:
            lines.append(indent + "@overload")
        parts = (["self"] if method else []) + parameters(row, method)
        lines.append(f"{indent}def {row['name']}({', '.join(parts)}) -> {result(row)}: ...")
    return lines


def other_stub(name, value, indent):
    if isinstance(value, property) or type(value).__name__ == "getset_descriptor":
        return [f"{indent}@property", f"{indent}def {name}(self) -> Any: ..."]
    try:
        signature = inspect.signature(value)
        parts = [p.replace(annotation=inspect.Parameter.empty)
                 for p in signature.parameters.values()]
        if parts and parts[0].name in ("self", "cls"):
            parts = parts[1:]
        shown = []
        star = False
        for p in parts:
            if p.kind == p.KEYWORD_ONLY and not star:
                shown.append("*")
            star |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
            prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
            shown.append(prefix + p.name + (" = ..." if p.default is not p.empty else ""))
        text = ", ".join(["self", *shown])
    except (TypeError, ValueError):
        text = "self, *args, **kwargs"
    return [f"{indent}def {name}({text}) -> Any: ..."]


def class_stub(cls, base, rows=None):
    doc = (cls.__doc__ or "").strip().splitlines()
    lines = [f"class {cls.__name__}{'(' + base + ')' if base else ''}:"]
    if doc:
        lines.append(f'    """{doc[0]}"""')
    for name in sorted(vars(cls)):
        value = vars(cls)[name]
        if name.startswith("_") or type(value).__name__ == "OpFunction":
            continue
        lines += other_stub(name, value, "    ")
    for name in sorted(rows or {}):
        lines += op_stub(rows[name], True, "    ")
    return lines


def core_stub():
    names = grouped()
    methods = {n: r for n, r in names.items() if is_method(r[0])}
    lines = [HEAD, "from typing import Any, Sequence, overload", "",
             "Number = bool | int | float", ""]
    for cls, base in ((_C.dtype, ""), (_C.device, ""), (_C.Size, "tuple"), (_C.Generator, "")):
        lines += class_stub(cls, base) + [""]
    lines += class_stub(_C.Tensor, "", methods)
    for op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
               "xor", "radd", "rsub", "rmul", "rtruediv", "rpow", "lt", "le", "gt", "ge"):
        lines.append(f"    def __{op}__(self, other: Any) -> Tensor: ...")
    lines += ["    def __neg__(self) -> Tensor: ...", "    def __invert__(self) -> Tensor: ...",
              "    def __getitem__(self, key: Any) -> Tensor: ...",
              "    def __setitem__(self, key: Any, value: Any) -> None: ...",
              "    def __len__(self) -> int: ...", "    def __float__(self) -> float: ...",
              "    def __int__(self) -> int: ...", "    def __bool__(self) -> bool: ...", ""]
    lines += ["class Parameter(Tensor): ...", ""]
    lines += class_stub(_C.Module, "") + ["    def __call__(self, *args, **kwargs) -> Any: ...",
                                          "    def __getattr__(self, name: str) -> Any: ...", ""]
    for name, value in sorted(vars(_C).items()):
        if isinstance(value, _C.dtype):
            lines.append(f"{name}: dtype")
    return "\n".join(lines) + "\n"


def package_stub():
    lines = [HEAD, "from typing import Any, Sequence, overload", "",
             "from . import autograd, data, errors, nn, optim, utils",
             "from ._C import *", "from ._C import Module, Number",
             "from ._grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled",
             "from .errors import DeviceError, RusTorchError, ShapeMismatchError, TensorError",
             "from .serialization import load, save", "", "PyTensor = Tensor",
             "__version__: str", "pi: float", "e: float", "inf: float", "nan: float", ""]
    for name, rows in sorted(grouped().items()):
        if not name.startswith("_"):
            lines += op_stub(rows, False, "")
    from rustorch import _functions
    for name in sorted(_functions.__all__):
        value = getattr(_functions, name)
        if inspect.isfunction(value):
            lines += [s.replace("(self, ", "(").replace("(self)", "()")
                      for s in other_stub(name, value, "")]
    return "\n".join(lines) + "\n"


def layers_stub():
    lines = [HEAD, "from typing import Any, Sequence", "",
             "from .._C import Module, Number, Parameter, Tensor, device, dtype",
             "from . import functional, init, utils", ""]
    for row in _C._layer_rows():
        parts = ", ".join(["self", *parameters(row)])
        lines += [f"class {row['name']}(Module):", f'    """{row["doc"]}"""',
                  f"    def __init__({parts}) -> None: ...", ""]
    return "\n".join(lines)


def page(title, intro, rows):
    lines = [f"# {title}", "", "<!-- Printed by scripts/dump_catalog.py; do not edit. -->", "",
             intro, ""]
    for name, schemas, doc in rows:
        lines += [f"## {name}", "", "```", *schemas, "```", "", doc, ""]
    return "\n".join(lines)


def ops_page():
    rows = []
    for name, overloads in sorted(grouped().items()):
        notes = [r["doc"] for r in overloads]
        rows.append((name, [r["schema"] for r in overloads], " ".join(dict.fromkeys(notes))))
    return page("Operations", f"All {len(rows)} operations: functions of `rustorch`, of the "
                "cell language and of C, and (where the first parameter is `self`) methods of "
                "tensors. Notation as PyTorch's schemas.", rows)


def layers_page():
    return page("Layers", "Modules and losses: `rustorch.nn` in Python, the same names in the "
                "cell language.", [(r["name"], [r["schema"]], r["doc"])
                                   for r in _C._layer_rows()])


def optim_page():
    rows = [(n, [schema], doc) for n, _, _, schema, doc in _C._optim_rows()]
    rows += [(n, [schema], doc) for n, _, _, schema, doc in _C._schedule_rows()]
    return page("Optimizers and schedules", "`rustorch.optim` and "
                "`rustorch.optim.lr_scheduler` in Python; the schedules' first argument, the "
                "optimizer, is left out below.", rows)


def errors_page():
    lines = ["# Errors", "", "<!-- Printed by scripts/dump_catalog.py; do not edit. -->", "",
             "Every class is in `rustorch.errors` and derives from `RusTorchError` and from "
             "the built-in class beside it.", "",
             "| code | class | built-in | meaning |", "|---|---|---|---|"]
    lines += [f"| `{c}` | `{cls}` | `{b}` | {doc} |" for c, cls, b, doc in _C._error_rows()]
    return "\n".join(lines) + "\n"


# A cell that shows each run-time error, and the cell put right; the errors that
# are not here depend on the machine or the moment.
RUNTIME_EXAMPLES = {
    "memory": ("randn(1000000000, 1000000);", "randn(1000, 100);"),
    "shape": ("randn(2, 3) @ randn(2, 3);", "randn(2, 3) @ randn(2, 3).T;"),
    "dtype": ("randint(0, 5, [3]).mean();", "randint(0, 5, [3]).to(float32).mean();"),
    "index": ("randn(3)[7];", "randn(3)[2];"),
    "argument": ("hist(randn(9), bins=0);", "hist(randn(9), bins=3);"),
    "name": ("%tiem 1 + 1", "%time 1 + 1"),
    "autograd": ("zeros(2).sum().backward();",
                 "zeros(2, requires_grad=True).sum().backward();"),
    "device": ('zeros(2, device="cuda");', "zeros(2);"),
    "file": ('load("absent.rustorch");',
             'save(Linear(2, 3), "net.rustorch"); load("net.rustorch");'),
    "arithmetic": ("int n = 0; print(1 / n);", "int n = 2; print(1 / n);"),
    "limit": ("int f(int n) { return f(n - 1); } f(9);",
              "int f(int n) { return n < 1 ? 0 : f(n - 1); } f(9);"),
    "assertion": ('assert(1 > 2, "not larger");', 'assert(2 > 1, "not larger");'),
}


def cell_errors():
    """(code, meaning, example, fixed) of every stable code a cell can fail with."""
    rows = {row[0]: row for row in _C._cell_errors()}
    for code, _, _, doc in _C._error_rows():
        if code not in rows:
            rows[code] = (code, doc, *RUNTIME_EXAMPLES.get(code, ("", "")))
        elif doc != rows[code][1]:
            rows[code] = (code, f"{rows[code][1]} While a cell runs: "
                          f"{doc[0].lower()}{doc[1:]}", *rows[code][2:])
    return [rows[code] for code in sorted(rows)]


def cell_errors_page():
    lines = ["# Error codes", "", "<!-- Printed by scripts/dump_catalog.py; do not edit. -->", "",
             "A cell that fails says `error[code]`. These are the codes, each with a cell that "
             "shows it and the cell put right. The exception classes they become in Python are "
             "in [reference/errors.md](reference/errors.md).", ""]
    for code, doc, example, fixed in cell_errors():
        lines += [f"## {code}", "", doc, ""]
        if example:
            lines += ["```c", example, "```", "", "Put right:", "", "```c", fixed, "```", ""]
    return "\n".join(lines)


FILES = {"docs/errors.md": cell_errors_page,
         "python/rustorch/_C.pyi": core_stub, "python/rustorch/__init__.pyi": package_stub,
         "python/rustorch/nn/__init__.pyi": layers_stub,
         "docs/reference/operations.md": ops_page, "docs/reference/layers.md": layers_page,
         "docs/reference/optimizers.md": optim_page, "docs/reference/errors.md": errors_page}


def main():
    check, stale = "--check" in sys.argv, []
    for name, make in FILES.items():
        path, text = TOP / name, make()
        if check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"stale: {name} (run scripts/dump_catalog.py)")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
