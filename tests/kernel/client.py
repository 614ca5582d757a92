# SPDX-License-Identifier: MIT
"""A kernel and a client, with the few things the tests ask of them."""
import contextlib
import os
import pathlib
import queue
import tempfile
import time

from dialect import cell
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

# Only what hangs meets it: the machine may be slow and busy.
TIMEOUT = 60


class Kernel:
    """A started kernel `km` and its first client `kc`."""

    def __init__(self, name, **options):
        for _ in range(5):
            self.stderr = tempfile.TemporaryFile()
            self.km = KernelManager(kernel_name=name, shutdown_wait_time=TIMEOUT, **options)
            self.km.start_kernel(stderr=self.stderr)
            try:
                self.kc = self.client()
                return
            except RuntimeError:
                # Between the choice of a port and its use anybody may take it.
                if "cannot bind" not in self.log() or self.km.is_alive():
                    raise AssertionError(self.log())
        raise AssertionError("five times a port was taken")

    def client(self):
        kc = self.km.client()
        kc.start_channels()
        kc.wait_for_ready(timeout=TIMEOUT)
        self.settle(kc)
        return kc

    def settle(self, kc=None):
        """Until nothing of earlier requests can arrive any more."""
        kc = kc or self.kc
        msg_id = kc.kernel_info()
        self.reply(msg_id, kc)
        self.outputs(msg_id, kc)

    def log(self):
        """What the kernel has written on its stderr."""
        return os.pread(self.stderr.fileno(), 1 << 24, 0).decode(errors="replace")

    def stranger(self):
        """Another client, with a session (and so an address) of its own."""
        kc = self.km.client(session=Session(key=self.km.session.key))
        kc.start_channels()
        return kc

    def close(self):
        self.kc.stop_channels()
        if self.km.has_kernel:
            self.km.shutdown_kernel(now=True)
        print(self.log(), end="")       # shown with a test that fails
        self.stderr.close()

    @property
    def pid(self):
        return self.km.provisioner.pid

    def compute_pid(self):
        """The compute process: a child of the front, as checkpoints may be too."""
        deadline = time.time() + TIMEOUT
        while time.time() < deadline:
            for pid in family(self.pid):
                if name_of(pid) == "rt-compute":
                    return pid
            time.sleep(0.01)
        raise AssertionError("no compute process")

    def outputs(self, msg_id, kc=None):
        """The iopub messages of one request, from busy to idle, both left out."""
        found = []
        while True:
            msg = (kc or self.kc).get_iopub_msg(timeout=TIMEOUT)
            if msg["parent_header"].get("msg_id") != msg_id:
                continue
            if msg["msg_type"] == "status":
                if msg["content"]["execution_state"] == "idle":
                    return found
                continue
            found.append(msg)

    def reply(self, msg_id, kc=None):
        while True:
            msg = (kc or self.kc).get_shell_msg(timeout=TIMEOUT)
            if msg["parent_header"].get("msg_id") == msg_id:
                return msg["content"]

    def run(self, code, **options):
        """Executes; the reply's content and the output messages."""
        msg_id = self.kc.execute(code, **options)
        reply = self.reply(msg_id)
        return reply, self.outputs(msg_id)

    def ask(self, msg_type, content=None, channel="shell"):
        """Sends any request, waits for its reply's content."""
        sock = getattr(self.kc, f"{channel}_channel")
        msg = self.kc.session.msg(msg_type, content or {})
        sock.send(msg)
        while True:
            reply = sock.get_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == msg["header"]["msg_id"]:
                return reply["content"]

    def received(self):
        """Until the kernel has read what was sent on shell before: it answers
        this question also while a cell runs."""
        self.ask("kernel_info_request")

    def send(self, msg_type, content=None, channel="shell"):
        """Sends a message that need not have a reply; its id."""
        msg = self.kc.session.msg(msg_type, content or {})
        getattr(self.kc, f"{channel}_channel").send(msg)
        return msg["header"]["msg_id"]

    def wait_for(self, msg_id, msg_type, **content):
        """Reads iopub until such a message of the request comes."""
        while True:
            msg = self.kc.get_iopub_msg(timeout=TIMEOUT)
            if (msg["parent_header"].get("msg_id") == msg_id and msg["msg_type"] == msg_type
                    and content.items() <= msg["content"].items()):
                return msg

    def spin(self):
        """Starts a cell that runs until interrupted; its id, once it runs."""
        msg_id = self.kc.execute(cell("spin"))
        self.wait_for(msg_id, "stream", text="spinning\n")
        return msg_id


def text(outputs, name="stdout"):
    return "".join(m["content"]["text"] for m in outputs
                   if m["msg_type"] == "stream" and m["content"]["name"] == name)


def types(outputs):
    return [m["msg_type"] for m in outputs]


def drain(channel):
    """Whatever waits on a channel."""
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(channel.get_msg(timeout=0.1))
    return found


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def parents():
    """{process: its parent}. (The kernel's own lists of children may leave some
    out while others end.)"""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return found


def family(pid):
    """The process's children and theirs."""
    known, found = parents(), [pid]
    for one in found:
        found += [child for child, parent in known.items() if parent == one]
    return found[1:]


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_gone(pid, seconds=TIMEOUT):
    deadline = time.time() + seconds
    while alive(pid):
        assert time.time() < deadline, f"process {pid} still runs"
        time.sleep(0.002)
