# SPDX-License-Identifier: MIT
"""Jupyter's own test of kernels, whole: none of its 13 tests is skipped."""
import jupyter_kernel_test as jkt
from dialect import KERNEL, cell

REAL = KERNEL == "rustorch"


class TestKernel(jkt.KernelTests):
    kernel_name = KERNEL
    language_name = "rustorch"
    file_extension = ".rt"
    code_hello_world = cell("hello")
    code_stderr = cell("stderr")
    complete_code_samples = ["int x = 1;", "1 + 1"]
    incomplete_code_samples = ["int f(int x) {", "f("]
    invalid_code_samples = ["int x = );"]
    code_page_something = cell("page")
    code_generate_error = cell("fail")
    code_display_data = [{"code": cell("show"), "mime": "text/plain"}]
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "relu" if REAL else "known"
    if REAL:
        completion_samples = [{"text": "softma", "matches": {"softmax"}}]
        code_execute_result = [{"code": "1000 + 301", "result": "1301"}, {"code": "6 * 7", "result": "42"}]
        code_history_pattern = "1000 +*"
        code_clear_output = "clear_output();"
    else:
        completion_samples = [{"text": "get kno", "matches": {"known"}}]
        incomplete_code_samples = ["("]
        code_execute_result = [{"code": "set a 3\nget a", "result": "3"},
                               {"code": "set b 42\nget b", "result": "42"}]
        code_history_pattern = "set a*"
        code_clear_output = "clear"

        def setUp(self):
            self.execute_helper("set known 1")


class TestWelcome(jkt.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True
