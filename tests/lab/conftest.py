# SPDX-License-Identifier: MIT
"""A JupyterLab server on localhost and a headless Chromium that looks at it."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from jupyter_client.kernelspec import KernelSpecManager

TOKEN = "rustorch-test"
SLOW = 3    # times what a machine of its own needs


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Polls until condition() is true; the failure names what was awaited."""
    end = time.monotonic() + SLOW * seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited {SLOW * seconds} s for {what}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The address of a running JupyterLab, and the folder it serves."""
    assert "rustorch" in KernelSpecManager().find_kernel_specs(), \
        "this Python has no RusTorch kernel: its `jupyter kernelspec list` does not name it"
    folder = tmp_path_factory.mktemp("lab")
    port = free_port()
    env = dict(os.environ, JUPYTER_CONFIG_DIR=str(folder / ".config"),
               JUPYTERLAB_SETTINGS_DIR=str(folder / ".settings"),
               JUPYTERLAB_WORKSPACES_DIR=str(folder / ".workspaces"))
    log = open(folder / "server.log", "w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
         "--ServerApp.port_retries=0",
         "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}",
         "--allow-root", "--LabApp.news_url=None", f"--ServerApp.root_dir={folder}"],
        stdout=log, stderr=log, env=env)
    base = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(f"{base}/api?token={TOKEN}", timeout=2).status == 200
        except OSError:
            assert server.poll() is None, (folder / "server.log").read_text()
            return False

    try:
        wait_until(answers, 60, "JupyterLab to answer")
        yield base, folder
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium through its driver; skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
                 "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                 "--window-size=1400,1000",
                 f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=driver)
    window = webdriver.Chrome(options=options, service=service)
    try:
        yield window
    finally:
        window.quit()
