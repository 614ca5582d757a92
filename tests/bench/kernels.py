# SPDX-License-Identifier: MIT
"""Rows against ipykernel, through jupyter_client, and import and memory rows.

Kernels take turns; one that has none sleeps, and gets a moment to stop spinning
before the other's turn."""
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import compared, failed, wanted
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SETTLE = 0.05    # seconds between turns: PyTorch's threads spin for some milliseconds
PRINT = {"rustorch": 'for (int i = 0; i < 20000; i++) { printf("line %d\\n", i); }',
         "python3": "for i in range(20000): print('line', i)"}
EMPTY = {"rustorch": "1;", "python3": "1;", "echo": "1;"}
CHANGE = "changes = changes + 1;"   # a cell that a checkpoint follows; others change nothing
# What cells compute, against the same loop in ipykernel with PyTorch: name, repetitions (turns of
# some 30 ms and more in each kernel, as other rows have them: what a cell costs is a row of its
# own), and per kernel what makes the operands and what is timed.
CELLS = (
    ("sigmoid(a*b+c) 1e6 in a cell", {"rustorch": 200, "python3": 200}, {
        "rustorch": ("Tensor a = randn(1000, 1000), b = randn(1000, 1000), c = randn(1000, 1000);"
                     "Tensor y = a; no_grad {{ y = sigmoid(a * b + c); }}",
                     "for (int i = 0; i < {n}; i++) {{ y = sigmoid(a * b + c); }}"),
        "python3": ("a, b, c = (torch.randn(1000, 1000) for _ in range(3))",
                    "for i in range({n}): y = torch.sigmoid(a * b + c)")}),
    ("chain of 1000 in a cell", {"rustorch": 200, "python3": 20}, {
        "rustorch": ("Tensor b = ones(10); b.requires_grad_(true); Tensor y = b;",
                     "for (int k = 0; k < {n}; k++) {{ y = ones(10); "
                     "for (int i = 0; i < 1000; i++) {{ y = y * b; }} y.sum().backward(); }}"),
        "python3": ("b = torch.ones(10, requires_grad=True)",
                    "for k in range({n}):\n y = torch.ones(10)\n for i in range(1000): y = y * b\n"
                    " y.sum().backward()")}),
)


class Kernel:
    def __init__(self, name, env=None):
        self.name = name
        begin = time.perf_counter()
        self.manager = KernelManager(kernel_name=name)
        # ipykernel warns on stderr about each start.
        self.manager.start_kernel(env=env or dict(os.environ),
                                  stderr=None if name == "rustorch" else subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.kernel_info()
        self.client.get_shell_msg(timeout=60)
        self.start_us = (time.perf_counter() - begin) * 1e6
        self.client.wait_for_ready(timeout=60)
        self.idle_kb = self.memory_kb()

    def run(self, code):
        """Microseconds from the request to the idle status; `printed` is the last text it gave."""
        begin = time.perf_counter()
        request = self.client.execute(code)
        self.printed = ""
        while True:
            msg = self.client.get_iopub_msg(timeout=120)
            if msg["msg_type"] == "stream":
                self.printed = msg["content"]["text"]
            if (msg["parent_header"].get("msg_id") == request
                    and msg["content"].get("execution_state") == "idle"):
                break
        elapsed = (time.perf_counter() - begin) * 1e6
        reply = self.client.get_shell_msg(timeout=60)["content"]
        if reply["status"] != "ok":
            raise RuntimeError(f"{self.name}: {code}: {reply.get('evalue')}")
        return elapsed

    def queue(self, n):
        begin = time.perf_counter()
        for _ in range(n):
            self.client.execute(EMPTY[self.name])
        for _ in range(n):
            self.client.get_shell_msg(timeout=120)
        elapsed = (time.perf_counter() - begin) * 1e6
        while True:
            try:
                self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:   # the channel is drained
                return elapsed

    def memory_kb(self):
        """PSS of the kernel's process and everything below it."""
        pids, total = [self.manager.provisioner.pid], 0
        for pid in pids:
            children = subprocess.run(["pgrep", "-P", str(pid)], text=True, capture_output=True)
            pids += [int(p) for p in children.stdout.split()]
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


KERNELS = ("rustorch", "python3")
IDLE_ROW = "execute to idle p50"
START_ROWS = ("kernel start to first reply", IDLE_ROW, "20,000 printed lines",
              "1,000 queued cells", "kernel memory at idle (KB, PSS)")
GIB_ROW = "execute to idle p50 beside 1 GiB of tensors"
IMPORT_ROWS = ("import", "resident memory after import (KB)")


def echo_us():
    """What the client and libzmq take alone, against a program that answers a cell and runs none;
    None where there is no such program."""
    if "echo" not in KernelSpecManager().find_kernel_specs():
        return None
    k = Kernel("echo")
    try:
        return p50(k, EMPTY["echo"], 50)
    finally:
        k.close()


def kernel_rows(_, tuned, rounds=5):
    found = {row: {n: [] for n in KERNELS} for row in START_ROWS}
    least = []
    for _ in range(rounds):
        least.append(echo_us())
        for name in KERNELS:
            k = Kernel(name)
            values = (k.start_us, statistics.median(k.run(EMPTY[name]) for _ in range(50)),
                      k.run(PRINT[name]), k.queue(1000), k.idle_kb)
            for row, value in zip(START_ROWS, values):
                found[row][name].append(value)
            k.close()
    for row, times in found.items():
        r = compared(row, "ipykernel", 2, times["rustorch"], times["python3"])
        if row == IDLE_ROW and None not in least:
            r["limit_percent"] = 100 * statistics.median(least) / r["ours_us"]
        yield r


def pair(tuned):
    """Both kernels with two threads, and PyTorch imported where it is the peer."""
    kernels = {name: Kernel(name, dict(os.environ, OMP_NUM_THREADS="2", RT_NUM_THREADS="2", **extra))
               for name, extra in (("rustorch", {}), ("python3", tuned))}
    kernels["python3"].run("import torch; torch.set_num_threads(2)")
    return kernels


def close(kernels):
    for k in kernels.values():
        k.close()


def cell_rows(parts, tuned, rounds=9):
    kernels = pair(tuned)
    for row, times, code in CELLS:
        if not wanted(row, parts):
            continue
        found = {name: [] for name in kernels}
        for name, k in kernels.items():
            k.run(code[name][0].format())
            k.run(code[name][1].format(n=2))
        for i in range(rounds):
            for name in KERNELS if i % 2 == 0 else reversed(KERNELS):
                time.sleep(SETTLE)
                took = kernels[name].run(code[name][1].format(n=times[name]))
                found[name].append(took / times[name])
        yield compared(row, "torch", 2, found["rustorch"], found["python3"])
    close(kernels)


def p50(kernel, code, cells=40):
    return statistics.median(kernel.run(code) for _ in range(cells))


def made_in(kernel):
    """Milliseconds that making the newest checkpoint took the compute process."""
    time.sleep(SETTLE)
    kernel.run("%checkpoints")
    rows = [line for line in kernel.printed.splitlines() if line.endswith(" ms")]
    return float(rows[-1].split()[-2])


def checkpoint_cost(kernel, rounds=5):
    """Microseconds that checkpoints add to a small cell, from the next cell's reply on: medians
    with and without them, in turns; the second median; milliseconds to make one."""
    with_them, without, making = [], [], []
    for _ in range(rounds):
        kernel.run("%checkpoints on")
        with_them.append(p50(kernel, CHANGE))
        making.append(made_in(kernel))
        kernel.run("%checkpoints off")
        without.append(p50(kernel, CHANGE))
    kernel.run("%checkpoints on")
    alone = statistics.median(without)
    return statistics.median(with_them) - alone, alone, statistics.median(making)


def show_checkpoint_cost(kernel, gib):
    cost, without, making = checkpoint_cost(kernel)
    print(f"  checkpoint beside {gib} GiB of tensors: made in {making:.2f} ms; adds {cost:.0f} us to "
          f"cells that follow each other at once, beside {without:.0f} us")


def checkpoint_rows(_, tuned, rounds=7):
    """Cells beside 1 GiB of tensors; and what a checkpoint costs at 0, 1 and 4 GiB, also to cells
    that follow each other at once, so that what is left to do after a cell shows in the next."""
    kernels = pair(tuned)
    ours, theirs = kernels["rustorch"], kernels["python3"]
    ours.run("%checkpoints tensors=8192")
    ours.run("int changes = 0; List<Tensor> kept = [];")
    show_checkpoint_cost(ours, 0)
    more = "for (int i = 0; i < %d; i++) { kept.append(ones(16777216)); }"
    ours.run(more % 16)
    theirs.run("kept = [torch.ones(16777216) for _ in range(16)]")
    show_checkpoint_cost(ours, 1)
    found = {name: [] for name in kernels}
    for i in range(rounds):
        for name in KERNELS if i % 2 == 0 else reversed(KERNELS):
            time.sleep(SETTLE)
            found[name].append(p50(kernels[name], EMPTY[name]))
    ours.run(more % 48)
    show_checkpoint_cost(ours, 4)
    yield compared(GIB_ROW, "ipykernel", 2, found["rustorch"], found["python3"])
    close(kernels)


def import_rows(_, tuned, rounds=5):
    # Not getrusage: its maximum begins with the parent's memory before exec.
    code = ("import time; b = time.perf_counter(); import {0}; t = time.perf_counter() - b; "
            "print(t * 1e6, [l.split()[1] for l in open('/proc/self/status') if l[:5] == 'VmRSS'][0])")
    found = {n: ([], []) for n in ("rustorch", "torch")}
    for _ in range(rounds):
        for name, (times, sizes) in found.items():
            out = subprocess.check_output([sys.executable, "-c", code.format(name)], text=True)
            t, kb = out.split()
            times.append(float(t))
            sizes.append(float(kb))
    for row, i in zip(IMPORT_ROWS, range(2)):
        yield compared(row, "torch", 1, found["rustorch"][i], found["torch"][i])


GROUPS = ((tuple(row for row, _, _ in CELLS), cell_rows, "torch"),
          (START_ROWS, kernel_rows, "ipykernel"),
          ((GIB_ROW,), checkpoint_rows, "ipykernel"),
          (IMPORT_ROWS, import_rows, "torch"))


def make_home(home, programs):
    """A Jupyter home for all kernels: ours as built, and histories that begin empty."""
    for name, program in programs.items():
        spec = home / "jupyter" / "kernels" / name
        spec.mkdir(parents=True)
        spec.joinpath("kernel.json").write_text(json.dumps({
            "argv": [program, "-f", "{connection_file}"], "display_name": name,
            "language": name, "interrupt_mode": "signal", "kernel_protocol_version": "5.6.0"}))
    os.environ.update(JUPYTER_PATH=str(home / "jupyter"), JUPYTER_RUNTIME_DIR=str(home / "run"),
                      XDG_DATA_HOME=str(home / "data"), IPYTHONDIR=str(home / "ipython"))


def measure_all(parts, program, tuned, echo=None):
    """The rows whose name holds one of `parts`; rows of a group that are measured together come
    together. `program`: our kernel; `tuned`: the peer's environment; `echo`: what answers cells
    and runs none."""
    with tempfile.TemporaryDirectory() as home:
        make_home(Path(home), {"rustorch": program, **({"echo": echo} if echo else {})})
        yield from measure_groups(parts, tuned)


def measure_groups(parts, tuned):
    for rows, measure, peer in GROUPS:
        names = [row for row in rows if wanted(row, parts)]
        try:
            if names:
                yield from measure(parts, tuned)
        except (RuntimeError, queue.Empty, subprocess.CalledProcessError) as error:
            yield failed(names[0], peer, 2, f"{type(error).__name__}: {error}")
