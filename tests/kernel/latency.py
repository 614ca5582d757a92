# SPDX-License-Identifier: MIT
"""latency.py BUILD [N]: how long questions take while a cell computes.

Asks N times each, through jupyter_client, while a cell multiplies 4096x4096
matrices on all cores, and prints p50 and p99 in ms. Beside it ipykernel's
figure, where it is installed: it answers when the cell is done, so one request
each, of a cell that computes for two seconds, says all.
"""
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import client  # noqa: E402
import session  # noqa: E402

QUESTIONS = {
    "complete": {"code": "mat", "cursor_pos": 3},
    "inspect": {"code": "matmul", "cursor_pos": 4, "detail_level": 0},
    "is_complete": {"code": "for (;;) {"},
    "history": {"hist_access_type": "tail", "n": 10, "raw": True, "output": False},
    "comm_info": {},
    "kernel_info": {},
}
BUSY = ('Tensor a = randn(4096, 4096); printf("spinning\\n");\n'
        "while (true) { Tensor b = a @ a; }")
PYTHON = ("import time, numpy as n\na = n.random.rand(2048, 2048); print('spinning', flush=True)\n"
          "end = time.time() + 2\nwhile time.time() < end: a @ a")


def ask_all(kernel, n):
    """Seconds of each request, by kind, in ascending order."""
    took = {kind: [] for kind in QUESTIONS}
    for _ in range(n):
        for kind, content in QUESTIONS.items():
            began = time.perf_counter()
            kernel.ask(kind + "_request", content)
            took[kind].append(time.perf_counter() - began)
    return {kind: sorted(times) for kind, times in took.items()}


def while_busy(kernel, n):
    msg_id = kernel.kc.execute(BUSY)
    kernel.wait_for(msg_id, "stream")
    took = ask_all(kernel, n)
    kernel.km.interrupt_kernel()
    assert kernel.reply(msg_id)["status"] == "error"
    kernel.outputs(msg_id)
    return took


def of_ipykernel():
    """Seconds of one request each; None where there is no ipykernel."""
    try:
        kernel = client.Kernel("python3")
    except Exception as why:
        print(f"no ipykernel: {why}", file=sys.stderr)
        return None
    took = {}
    try:
        for kind, content in QUESTIONS.items():
            msg_id = kernel.kc.execute(PYTHON)
            kernel.wait_for(msg_id, "stream")
            began = time.perf_counter()
            kernel.ask(kind + "_request", content)
            took[kind] = time.perf_counter() - began
            kernel.outputs(msg_id)
    finally:
        kernel.close()
    return took


def main():
    build, n = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as folder:
        session.install(pathlib.Path(folder),
                        [str(build.resolve() / "rustorch-kernel"), "-f", "{connection_file}"])
        kernel = client.Kernel("checked")
        try:
            ours = while_busy(kernel, n)
        finally:
            kernel.close()
        theirs = of_ipykernel()
    print(f"{'':12} {'p50 ms':>8} {'p99 ms':>8} {'ipykernel, a cell of 2 s':>26}   "
          f"({n} requests each, {os.cpu_count()} cores)")
    for kind, times in ours.items():
        other = f"{1000 * theirs[kind]:.0f}" if theirs else "-"
        print(f"{kind:12} {1000 * times[n // 2]:8.2f} {1000 * times[n * 99 // 100]:8.2f} {other:>26}")


if __name__ == "__main__":
    main()
