# SPDX-License-Identifier: MIT
"""RusTorch in a real JupyterLab, as a person sees it."""
import contextlib
import os
import pathlib
import signal
import time

import nbformat
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from conftest import TOKEN, wait_until

EDITORS = ".jp-Notebook .jp-CodeCell .cm-content"
KERNEL = {"name": "rustorch", "display_name": "RusTorch", "language": "rustorch"}


def notebook_with(folder, name, *sources):
    book = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    book.cells = [nbformat.v4.new_code_cell(s) for s in sources]
    nbformat.write(book, folder / name)


def texts(browser, selector, of="e.innerText"):
    """Of all elements at one moment: JupyterLab replaces them while it draws."""
    return browser.execute_script(
        f"return Array.from(document.querySelectorAll(arguments[0]), e => {of})", selector)


def click(browser, selector, index=0):
    """Clicks what is there, again when it was just replaced."""
    def clicked():
        with contextlib.suppress(StaleElementReferenceException, IndexError):
            browser.find_elements(By.CSS_SELECTOR, selector)[index].click()
            return True
        return False

    wait_until(clicked, 10, f"{selector} to be clicked")


def open_notebook(lab, browser, name):
    base, _ = lab
    browser.get(f"{base}/lab/tree/{name}?token={TOKEN}&reset")
    wait_until(lambda: texts(browser, ".jp-Notebook .jp-CodeCell"), 40, "the notebook's cells")
    named = ".jp-KernelName, .jp-Notebook-ExecutionIndicator"
    wait_until(lambda: any("Idle" in t or "RusTorch" in t for t in texts(
        browser, named, "(e.getAttribute('title') || '') + e.innerText")),
               40, "the kernel to be named")


def press(browser, index, *keys):
    click(browser, EDITORS, index)
    browser.switch_to.active_element.send_keys(*keys)


def run_all(browser):
    click(browser, EDITORS)
    count = len(texts(browser, ".jp-Notebook .jp-CodeCell"))
    for _ in range(count):
        browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.ENTER)


def outputs(browser):
    return "\n".join(texts(browser, ".jp-OutputArea-output"))


def keep_picture(browser, name):
    """Leaves a screenshot in the build folder for people to look at."""
    folder = os.environ.get("RUSTORCH_BUILDDIR")
    if folder:
        browser.save_screenshot(os.path.join(folder, f"{name}.png"))


def test_the_launcher_shows_rustorch(lab, browser):
    base, _ = lab
    browser.get(f"{base}/lab?token={TOKEN}&reset")
    wait_until(lambda: "RusTorch" in "\n".join(texts(browser, ".jp-LauncherCard")), 60,
               "RusTorch in the launcher")
    keep_picture(browser, "lab-launcher")


def test_cells_run_and_show_tensors_errors_and_a_chart(lab, browser):
    _, folder = lab
    notebook_with(folder, "cells.ipynb",
                  "int a = 6; printf(\"product %d\\n\", a * 7);",
                  "Tensor x = ones(2, 3); x",
                  "x @ ones(2, 3)",
                  "plot(tensor({1.0, 4.0, 9.0}));")
    open_notebook(lab, browser, "cells.ipynb")
    run_all(browser)
    wait_until(lambda: "product 42" in outputs(browser), 30, "the first cell's output")
    wait_until(lambda: "error[shape]" in outputs(browser), 30, "the shape error")
    assert "tensor([[1., 1., 1.]" in outputs(browser)
    keep_picture(browser, "lab-cells")


def test_a_chart_is_a_visible_picture(lab, browser):
    _, folder = lab
    notebook_with(folder, "chart.ipynb", "plot(tensor({1.0, 4.0, 9.0}));")
    open_notebook(lab, browser, "chart.ipynb")
    run_all(browser)

    def picture():
        widths = texts(browser, ".jp-OutputArea-output img", "e.clientWidth")
        return widths and widths[0] > 100

    wait_until(picture, 30, "a picture wider than 100 pixels")


def test_completion_offers_ops_as_one_types(lab, browser):
    _, folder = lab
    notebook_with(folder, "complete.ipynb", "")
    open_notebook(lab, browser, "complete.ipynb")
    click(browser, EDITORS)
    browser.switch_to.active_element.send_keys("soft")

    def offered():
        """Asks again as long as the kernel may not have been there yet."""
        if not texts(browser, ".jp-Completer-item"):
            browser.switch_to.active_element.send_keys(Keys.TAB)
        with contextlib.suppress(AssertionError):
            return wait_until(lambda: "softmax" in "\n".join(
                texts(browser, ".jp-Completer-item") + texts(browser, ".cm-content")), 1, "it")

    wait_until(offered, 20, "softmax among the completions")
    keep_picture(browser, "lab-completion")


def test_an_interrupt_keeps_the_variables(lab, browser):
    _, folder = lab
    notebook_with(folder, "interrupt.ipynb", "int kept = 41;",
                  "printf(\"round and round\\n\"); while (1) { }",
                  "printf(\"kept %d\\n\", kept + 1);")
    open_notebook(lab, browser, "interrupt.ipynb")
    press(browser, 0, Keys.SHIFT, Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.ENTER)
    wait_until(lambda: "round and round" in outputs(browser), 20, "a running cell")
    click(browser, "[data-command='notebook:interrupt-kernel'], "
                   "jp-button[data-command='kernelmenu:interrupt'], "
                   "[title^='Interrupt the kernel']")
    wait_until(lambda: "error[interrupt]" in outputs(browser), 20, "the interrupted cell's error")
    press(browser, 2, Keys.SHIFT, Keys.ENTER)
    wait_until(lambda: "kept 42" in outputs(browser), 20, "the variable after the interrupt")


def computing(folder):
    """The processes that run cells, of the kernels that this server has started."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process.joinpath("comm").read_text() == "rt-compute\n"
                    and str(folder).encode() in process.joinpath("environ").read_bytes()):
                found.append(int(process.name))
    return found


def test_a_crash_is_an_error_and_keeps_the_variables(lab, browser):
    _, folder = lab
    before = computing(folder)
    notebook_with(folder, "crash.ipynb", "int kept = 41;",
                  "kept = 1; printf(\"on the way\\n\"); while (1) { }",
                  "printf(\"kept %d\\n\", kept + 1);")
    open_notebook(lab, browser, "crash.ipynb")
    press(browser, 0, Keys.SHIFT, Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.ENTER)
    wait_until(lambda: "on the way" in outputs(browser), 20, "a running cell")
    ours = [pid for pid in computing(folder) if pid not in before]
    assert len(ours) == 1
    os.kill(ours[0], signal.SIGSEGV)
    wait_until(lambda: "ComputeProcessDied" in outputs(browser), 20, "the crash as an error")
    assert "as they were before this cell" in outputs(browser)
    press(browser, 2, Keys.SHIFT, Keys.ENTER)
    wait_until(lambda: "kept 42" in outputs(browser), 20, "the variable after the crash")
    time.sleep(1)       # a dialog about a dead kernel would be there by now
    assert texts(browser, ".jp-Dialog") == []
    keep_picture(browser, "lab-crash")
