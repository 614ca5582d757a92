# SPDX-License-Identifier: MIT
"""Writes recipes.def: what fuzz_ops starts from, small samples of every op.

    PYTHONPATH=build/python/path python tests/fuzz/recipes.py [--check]

A recipe has a word a parameter: `-` left out, `None`, a tensor `f3x4:-2:2`
(dtype, shape, least and largest element), `=2` a number where a tensor goes,
`[f2;None]` a list of tensors, `3`, `0.5`, `2,-1` numbers and lists (`()` empty),
a dtype's letter, a text.
"""
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from rustorch import _C  # noqa: E402
from samples import SAMPLES, S, arr, ints  # noqa: E402

LETTERS = {"bool": "b", "uint8": "u", "int32": "i", "int64": "l", "float16": "h",
           "bfloat16": "g", "float32": "f", "float64": "d"}
MOST, ELEMENTS = 3, 200
# Rows that the samples leave to the rows they serve.
INSIDE = {
    "conv2d_input": [S(arr(1, 3, 3, 3), arr(3, 2, 3, 3), (1, 2, 5, 5), 1, 0, 1, 1),
                     S(arr(1, 4, 3, 3), arr(4, 1, 3, 3), (1, 2, 5, 5), 2, (1, 1), 1, 2)],
    "conv2d_weight": [S(arr(1, 3, 3, 3), arr(1, 2, 5, 5), (3, 2, 3, 3), 1, 0, 1, 1),
                      S(arr(1, 4, 3, 3), arr(1, 2, 5, 5), (4, 1, 3, 3), 2, (1, 1), 1, 2)],
    "avg_pool2d_backward": [S(arr(1, 2, 3, 3), (1, 2, 6, 6), 2, 2, 0, True)],
    "slice": [S(arr(5, 4), 0, 1, 4, 2), S(arr(5, 4), 1)],
    "index": [S(arr(5, 4), [ints(3)]), S(arr(5, 4), [None, ints(3, high=4)])],
    "as_strided_backward": [S(arr(3, 2), (12,), (1,), 0, (3, 2), (2, 1), 1)],
}


def number(v):
    return format(float(v), ".3g") if isinstance(v, (float, np.floating)) else str(int(v))


def tensor(a):
    finite = a[np.abs(a) < 100] if a.dtype.kind == "f" else a
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    return (LETTERS[a.dtype.name] + "x".join(map(str, a.shape)) +
            f":{number(low)}:{number(high)}")


def word(v, kind):
    if v is None:
        return "None"
    if isinstance(v, np.ndarray):
        return tensor(v)
    if kind in ("Tensor[]", "Tensor?[]"):
        return "[" + ";".join("None" if t is None else tensor(t) for t in v) + "]"
    if kind == "dtype":
        return LETTERS[v]
    if isinstance(v, str):
        return v
    if isinstance(v, (tuple, list)):
        return ",".join(map(number, v)) or "()"
    return ("=" if kind == "Tensor" else "") + number(v)


def elements(v):
    if isinstance(v, np.ndarray):
        return v.size
    return sum(map(elements, v)) if isinstance(v, (tuple, list)) else 0


def recipe(row, sample):
    args, kwargs = sample
    given = dict(zip([p[0] for p in row["params"]], args)) | kwargs
    return " ".join(word(given[p[0]], p[1]) if p[0] in given else "-"
                    for p in row["params"])


def rows():
    for row in _C._op_rows():
        name = row["name"] + ("." + row["overload"] if row["overload"] else "")
        many = SAMPLES.get(name) or INSIDE[name]
        small = [s for s in many if elements(list(s[0]) + list(s[1].values())) <= ELEMENTS]
        found = list(dict.fromkeys(recipe(row, s) for s in small))
        # Those that leave out least say most.
        found = found[:1] + sorted(found[1:], key=lambda t: (t.count("-"), -len(t)))[:MOST - 1]
        for text in found:
            yield f'RECIPE("{name}", "{text}")'


def main():
    text = ("/* SPDX-License-Identifier: MIT\n"
            " * Written by tests/fuzz/recipes.py, which says what it means; do not edit. */\n" +
            "\n".join(rows()) + "\n")
    path = HERE / "recipes.def"
    if sys.argv[1:] == ["--check"]:
        if path.read_text() != text:
            sys.exit("recipes.def is stale: run tests/fuzz/recipes.py")
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
