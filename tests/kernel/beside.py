# SPDX-License-Identifier: MIT
"""beside.py BUILD [--gib N,N]: what a checkpoint costs, and what crashes and questions do to ipykernel.

Per amount of tensors: milliseconds that making a checkpoint takes the compute
process, that it adds to a small cell (with and without, in turns), and from a
crash to the reply with every variable back. Then the same crash and the same
question while a cell computes, of ours and of ipykernel. Ends with an error
when a checkpoint beside at most 1 GiB takes more than LIMIT_MS, or ours lost.
"""
import argparse
import contextlib
import importlib.util
import io
import os
import pathlib
import queue
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import client  # noqa: E402
import interrupts  # noqa: E402
import torture  # noqa: E402

LIMIT_MS = 2
ROUNDS, CELLS, CRASHES = 5, 20, 5
CHANGE = "changes = changes + 1;"


def end(kernel):
    """Without the log of crashes that were asked for."""
    with contextlib.redirect_stdout(io.StringIO()):
        kernel.close()


def memory_gib():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / (1 << 20)
    return 0


def cell_ms(kernel):
    """Of a small cell that changes a variable: the median."""
    times = []
    for _ in range(CELLS):
        began = time.perf_counter()
        assert kernel.run(CHANGE)[0]["status"] == "ok"
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def made_ms(kernel):
    """How long the newest checkpoint took to make."""
    rows = client.text(kernel.run("%checkpoints")[1]).splitlines()
    return [float(row.split()[-2]) for row in rows if row.endswith(" ms")][-1]


def crash_ms(kernel, compute_pid):
    """From the crash of a cell to its reply."""
    msg_id = kernel.spin()
    began = time.perf_counter()
    os.kill(compute_pid, signal.SIGSEGV)
    reply = kernel.reply(msg_id)
    took = (time.perf_counter() - began) * 1000
    assert reply["ename"] == "ComputeProcessDied" and "as they were before" in reply["evalue"], reply
    kernel.outputs(msg_id)
    return took


def cost_row(gib):
    """made, added by it, restored: medians in ms, and the most that making took."""
    kernel = client.Kernel("rustorch")
    try:
        kernel.run("int changes = 0; List<Tensor> kept = [];")
        kernel.run("%checkpoints tensors=65536 memory=65536")
        if gib:
            kernel.run(f"for (int i = 0; i < {gib * 16}; i++) {{ kept.append(ones(16777216)); }}")
        made, added, restored = [], [], []
        for _ in range(ROUNDS):
            kernel.run("%checkpoints on")
            with_them = cell_ms(kernel)
            made.append(made_ms(kernel))
            kernel.run("%checkpoints off")
            added.append(with_them - cell_ms(kernel))
        kernel.run("%checkpoints on")
        for i in range(3):
            kernel.run(CHANGE)
            kernel.run("%checkpoints")
            with torture.case(f"crash beside {gib} GiB of tensors"):
                restored.append(crash_ms(kernel, kernel.compute_pid()))
                want = f"{gib * 16} {ROUNDS * 2 * CELLS + i + 1}"
                got = client.text(kernel.run('printf("%d %d", len(kept), changes);')[1])
                assert got == want, (got, want)
        return (*map(statistics.median, (made, added, restored)), max(made))
    finally:
        end(kernel)


def costs(sizes):
    print(f"\ncheckpoints\n{'tensors':16} {'made in':>9} {'most':>9} {'adds':>9} {'crash to reply':>15}")
    slow = 0
    for gib in sizes:
        if memory_gib() < 3 * gib + 1:
            print(f"{gib:3} GiB          not measured: {memory_gib():.0f} GiB of memory are free")
            continue
        made, added, restored, most = cost_row(gib)
        slow += gib <= 1 and made > LIMIT_MS
        print(f"{gib:3} GiB          {made:6.2f} ms {most:6.2f} ms {added:6.2f} ms {restored:12.0f} ms",
              flush=True)
    return slow


# --- crashes and questions, beside ipykernel ------------------------------------

def ours_kept():
    kernel, kept = client.Kernel("rustorch"), 0
    try:
        for i in range(CRASHES):
            kernel.run(f"int kept_{i} = {i};")
            kernel.run("%checkpoints")
            with contextlib.suppress(AssertionError), torture.case("crash beside ipykernel"):
                crash_ms(kernel, kernel.compute_pid())
                assert interrupts.value(kernel, f"kept_{i}") == str(i)
                kept += 1
    finally:
        end(kernel)
    return kept


def theirs_kept():
    """Its manager starts it anew, as a notebook server does; the variable is asked for then."""
    kept = 0
    for i in range(CRASHES):
        kernel = client.Kernel("rival")
        try:
            kernel.run(f"kept = {i}")
            kernel.kc.execute("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
            client.wait_gone(kernel.pid)
            kernel.kc.stop_channels()
            kernel.km.restart_kernel(now=True)
            kernel.kc = kernel.client()
            kept += interrupts.value(kernel, "kept") == str(i)
        finally:
            end(kernel)
    return kept


def answer_ms(name, busy, code):
    """Until a completion comes while a cell computes for two seconds."""
    kernel, times = client.Kernel(name), []
    try:
        for _ in range(5):
            msg_id = kernel.kc.execute(busy)
            kernel.wait_for(msg_id, "status", execution_state="busy")
            time.sleep(0.2)
            began = time.perf_counter()
            asked = kernel.kc.complete(code, len(code))
            while True:
                with contextlib.suppress(queue.Empty):
                    if kernel.kc.get_shell_msg(timeout=10)["parent_header"]["msg_id"] == asked:
                        break
            times.append((time.perf_counter() - began) * 1000)
            kernel.outputs(msg_id)
    finally:
        end(kernel)
    return statistics.median(times)


def beside():
    rival = importlib.util.find_spec("ipykernel") is not None
    print(f"\n{'':34} {'ours':>10} | ipykernel")
    kept = ours_kept()
    print(f"{'variables kept after a crash':34} {kept:7}/{CRASHES}"
          + (f"  | {theirs_kept()}/{CRASHES}" if rival else ""), flush=True)
    ours = answer_ms("rustorch", "Tensor a = randn(2000, 2000); for (int i = 0; i < 1000; i++) "
                     "{ if (i % 2 == 0) { a = a.tanh(); } } sleep(1);", "rel")
    line = f"{'completion while a cell computes':34} {ours:7.1f} ms"
    if rival:
        line += f" | {answer_ms('rival', 'import time; e = time.time() + 2' + chr(10) + 'while time.time() < e: pass', 'imp'):.1f} ms"
    print(line, flush=True)
    return CRASHES - kept


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--gib", default="0,1,4")
    options.add_argument("--only", choices=["costs", "beside"])
    given = options.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        interrupts.install(pathlib.Path(folder), given.build)
        if given.only != "beside":
            wrong += costs([int(n) for n in given.gib.split(",")])
        if given.only != "costs":
            wrong += beside()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
