# SPDX-License-Identifier: MIT
"""session.py BUILD [--valgrind]: one kernel session under a memory checker.

Drives BUILD/rustorch-kernel (a sanitizer build, or any build under Valgrind)
through what users do: cells that compute, train, draw, print, ask, fail and
are interrupted, questions beside them, and a shutdown in order. Ends with an
error when the checker has something to say, of the front or of the compute
process. The reports are printed.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import client  # noqa: E402

CELLS = [
    ("ok", "Tensor a = randn(64, 64, requires_grad=true); Tensor y = (a @ a).relu().sum(); y.backward();"),
    ("ok", "a.grad.mean()"),
    ("ok", "auto model = Sequential(Linear(8, 16), ReLU(), Linear(16, 3));\n"
           "auto optimizer = Adam(model.parameters(), lr=1e-2);\n"
           "Tensor x = randn(90, 8); Tensor t = randint(0, 3, [90]);\n"
           "for (int i = 0; i < 5; i++) { optimizer.zero_grad();\n"
           "    Tensor l = cross_entropy(model(x), t); l.backward(); optimizer.step(); }"),
    ("ok", "conv2d(randn(2, 3, 12, 12), randn(4, 3, 3, 3)).shape"),
    ("ok", "plot(linspace(0, 1, 20), title=\"line\"); imshow(rand(8, 8));"),
    ("ok", "show(model);"),
    ("ok", 'for (int i = 0; i < 3000; i++) { printf("line %d\\n", i); }'),
    ("error", "zeros(2, 3) @ zeros(4, 5)"),
    ("error", "softmx(a, 1)"),
    ("error", "int f( {"),
    ("ok", "float f(float v) { return v * 2.0; }\nf(4.0)"),
    ("ok", "string s = \"\"; for (int i = 0; i < 100; i++) { s = s + \"ab\"; }\nlen(s)"),
    ("ok", "sort(randn(1000)).values.sum()"),
    ("ok", "%who"),
    ("ok", "a = zeros(3);"),
    ("ok", "%undo"),
    ("ok", "%checkpoints"),
    ("ok", "a.shape"),
]
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                    r"ERROR SUMMARY: [1-9]|definitely lost: [1-9]|indirectly lost: [1-9]")


def install(folder, argv):
    spec = folder / "jupyter" / "kernels" / "checked"
    spec.mkdir(parents=True)
    spec.joinpath("kernel.json").write_text(json.dumps({
        "argv": argv, "display_name": "checked", "language": "rustorch",
        "interrupt_mode": "signal", "kernel_protocol_version": "5.6.0"}))
    os.environ.update(JUPYTER_PATH=str(folder / "jupyter"), JUPYTER_RUNTIME_DIR=str(folder / "run"),
                      XDG_DATA_HOME=str(folder / "data"), HOME=str(folder))


def drive(kernel):
    for status, code in CELLS:
        reply, outputs = kernel.run(code)
        assert reply["status"] == status, (code, reply, client.text(outputs, "stderr"))
    for kind, content in [("complete_request", {"code": "mode", "cursor_pos": 4}),
                          ("inspect_request", {"code": "relu", "cursor_pos": 2}),
                          ("is_complete_request", {"code": "for (;;) {"}),
                          ("history_request", {"hist_access_type": "tail", "n": 5}),
                          ("comm_info_request", {})]:
        assert kernel.ask(kind, content)["status"] in ("ok", "incomplete"), kind
    spinning = kernel.spin()
    kernel.ask("complete_request", {"code": "mod", "cursor_pos": 3})
    kernel.km.interrupt_kernel()
    assert kernel.reply(spinning)["ename"] == "KeyboardInterrupt"
    kernel.outputs(spinning)
    asked = kernel.kc.execute('input("name? ")', allow_stdin=True)
    kernel.kc.get_stdin_msg(timeout=client.TIMEOUT)
    kernel.kc.input("somebody")
    assert kernel.reply(asked)["status"] == "ok"
    kernel.outputs(asked)
    assert kernel.ask("shutdown_request", {"restart": False}, "control")["status"] == "ok"
    kernel.km.provisioner.process.wait(client.TIMEOUT)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--valgrind", action="store_true")
    given = options.parse_args()
    argv = [str(given.build.resolve() / "rustorch-kernel"), "-f", "{connection_file}"]
    if given.valgrind:
        tool = shutil.which("valgrind")
        if not tool:
            sys.exit("session.py: valgrind is not installed")
        argv = [tool, "--leak-check=full", "--show-leak-kinds=definite,indirect",
                "--errors-for-leak-kinds=definite,indirect", "--trace-children=yes",
                "--log-file={reports}/%p"] + argv
    client.TIMEOUT = 600
    with tempfile.TemporaryDirectory() as folder:
        reports = pathlib.Path(folder, "reports")
        reports.mkdir()
        install(pathlib.Path(folder), [a.replace("{reports}", str(reports)) for a in argv])
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            os.environ[name] = f"log_path={reports}/{name}:die_after_fork=0:print_stacktrace=1:" \
                               + os.environ.get(name, "")
        kernel = client.Kernel("checked")
        try:
            drive(kernel)
            kernel.log_at_end = kernel.log()
        finally:
            kernel.close()
        log = kernel.log_at_end + "".join(f.read_text(errors="replace")
                                          for f in sorted(reports.iterdir()))
        print(log)
        processes = len(list(reports.iterdir()))
    found = REPORT.findall(log)
    print(f"{len(CELLS) + 8} requests answered, {len(found)} reports"
          + (f" of {processes} processes" if given.valgrind else ""))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
