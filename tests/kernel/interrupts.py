# SPDX-License-Identifier: MIT
"""interrupts.py BUILD [--samples N] [--rows part,part] [--seed N]: how soon an interrupt ends a cell.

A cell runs, an interrupt is sent at a random moment (by signal and by message
in turn), and the time until the cell's reply is here is taken; a second
interrupt follows some of them. Every sample ends with KeyboardInterrupt, and
variables are asked for afterwards. Beside it ipykernel's figure where the same
can be asked of it (with PyTorch, where that is there). Ends with an error when
a 99th percentile exceeds LIMIT_MS, or a variable has changed. A virtual machine's
host may give its processors to others meanwhile: how much it took in each row,
and the slowest samples during which it did, are said beside.
"""
import argparse
import collections
import contextlib
import dataclasses
import importlib.util
import json
import math
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import client  # noqa: E402
import torture  # noqa: E402

LIMIT_MS = 10
PATIENCE = 60           # seconds that any one interrupt may take at all
SAMPLES = 200           # the 99th percentile is the 198th of them
ROW_SECONDS = 120       # then a row has as many samples as it has
TITLE = (f"\ninterrupts, ms from sending to the cell's reply; p99 at most {LIMIT_MS}\n"
         f"{'':16} {'n':>4} {'p50':>8} {'p99':>8} {'most':>8} {'stolen':>9}   |   ipykernel")
CHECK = "int kept = 41; Tensor whole = arange(1000); Tensor target = zeros(50000000);"


@dataclasses.dataclass
class Row:
    """One situation: cells of ours, and Python cells for ipykernel."""
    name: str
    body: str
    setup: str = ""
    python: str = ""
    python_setup: str = ""
    spread: float = 0.1     # seconds within which the moment is chosen
    names: str = ""         # what the error must say


IMPORT = "import torch, time\n"
ROWS = [
    Row("tight loop", "int i = 0; while (true) { i = i + 1; }",
        python="i = 0\nwhile True: i += 1"),
    Row("matmul 4096", "while (true) { Tensor p = left @ right; }",
        "Tensor left = randn(4096, 4096); Tensor right = randn(4096, 4096);",
        "while True: left @ right",
        IMPORT + "left = torch.randn(4096, 4096); right = torch.randn(4096, 4096)", 0.5),
    Row("convolution", "while (true) { Tensor c = conv2d(images, filters, padding=1); }",
        "Tensor images = randn(32, 64, 56, 56); Tensor filters = randn(64, 64, 3, 3);",
        "while True: torch.conv2d(images, filters, padding=1)",
        IMPORT + "images = torch.randn(32, 64, 56, 56); filters = torch.randn(64, 64, 3, 3)", 0.3),
    Row("sort of 1e8", "while (true) { auto [sorted, order] = sort(numbers); }",
        "Tensor numbers = rand(100000000);", "while True: torch.sort(numbers)",
        IMPORT + "numbers = torch.rand(100000000)", 4.0),
    Row("data loader", "while (true) { for (auto [a, b] : loader(rows, marks, batch_size=64, "
        "shuffle=true, num_workers=2)) { seen = seen + 1; } }",
        "Tensor rows = randn(60000, 784); Tensor marks = randint(0, 10, [60000]); int seen = 0;",
        "while True:\n    for a, b in torch.utils.data.DataLoader(data, batch_size=64, "
        "shuffle=True, num_workers=0): pass",
        IMPORT + "data = torch.utils.data.TensorDataset(torch.randn(60000, 784), "
        "torch.randint(0, 10, [60000]))", 0.5),
    Row("input()", 'input("? ")', python='input("? ")'),
    Row("sleep", "sleep(600);", python="time.sleep(600)", python_setup="import time"),
    Row("1e6-line print", 'for (int i = 0; i < 1000000; i++) { printf("line %d\\n", i); } '
        "while (true) { }",
        python='for i in range(1000000): print("line", i)\nwhile True: pass'),
    Row("backward", "while (true) { Tensor y = net(batch).sum(); y.backward(); net.zero_grad(); }",
        "auto net = Sequential(Conv2d(16, 64, 3, padding=1), ReLU(), Conv2d(64, 64, 3, padding=1), "
        "ReLU(), Flatten(), Linear(65536, 256), ReLU(), Linear(256, 10)); "
        "Tensor batch = randn(16, 16, 32, 32);",
        "while True:\n    net(batch).sum().backward(); net.zero_grad()",
        IMPORT + "from torch import nn\nnet = nn.Sequential(nn.Conv2d(16, 64, 3, padding=1), "
        "nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), "
        "nn.Linear(65536, 256), nn.ReLU(), nn.Linear(256, 10))\nbatch = torch.randn(16, 16, 32, 32)",
        0.3),
    Row("in place", "while (true) { target.add_(1.0); }", spread=0.2,
        names="float32 tensor of shape [50000000]"),
]


def interrupt(kernel, by):
    if by == "signal":
        os.kill(kernel.pid, signal.SIGINT)
    else:
        kernel.send("interrupt_request", channel="control")


def stolen_ms():
    """What the host has taken of this machine's processors, all together; 0 where none says so."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return 1000 * int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0


def answered(kernel, count):
    """Until the kernel has answered its interrupt messages: none is late."""
    for _ in range(count):
        kernel.kc.control_channel.get_msg(timeout=PATIENCE)


def begin(kernel, row, code):
    """Runs the row's cell; its id, once it is where it is to be interrupted."""
    msg_id = kernel.kc.execute(code, allow_stdin=True)
    if row.name == "input()":
        kernel.kc.get_stdin_msg(timeout=PATIENCE)
    else:
        msg = None
        while not msg or msg["parent_header"].get("msg_id") != msg_id or msg["content"].get("name") != "stdout":
            msg = kernel.kc.get_iopub_msg(timeout=PATIENCE)
            assert msg["msg_type"] != "error", msg["content"]
    return msg_id


def sample(kernel, row, rng, by, code, twice):
    """Milliseconds from the interrupt to the reply, the reply, and whether the host stole then."""
    msg_id = begin(kernel, row, code)
    time.sleep(rng.random() * row.spread)
    stolen = stolen_ms()
    began = time.perf_counter()
    interrupt(kernel, by)
    if twice:
        time.sleep(rng.random() * 0.003)
        interrupt(kernel, by)
    reply = kernel.kc.get_shell_msg(timeout=PATIENCE)
    took = (time.perf_counter() - began) * 1000
    robbed = stolen_ms() > stolen
    assert reply["parent_header"]["msg_id"] == msg_id, reply
    if by == "message":
        answered(kernel, 1 + twice)
    kernel.outputs(msg_id)
    return took, reply["content"], robbed


def value(kernel, expression):
    _, outputs = kernel.run(expression)
    return "".join(m["content"]["data"]["text/plain"] for m in outputs
                   if m["msg_type"] == "execute_result")


@dataclasses.dataclass
class Figures:
    """Of one row, in ms."""
    times: list
    wrong: list
    robbed: list            # those of the times during which the host stole
    stolen: float = 0       # in the whole row

    def at(self, part):
        """The smallest time that so many of all are not above."""
        return sorted(self.times)[max(0, math.ceil(part * len(self.times)) - 1)]

    def text(self):
        return (f"{len(self.times):4} {self.at(.5):8.1f} {self.at(.99):8.1f} "
                f"{max(self.times):8.1f} {self.stolen:6.0f} ms")

    def robbery(self):
        slow = sorted((t for t in self.robbed if t > LIMIT_MS), reverse=True)
        if not slow:
            return ""
        rest = list((collections.Counter(self.times) - collections.Counter(self.robbed)).elements())
        return (f"the host stole during {', '.join(f'{t:.1f}' for t in slow)} ms"
                + (f"; p99 of the {len(rest)} others {Figures(rest, [], []).at(.99):.1f}" if rest else ""))


def ours(kernel, row, samples, rng):
    """The figures of one row; what was not as it must be is in `wrong`."""
    found = Figures([], [], [])
    if row.setup:
        reply, _ = kernel.run(row.setup)
        assert reply["status"] == "ok", (row.name, reply)
    first, end = stolen_ms(), time.time() + ROW_SECONDS
    for i in range(samples):
        if i >= 2 and time.time() > end:
            break
        by, twice = ("signal", "message")[i % 2], i % 3 == 2
        took, reply, robbed = sample(kernel, row, rng, by, f'printf("go\\n"); {row.body}', twice)
        found.times.append(took)
        found.robbed += [took] if robbed else []
        if reply.get("ename") != "KeyboardInterrupt":
            found.wrong.append(f"ended with {reply.get('ename', reply['status'])}")
        elif (row.names not in reply["evalue"] + "".join(reply["traceback"])
              and "before it began" not in reply["evalue"]):
            found.wrong.append(f"does not name {row.names}: {reply['evalue']}")
        if value(kernel, "kept + whole.sum().item()") != "499541.0":
            found.wrong.append("variables changed")
    found.stolen = stolen_ms() - first
    return found


def theirs(kernel, row, samples, rng):
    """ipykernel's figures, from fewer samples where one takes seconds."""
    found = Figures([], [], [])
    reply, _ = kernel.run(row.python_setup or "pass")
    if reply["status"] != "ok":
        return None
    first, end = stolen_ms(), time.time() + ROW_SECONDS / 4
    for i in range(samples):
        if i >= 2 and time.time() > end:
            break
        took, *_ = sample(kernel, row, rng, "signal", f"print('go', flush=True)\n{row.python}", False)
        found.times.append(took)
    found.stolen = stolen_ms() - first
    return found


def install(folder, build):
    """Kernelspecs of ours and of ipykernel, under a home of their own."""
    rows = {"rustorch": [str(build.resolve() / "rustorch-kernel"), "-f", "{connection_file}"],
            "rival": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    for name, argv in rows.items():
        spec = folder / "jupyter" / "kernels" / name
        spec.mkdir(parents=True)
        spec.joinpath("kernel.json").write_text(json.dumps({
            "argv": argv, "display_name": "RusTorch" if name == "rustorch" else name,
            "language": name, "interrupt_mode": "signal"}))
    os.environ.update(JUPYTER_PATH=str(folder / "jupyter"), JUPYTER_RUNTIME_DIR=str(folder / "run"),
                      XDG_DATA_HOME=str(folder / "data"), IPYTHONDIR=str(folder / "ipython"))


def measure(build, samples, seed, rows=None, rival=True):
    """[(row, ours, theirs or None)]"""
    rng, table = random.Random(seed), []
    rival = rival and importlib.util.find_spec("ipykernel") is not None
    with tempfile.TemporaryDirectory() as folder:
        install(pathlib.Path(folder), build)
        for row in rows or ROWS:
            kernel = client.Kernel("rustorch")
            try:
                kernel.run(CHECK)
                mine = ours(kernel, row, samples, rng)
            finally:
                kernel.close()
            other = None
            if rival and row.python:
                kernel = client.Kernel("rival")
                try:
                    other = theirs(kernel, row, samples, rng)
                finally:
                    kernel.close()
            table.append((row, mine, other))
            yield table[-1]


def line(row, mine, other):
    text = f"{row.name:16} {mine.text()}"
    if other:
        text += f"   |{other.text()}"
    notes = [*sorted(set(mine.wrong)), mine.robbery()]
    return text + "".join(f"\n    {note}" for note in notes if note)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--samples", type=int, default=SAMPLES)
    options.add_argument("--rows", default="")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options.add_argument("--alone", action="store_true", help="without ipykernel")
    options.add_argument("--bare", action="store_true", help="the rows alone")
    given = options.parse_args()
    parts = given.rows.split(",") if given.rows else [""]
    rows = [r for r in ROWS if any(p in r.name for p in parts)]
    if not given.bare:
        print(TITLE + f" (seed {given.seed})")
    slow = wrong = 0
    for row, mine, other in measure(given.build, given.samples, given.seed, rows, not given.alone):
        print(line(row, mine, other), flush=True)
        slow += mine.at(.99) > LIMIT_MS
        wrong += len(mine.wrong)
        for i in range(len(mine.times)):
            with contextlib.suppress(AssertionError), torture.case(f"interrupts: {row.name}"):
                assert i >= len(mine.wrong)
    if not given.bare:
        print(f"{len(rows)} situations, {slow} beyond {LIMIT_MS} ms at p99, {wrong} wrong")
    sys.exit(1 if slow or wrong else 0)


if __name__ == "__main__":
    main()
