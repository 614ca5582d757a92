/* SPDX-License-Identifier: MIT
 * Fuzz target: programs, run. Cells are divided by lines "// cell", as in
 * tests/lang. Each runs with a limit on memory and on steps (polls for
 * interrupts: one a loop, call and piece of a kernel), sees no file and does
 * not sleep; the session must answer afterwards.
 */
#define _GNU_SOURCE
#include "lang/lang.h"
#include "tests/fuzz/files.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS = 2000, CELLS = 40 };
#define MEMORY ((int64_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of the C library's: sleep(1e9) is a matter of steps. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)t;
    (void)left;
    return 0;
}

static rt_status answer(void *ctx, const char *prompt, bool password,
                        char **line, rt_error *err)
{
    (void)ctx;
    (void)prompt;
    (void)password;
    *line = rt_strdup("1");
    return *line ? RT_OK : rt_fail(err, RT_E_MEMORY, "input: no memory");
}

static bool run(lang_session *s, const char *text, size_t size, int cell)
{
    lang_outcome out;
    rt_interrupt_after(STEPS);
    lang_execute(s, text, size, cell, NULL, &out);
    rt_interrupt_clear();
    bool ok = out.ok;
    lang_outcome_dispose(&out);
    return ok;
}

static void run_cells(lang_session *s, const char *text, size_t size)
{
    static const char mark[] = "// cell\n";
    for (int n = 1; size > 0 && n <= CELLS; n++) {
        const char *next = memmem(text, size, mark, strlen(mark));
        size_t part = next ? (size_t)(next - text) + strlen(mark) : size;
        run(s, text, part, n);
        text += part;
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lang_host host = {.input = answer};
    lang_session *s = NULL;
    rt_error err;
    rt_error_clear(&err);
    rt_set_num_threads(1);
    if (lang_session_new(&s, &host, &err) != RT_OK) {
        return 0;
    }
    rt_memory_set_limit(MEMORY);
    set_files(0);
    run_cells(s, (const char *)data, size);
    set_files(1024);
    rt_memory_set_limit(0);
    if (!run(s, "assert(1 + 1 == 2);", 19, CELLS + 1)) {
        abort();
    }
    lang_session_free(s);
    return 0;
}
