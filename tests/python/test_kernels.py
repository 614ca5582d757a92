# SPDX-License-Identifier: MIT
"""Kernels of every instruction set, for any number of threads: the same rows as
test_ops.py with fewer instructions, the same bits with more threads."""
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import ends

import rustorch

HERE = Path(__file__).resolve().parent
ISAS = ("baseline", "avx2", "avx512")
BENCH = HERE.parent / "bench"
# Nothing there to share among threads, or too slow without vectors.
LEFT_OUT = ("chain", "matmul 2048", "add 1e7")


def child(isa, *arguments):
    """A Python process with kernels of one instruction set at the most."""
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                           env=dict(os.environ, RT_ISA=isa), timeout=280)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.parametrize("isa", ISAS[:-1])   # the best there is runs as test_ops.py
def test_every_row_agrees_with_pytorch_with_fewer_instructions(torch, isa):
    child(isa, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / "test_ops.py"))


def tensors(value):
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return [value] if isinstance(value, rustorch.Tensor) else []


def print_hashes():
    """For each row of the bench, a hash of the results with 1, 2 and 3 threads."""
    sys.path.insert(0, str(BENCH))
    from rows import ROWS
    for name, entry in ROWS.items():
        if any(part in name for part in LEFT_OUT):
            continue
        for variant in entry["variants"]:
            seen = []
            for threads in (1, 2, 3):
                rustorch.set_num_threads(threads)
                run = entry["make"](rustorch, *([variant] if variant else []))
                if run is not None:
                    parts = [t.detach().contiguous().numpy().tobytes() for t in tensors(run())]
                    seen.append(hashlib.sha256(b"".join(parts)).hexdigest()[:16])
            print(name, variant, *seen, sep="\t")


@pytest.mark.parametrize("isa", ISAS)
def test_threads_change_no_bit_of_what_the_bench_times(isa):
    lines = child(isa, str(Path(__file__).resolve())).splitlines()
    assert len(lines) > 40
    differ = [line for line in lines if len(set(line.split("\t")[2:])) > 1]
    assert not differ


def test_remainders_of_far_apart_numbers_are_exact():
    a, b = ends(169), ends(169, 13)
    with np.errstate(all="ignore"):
        exact = np.fmod(a.astype("float64"), b.astype("float64")).astype("float32")
    got = rustorch.fmod(rustorch.from_numpy(a), rustorch.from_numpy(b)).numpy()
    np.testing.assert_array_equal(got, exact)


def test_gelu_keeps_the_largest_numbers():
    x = rustorch.tensor([float("inf"), 3.4e38, float("-inf"), -3.4e38])
    for approximate in ("none", "tanh"):
        y = rustorch.nn.functional.gelu(x, approximate=approximate)
        assert y.tolist()[:2] == x.tolist()[:2], approximate


if __name__ == "__main__":
    print_hashes()
