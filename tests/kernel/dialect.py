# SPDX-License-Identifier: MIT
"""The same cells in the cell language and in the double's commands.

RUSTORCH_TEST_KERNEL chooses the kernel that the tests drive.
"""
import os

KERNEL = os.environ.get("RUSTORCH_TEST_KERNEL", "rustorch")

CELLS = {
    "rustorch": dict(
        hello='println!("hello, world");',
        stderr='eprintf("to stderr\\n");',
        set="int {0} = {1};",
        get="{0}",
        both='printf("out\\n"); eprintf("err\\n"); printf("again\\n");',
        count='for (int i = 0; i < {0}; i++) {{ printf("line %d\\n", i); }}',
        spin='printf("spinning\\n"); while (1) {{ }}',
        fail='assert(false, "as asked");',
        held_fail='input("go? "); assert(false, "as asked");',
        ask='input("{0}")',
        answer="'{0}'",
        page="relu?",
        show="show(Linear(2, 3));",
        sleep="sleep({0});",
        blank="  \n",
        silent_noise='printf("noise"); 1 + 1',
    ),
    "double": dict(
        hello="print hello, world",
        stderr="eprint to stderr",
        set="set {0} {1}",
        get="get {0}",
        both="print out\neprint err\nprint again",
        count="count {0}",
        spin="print spinning\nspin",
        fail="fail as asked",
        held_fail="ask go?\nfail as asked",
        ask="ask {0}",
        answer="{0}",
        page="page help",
        show="show something",
        sleep="sleep {0}",
        blank="  \n",
        silent_noise="print noise\nset one 1\nget one",
    ),
}[KERNEL]


def cell(name, *arguments):
    return CELLS[name].format(*arguments)
