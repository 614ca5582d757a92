# SPDX-License-Identifier: MIT
"""Who may talk to a kernel: keys, encryption, files, addresses. See docs/security.md."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest
import zmq
from client import TIMEOUT, Kernel, family, name_of, text, wait_gone
from dialect import KERNEL, cell
from jupyter_client.blocking import BlockingKernelClient

SOCKETS = dict(shell=zmq.DEALER, control=zmq.DEALER, stdin=zmq.DEALER, iopub=zmq.SUB, hb=zmq.REQ)
SECRET = "what-only-this-cell-says"


def connection(kernel):
    return json.loads(pathlib.Path(kernel.km.connection_file).read_text())


@pytest.fixture(scope="module", params=["tcp", "ipc"])
def encrypted(request, tmp_path_factory):
    ipc = dict(transport="ipc", ip=str(tmp_path_factory.mktemp("ipc") / "k"))
    k = Kernel(KERNEL, transport_encryption="required", **(ipc if request.param == "ipc" else {}))
    yield k
    k.close()


@pytest.fixture
def program():
    path = pathlib.Path(os.environ["JUPYTER_PATH"], "kernels", KERNEL, "kernel.json")
    return json.loads(path.read_text())["argv"][0]


@pytest.fixture
def start(program, tmp_path):
    """Starts a kernel on a connection file that it refuses; what it says."""
    def start(more, lax=None, **environment):
        file = tmp_path / "connection.json"
        file.touch(0o600)
        ports = {p + "_port": i + 1 for i, p in enumerate(SOCKETS)}
        file.write_text(json.dumps({**ports, "key": "k", **more}) if isinstance(more, dict)
                        else more)
        done = subprocess.run([program, "-f", str(file)], capture_output=True, text=True,
                              timeout=TIMEOUT, env={**os.environ, **environment})
        assert done.returncode == 1
        return done.stderr
    return start


# --- CurveZMQ -----------------------------------------------------------------

def test_all_five_channels_work_encrypted(encrypted):
    assert connection(encrypted)["curve_publickey"]
    msg_id = encrypted.kc.execute(cell("ask", "name? "), allow_stdin=True)
    assert encrypted.kc.get_stdin_msg(timeout=TIMEOUT)["content"]["prompt"] == "name? "
    encrypted.kc.input("Ada")
    assert encrypted.reply(msg_id)["status"] == "ok"
    assert any("Ada" in str(m["content"]) for m in encrypted.outputs(msg_id))
    assert encrypted.ask("kernel_info_request", channel="control")["status"] == "ok"
    encrypted.kc.hb_channel.unpause()
    assert encrypted.kc.hb_channel.is_beating()


def test_a_client_that_only_has_the_file_connects(encrypted):
    kc = BlockingKernelClient(connection_file=encrypted.km.connection_file)
    kc.load_connection_file()
    kc.start_channels()
    try:
        kc.wait_for_ready(timeout=TIMEOUT)
    finally:
        kc.stop_channels()


def address(kernel, channel):
    info = connection(kernel)
    port = info[channel + "_port"]
    return (f"ipc://{info['ip']}-{port}" if info["transport"] == "ipc"
            else f"tcp://{info['ip']}:{port}")


@contextlib.contextmanager
def knock(kernel, channel, server_key=None):
    """A socket on a channel, plain or with a client's keys, and what it hears
    of the handshake."""
    with zmq.Context() as context, context.socket(SOCKETS[channel]) as s:
        s.linger = 0
        s.immediate = True
        if server_key:
            s.curve_serverkey = server_key
            s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
        if channel == "iopub":
            s.subscribe(b"")
        monitor = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED
                                       | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
                                       | zmq.EVENT_HANDSHAKE_FAILED_AUTH
                                       | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
                                       | zmq.EVENT_DISCONNECTED)
        s.connect(address(kernel, channel))
        yield s, monitor
        s.disable_monitor()


def shaken(monitor):
    """Whether the first handshake succeeds."""
    from zmq.utils.monitor import recv_monitor_message
    assert monitor.poll(1000 * TIMEOUT)
    return recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED


@pytest.mark.parametrize("channel", SOCKETS)
def test_without_the_server_s_key_no_channel_speaks(encrypted, channel):
    right = connection(encrypted)["curve_publickey"].encode()
    wrong = zmq.curve_keypair()[0]
    for key in (None, wrong):
        with knock(encrypted, channel, key) as (s, monitor):
            assert not shaken(monitor)
            assert not s.poll(0)
    with knock(encrypted, channel, right) as (s, monitor):
        assert shaken(monitor)
        if channel == "hb":
            s.send(b"beat")
            assert s.poll(1000 * TIMEOUT) and s.recv() == b"beat"
        if channel == "iopub":
            assert s.poll(1000 * TIMEOUT) and b"iopub_welcome" in b"".join(s.recv_multipart())


class Wire:
    """A TCP relay that keeps what passes."""

    def __init__(self, port):
        self.port, self.seen = port, b""
        self.door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.door.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    def pass_on(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                self.seen += data
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("encryption", ["required", "disabled"])
def test_code_and_outputs_can_be_read_on_the_wire_only_without_keys(encryption, tmp_path):
    k = Kernel(KERNEL, transport_encryption=encryption)
    try:
        info = connection(k)
        wires = {c: Wire(info[c + "_port"]) for c in SOCKETS}
        file = tmp_path / "relayed.json"
        file.write_text(json.dumps({**info, **{c + "_port": w.door.getsockname()[1]
                                               for c, w in wires.items()}}))
        kc = BlockingKernelClient(connection_file=str(file))
        kc.load_connection_file()
        kc.start_channels()
        kc.wait_for_ready(timeout=TIMEOUT)
        hello = cell("hello").replace("hello, world", SECRET)
        msg_id = kc.execute(hello)
        assert k.reply(msg_id, kc)["status"] == "ok"
        assert SECRET in text(k.outputs(msg_id, kc))
        kc.stop_channels()
        for c in ("shell", "iopub"):
            assert (SECRET.encode() in wires[c].seen) == (encryption == "disabled")
            assert wires[c].seen.startswith(b"\xff")        # ZMTP passed here
        for w in wires.values():
            w.door.close()
    finally:
        k.close()


def test_a_restart_keeps_the_keys_and_clients_come_back(encrypted):
    before = connection(encrypted)
    encrypted.km.restart_kernel(now=True)
    encrypted.kc.wait_for_ready(timeout=TIMEOUT)
    encrypted.settle()
    assert encrypted.run(cell("hello"))[0]["status"] == "ok"
    assert connection(encrypted) == before


def test_half_a_pair_a_wrong_pair_and_a_bad_key_are_refused(start):
    public, secret = (k.decode() for k in zmq.curve_keypair())
    other = zmq.curve_keypair()[0].decode()
    for more, reason in (
            (dict(curve_publickey=public), "\"curve_secretkey\" is missing"),
            (dict(curve_secretkey=secret), "\"curve_publickey\" is missing"),
            (dict(curve_publickey=other, curve_secretkey=secret), "does not belong"),
            (dict(curve_publickey=public, curve_secretkey=secret[:-1]), "is no CurveZMQ key"),
            (dict(curve_publickey=public, curve_secretkey="~" * 40), "is no CurveZMQ key"),
            (dict(curve_publickey=7, curve_secretkey=secret), "is no CurveZMQ key")):
        said = start(more)
        assert reason in said
        assert public not in said and secret[:-1] not in said


# --- keys stay where they are -------------------------------------------------

def secrets(kernel):
    info = connection(kernel)
    return [info["key"].encode(), info["curve_secretkey"].encode()]


def test_no_key_is_in_an_environment_a_command_line_a_log_or_an_output(encrypted):
    encrypted.settle()
    outputs = str(encrypted.run(cell("fail")))
    for pid in (encrypted.pid, encrypted.compute_pid()):
        for name in ("environ", "cmdline"):
            held = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
            assert held and not any(s in held for s in secrets(encrypted))
    with knock(encrypted, "shell") as (_, monitor):
        assert not shaken(monitor)
    for secret in secrets(encrypted):
        assert secret.decode() not in encrypted.log() + outputs


def test_no_key_is_in_the_memory_of_the_process_that_runs_cells(encrypted):
    encrypted.run(cell("hello"))
    pid, found = encrypted.compute_pid(), 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            begin, end = (int(x, 16) for x in fields[0].split("-"))
            if "r" not in fields[1] or "w" not in fields[1] or end - begin > 1 << 26:
                continue
            with contextlib.suppress(OSError):
                memory.seek(begin)
                held = memory.read(end - begin)
                found += 1
                assert not any(s in held for s in secrets(encrypted))
    assert found > 5


def test_a_broken_file_is_refused_without_quoting_its_key(start):
    for broken in ('{"key": verysecret}', '{"key": "verysecret" "ip": 1}', '{"key": "verysecret',
                   '{"key": "verysecret\x01"}', '{"key": "x", "key": "verysecret"}',
                   '{"key": ["verysecret"]}', '{"key": "verysecret", "shell_port": "verysecret"}',
                   '["verysecret"]', '"verysecret"'):
        said = start(broken)
        assert "connection file" in said and "verysecret" not in said


def test_a_key_nobody_can_verify_with_is_refused_without_saying_it(start):
    said = start(dict(key="verysecret", signature_scheme="hmac-rot13"))
    assert "rot13" in said and "verysecret" not in said


# --- who may listen, who may read ---------------------------------------------

@pytest.mark.parametrize("ip", ["0.0.0.0", "*", "::", "192.0.2.1", "127.0.0.1.example.org",
                                "eth0", "0x7f000001"])
def test_no_kernel_listens_beyond_this_machine_without_a_key(start, ip):
    assert f"an empty key on {ip}" in start(dict(ip=ip, key=""))


def test_beyond_this_machine_without_encryption_is_said(start):
    said = start(dict(ip="192.0.2.1"))
    assert "can be read on its way" in said and "cannot bind" in said


def test_a_file_others_may_read_is_refused_unless_jupyter_was_told(start, tmp_path):
    file = tmp_path / "connection.json"
    for mode in (0o644, 0o640, 0o620, 0o602):
        file.touch()
        file.chmod(mode)
        assert f"mode {mode:o}" in start({})
        for no in ("0", "false", "no", ""):
            assert f"mode {mode:o}" in start({}, JUPYTER_ALLOW_INSECURE_WRITES=no)
        for yes in ("1", "true", "True"):
            assert "cannot bind" in start(dict(ip="192.0.2.1"), JUPYTER_ALLOW_INSECURE_WRITES=yes)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(start, tmp_path):
    file = tmp_path / "connection.json"
    file.touch(0o600)
    os.chown(file, 12345, -1)
    assert "belongs to user 12345" in start({})


def test_a_folder_where_others_could_replace_a_socket_is_refused(start, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    for mode in (0o777, 0o770, 0o702):
        folder.chmod(mode)
        said = start(dict(transport="ipc", ip=str(folder / "k")))
        assert f"mode {mode:o}" in said and list(folder.iterdir()) == []
    assert "a name without a file" in start(dict(transport="ipc", ip="@name"))
    assert "No such file" in start(dict(transport="ipc", ip=str(folder / "none" / "k")))


def test_what_lies_at_a_socket_s_path_is_not_removed(start, tmp_path):
    thesis = tmp_path / "k-1"
    thesis.write_text("years of work")
    assert "no socket" in start(dict(transport="ipc", ip=str(tmp_path / "k")))
    assert thesis.read_text() == "years of work"
    thesis.unlink()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(thesis))
        s.listen()
        said = start(dict(transport="ipc", ip=str(tmp_path / "k")))
        assert "another process listens" in said and thesis.exists()


def test_sockets_that_a_killed_kernel_left_are_replaced(tmp_path):
    k = Kernel(KERNEL, transport="ipc", ip=str(tmp_path / "k"))
    try:
        for pid in [p for p in family(k.pid) if name_of(p) == "rt-guard"]:
            os.kill(pid, signal.SIGKILL)    # it would remove them
        os.kill(k.pid, signal.SIGKILL)
        wait_gone(k.pid)
        assert len(list(tmp_path.glob("k-*"))) == 5
        k.km.restart_kernel(now=True)
        k.kc.wait_for_ready(timeout=TIMEOUT)
        assert k.run(cell("hello"))[0]["status"] == "ok"
        for path in tmp_path.glob("k-*"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    finally:
        k.close()


BEAT = """
import os, sys, zmq
os.setuid(int(sys.argv[2]))
s = zmq.Context().socket(zmq.REQ)
s.linger = 0
s.connect(sys.argv[1])
s.send(b"beat")
print(s.poll(int(sys.argv[3])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_no_other_user_is_let_in_though_the_file_s_mode_would(tmp_path):
    folder = pathlib.Path("/tmp", f"rustorch-ipc-{os.getpid()}")
    folder.mkdir(0o755)
    k = Kernel(KERNEL, transport="ipc", ip=str(folder / "k"))
    try:
        for path in folder.iterdir():
            path.chmod(0o777)
        for user, wait, hears in ((12345, 500, "0"), (0, 1000 * TIMEOUT, "1")):
            done = subprocess.run([sys.executable, "-c", BEAT, address(k, "hb"), str(user),
                                   str(wait)], capture_output=True, text=True, timeout=TIMEOUT)
            assert done.stdout.strip() == hears, done.stderr
    finally:
        k.close()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


GREETING = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
s.settimeout(float(sys.argv[3]))
s.connect("\\0" + sys.argv[1])
try:
    print(len(s.recv(1)))
except ConnectionResetError:
    print(0)
"""


def abstract_names(pid):
    """Names without a file at which the process listens."""
    inodes = {os.readlink(fd)[8:-1] for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()
              if os.readlink(fd).startswith("socket:")}
    rows = [row.split() for row in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {row[7][1:] for row in rows if len(row) > 7 and row[6] in inodes and row[7][0] == "@"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_inner_socket_of_iopub_hangs_up_on_other_users(fresh):
    name, = abstract_names(fresh.pid)
    for user, greeted in ((12345, "0"), (0, "1")):
        done = subprocess.run([sys.executable, "-c", GREETING, name, str(user), str(TIMEOUT)],
                              capture_output=True, text=True, timeout=2 * TIMEOUT)
        assert done.stdout.strip() == greeted, done.stderr
