# SPDX-License-Identifier: MIT
"""Rows against ipykernel, through jupyter_client, and import and memory rows."""
import os
import statistics
import subprocess
import sys
import time

from jupyter_client.manager import KernelManager

PRINT = {"rustorch": 'for (int i = 0; i < 20000; i++) { printf("line %d\\n", i); }',
         "python3": "for i in range(20000): print('line', i)"}
EMPTY = {"rustorch": "1;", "python3": "1;"}
# What cells compute, against the same loop in ipykernel with PyTorch: name, repetitions, and per
# kernel what makes the operands and what is timed.
CELLS = (
    ("sigmoid(a*b+c) 1e6 in a cell", 200, {
        "rustorch": ("Tensor a = randn(1000, 1000), b = randn(1000, 1000), c = randn(1000, 1000);"
                     "Tensor y = a; no_grad {{ y = sigmoid(a * b + c); }}",
                     "for (int i = 0; i < {n}; i++) {{ y = sigmoid(a * b + c); }}"),
        "python3": ("a, b, c = (torch.randn(1000, 1000) for _ in range(3))",
                    "for i in range({n}): y = torch.sigmoid(a * b + c)")}),
    ("chain of 1000 in a cell", 20, {
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
        self.manager.start_kernel(env=env)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.kernel_info()
        self.client.get_shell_msg(timeout=60)
        self.start_us = (time.perf_counter() - begin) * 1e6
        self.client.wait_for_ready(timeout=60)

    def run(self, code):
        """Microseconds from the request to the idle status."""
        begin = time.perf_counter()
        request = self.client.execute(code)
        while True:
            msg = self.client.get_iopub_msg(timeout=120)
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
            except Exception:   # queue.Empty: the channel is drained
                return elapsed

    def memory_kb(self):
        """PSS of the kernel's process and its children."""
        pids = [self.manager.provisioner.pid]
        children = subprocess.run(["pgrep", "-P", str(pids[0])], text=True, capture_output=True)
        pids += [int(p) for p in children.stdout.split()]
        total = 0
        for pid in pids:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def compared(row, peer, ours, theirs):
    ratios = [t / o for o, t in zip(ours, theirs)]
    return {"row": row, "peer": peer, "threads": 2, "ours_us": statistics.median(ours),
            "peer_us": statistics.median(theirs), "ratio": statistics.median(ratios),
            "low": min(ratios), "high": max(ratios), "limit_percent": None}


def kernel_rows(rounds=5):
    names = ("rustorch", "python3")
    starts, runs, prints, queues, memory = ({n: [] for n in names} for _ in range(5))
    for _ in range(rounds):
        for name in names:
            k = Kernel(name)
            starts[name].append(k.start_us)
            memory[name].append(k.memory_kb())
            runs[name].append(statistics.median(k.run(EMPTY[name]) for _ in range(50)))
            prints[name].append(k.run(PRINT[name]))
            queues[name].append(k.queue(1000))
            k.close()
    for row, found in (("kernel start to first reply", starts), ("execute to idle p50", runs),
                       ("20,000 printed lines", prints), ("1,000 queued cells", queues),
                       ("kernel memory at idle (KB, PSS)", memory)):
        yield compared(row, "ipykernel", found["rustorch"], found["python3"])


def cell_rows(tuned, rounds=7):
    kernels = {name: Kernel(name, dict(os.environ, OMP_NUM_THREADS="2", RT_NUM_THREADS="2", **extra))
               for name, extra in (("rustorch", {}), ("python3", tuned))}
    kernels["python3"].run("import torch; torch.set_num_threads(2)")
    for row, n, code in CELLS:
        found = {name: [] for name in kernels}
        for name, k in kernels.items():
            k.run(code[name][0].format())
            k.run(code[name][1].format(n=2))
        for _ in range(rounds):
            for name, k in kernels.items():
                found[name].append(k.run(code[name][1].format(n=n)) / n)
        yield compared(row, "torch", found["rustorch"], found["python3"])
    for k in kernels.values():
        k.close()


def import_rows(rounds=5):
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
    yield compared("import", "torch", found["rustorch"][0], found["torch"][0])
    yield compared("resident memory after import (KB)", "torch", found["rustorch"][1], found["torch"][1])


def measure_all(wanted, tuned):
    """Only when all rows, or rows named kernel, cell or import, are wanted. `tuned`: the peer's
    environment."""
    if not wanted or any(w in row for w in wanted for row, _, _ in CELLS):
        yield from cell_rows(tuned)
    if not wanted or any(w in "kernel execute printed queued memory" for w in wanted):
        yield from kernel_rows()
    if not wanted or any(w in "import resident" for w in wanted):
        yield from import_rows()
