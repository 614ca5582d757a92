/* SPDX-License-Identifier: MIT
 * The cells of session.rt with each allocation failing once: the cell ends
 * with an error of kind memory (or the one it always ends with), variables it
 * does not name are as they were, the next cell runs, and nothing leaks.
 */
#define _GNU_SOURCE
#include "tests/oom/sweep.h"

#include "lang/lang.h"

enum { CELLS = 64, REST = 256 };

static struct {
    const char *text[CELLS];
    size_t size[CELLS];
    rt_status usual[CELLS];    /* how the cell ends with memory */
    uint64_t shows[CELLS];     /* and what it shows */
    int count;
    char *file;
} script;

static void read_script(void)
{
    static const char mark[] = "// cell\n";
    const char *top = getenv("RUSTORCH_SRCDIR");
    char path[4096];
    size_t size;
    snprintf(path, sizeof path, "%s/tests/oom/session.rt", top ? top : ".");
    FILE *f = fopen(path, "rb");
    script.file = calloc(1, 1 << 16);
    size = f ? fread(script.file, 1, (1 << 16) - 1, f) : 0;
    CHECK(size > 0);
    if (f) {
        fclose(f);
    }
    for (char *at = script.file; (at = strstr(at, mark));) {
        at += strlen(mark);
        const char *next = strstr(at, mark);
        script.text[script.count] = at;
        script.size[script.count++] =
            next ? (size_t)(next - at) : strlen(at);
    }
}

/* What the cell has shown: a sum over all of it. */
static uint64_t shown;

static void record(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        shown = (shown ^ (unsigned char)data[i]) * 1099511628211u;
    }
}

static void record_bundle(const lang_bundle *b)
{
    for (int i = 0; i < b->count; i++) {
        record(b->items[i].mime, strlen(b->items[i].mime));
        record(b->items[i].data, b->items[i].size);
    }
}

static void on_stream(void *ctx, int fd, const char *text, size_t size)
{
    (void)ctx;
    (void)fd;
    record(text, size);
}

static void on_display(void *ctx, const lang_bundle *b, const char *id,
                       bool update)
{
    (void)ctx;
    (void)id;
    (void)update;
    record_bundle(b);
}

static lang_session *open_session(void)
{
    lang_host host = {.stream = on_stream, .display = on_display};
    lang_session *s = NULL;
    rt_error err;
    rt_error_clear(&err);
    CHECK_OK(lang_session_new(&s, &host, &err), err);
    return s;
}

static lang_outcome run(lang_session *s, int cell)
{
    lang_outcome o;
    shown = 0;
    lang_execute(s, script.text[cell], script.size[cell], cell + 1, NULL, &o);
    if (o.ok) {
        record_bundle(&o.bundle);
    }
    return o;
}

static rt_status end(lang_outcome *o)
{
    rt_status code = o->ok ? RT_OK : o->failure.code;
    lang_outcome_dispose(o);
    return code;
}

static rt_status run_text(lang_session *s, const char *text)
{
    lang_outcome o;
    lang_execute(s, text, strlen(text), REST, NULL, &o);
    return end(&o);
}

/* --- what must stay ------------------------------------------------------------- */

static bool names(int cell, const char *name)
{
    return memmem(script.text[cell], script.size[cell], name,
                  strlen(name)) != NULL;
}

/* Variables and functions that the cell does not name: as before. */
static void check_symbols(const lang_symbols *was, const lang_symbols *is,
                          int cell, int n)
{
    for (int i = 0; i < lang_symbols_count(was); i++) {
        lang_symbol a = lang_symbols_at(was, i), b = {0};
        for (int k = 0; k < lang_symbols_count(is); k++) {
            lang_symbol s = lang_symbols_at(is, k);
            b = strcmp(s.name, a.name) == 0 ? s : b;
        }
        if (!names(cell, a.name) &&
            (!b.name || strcmp(a.value, b.value) != 0 ||
             strcmp(a.type, b.type) != 0)) {
            UNIT_FAIL("cell %d, allocation %d: %s was %s and is %s", cell + 1,
                      n, a.name, a.value, b.name ? b.value : "gone");
        }
    }
}

static void check_session(lang_session *s, int cell, int n)
{
    if (cell == 0) {
        return;
    }
    rt_status code = run_text(
        s, "assert(kept == 42 && words == \"kept words\" && len(list) == 3 && "
           "twice(2.0) == 4.0 && x.sum() == 66.0);\n"
           "assert(net(x).shape[1] == 2);");
    if (code != RT_OK) {
        UNIT_FAIL("cell %d, allocation %d: the next cell ends with status %d",
                  cell + 1, n, (int)code);
    }
}

/* --- the sweep -------------------------------------------------------------------- */

/* One failing allocation; false when the cell did not reach it. */
static bool fail_once(lang_session *s, int cell, int n, sweep *count)
{
    lang_symbols *was = lang_session_symbols(s);
    rt_memory_fail_after(n);
    lang_outcome o = run(s, cell);
    bool fired = rt_memory_fail_after(0) == 0;
    rt_status code = o.ok ? RT_OK : o.failure.code;
    count->failed += fired;
    count->absorbed += fired && code == script.usual[cell];
    if (code != script.usual[cell] && (code != RT_E_MEMORY || !fired)) {
        UNIT_FAIL("cell %d, allocation %d: status %d: %s", cell + 1, n,
                  (int)code, o.ok ? "" : o.failure.text);
    }
    if (!o.ok && (!o.failure.ename || !o.failure.evalue) && !fired) {
        UNIT_FAIL("cell %d, allocation %d: an error without words", cell + 1,
                  n);
    }
    if (o.ok && shown != script.shows[cell]) {
        UNIT_FAIL("cell %d, allocation %d: ends well and shows less", cell + 1,
                  n);
    }
    lang_outcome_dispose(&o);
    lang_symbols *is = lang_session_symbols(s);
    check_symbols(was, is, cell, n);
    lang_symbols_free(was);
    lang_symbols_free(is);
    check_session(s, cell, n);
    return fired;
}

/* The whole session; failing in `cell` only, at allocation n only, or (0)
 * everywhere. Returns what it left allocated. */
static int64_t run_session(int only_cell, int only_n, sweep *count)
{
    int64_t before = memory_in_use();
    lang_session *s = open_session();
    for (int cell = 0; cell < script.count; cell++) {
        lang_outcome first = run(s, cell);
        end(&first);
        script.shows[cell] = shown;
        if (only_n && cell == only_cell) {
            fail_once(s, cell, only_n, count);
        }
        for (int n = 1; !only_n && count && fail_once(s, cell, n, count);) {
            n += sweep_every();
        }
        lang_outcome o = run(s, cell);
        rt_status code = end(&o);
        if (!count) {
            script.usual[cell] = code;
        } else if (code != script.usual[cell]) {
            UNIT_FAIL("cell %d again: status %d", cell + 1, (int)code);
        }
    }
    lang_session_free(s);
    return memory_lost(before);
}

/* Which failing allocation loses memory. */
static void find_leaks(void)
{
    for (int cell = 0, told = 0; cell < script.count && told < 20; cell++) {
        sweep count = {1, 0};
        for (int n = 1; count.failed && told < 20; n += sweep_every()) {
            count.failed = 0;
            int64_t lost = run_session(cell, n, &count);
            if (lost) {
                printf("  cell %d, allocation %d loses %lld bytes\n", cell + 1,
                       n, (long long)lost);
                told++;
            }
        }
    }
}

CASE(each_allocation_of_a_session_may_fail)
{
    sweep count = {0, 0};
    rt_set_num_threads(1);
    read_script();
    run_session(0, 0, NULL);
    CHECK_INT(run_session(0, 0, NULL), 0);
    run_session(0, 0, &count);   /* failures have first uses of their own */
    count = (sweep){0, 0};
    int64_t lost = run_session(0, 0, &count);
    CHECK_INT(lost, 0);
    if (lost) {
        find_leaks();
    }
    printf("%d cells: %ld allocations failed in turn, %ld were done without\n",
           script.count, count.failed, count.absorbed);
    free(script.file);
}

CASE(a_session_that_cannot_begin_says_so)
{
    lang_host host = {.ctx = NULL};
    int failed = 0;
    for (int n = 1;; n++) {
        lang_session *s = NULL;
        rt_error err;
        int64_t before = memory_in_use();
        rt_error_clear(&err);
        rt_memory_fail_after(n);
        rt_status code = lang_session_new(&s, &host, &err);
        bool fired = rt_memory_fail_after(0) == 0;
        if (code == RT_OK) {
            lang_session_free(s);
        } else {
            CHECK_INT(code, RT_E_MEMORY);
            CHECK(s == NULL || fired);
            failed++;
        }
        CHECK_INT(memory_lost(before), 0);
        if (!fired) {
            break;
        }
    }
    CHECK(failed > 0);
}

UNIT_MAIN
