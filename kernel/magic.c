/* SPDX-License-Identifier: MIT
 * Cells that the front runs itself: %undo and %checkpoints. They are about the
 * compute process and cannot be its own business.
 */
#include "kernel/router.h"

#include "kernel/log.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 256 };

typedef void run_magic(kernel_router *r, kernel_request *q, const char *rest);

/* --- replies -------------------------------------------------------------- */

json_t *kernel_cell_done(void)
{
    return json_pack("{ss s[] s{}}", "status", "ok", "payload",
                     "user_expressions");
}

json_t *kernel_fail_cell(kernel_router *r, const kernel_request *q,
                         const char *ename, const char *evalue)
{
    json_t *reply = kernel_error(ename, evalue);
    if (!q->silent) {
        json_t *error = json_copy(reply);
        json_object_del(error, "status");
        kernel_publish(r, q, "error", error);
    }
    return reply;
}

static void fail(kernel_router *r, kernel_request *q, const char *ename,
                 char *evalue)
{
    kernel_end_cell(r, q, kernel_fail_cell(r, q, ename, evalue));
    free(evalue);
}

/* --- %undo ---------------------------------------------------------------- */

/* A number from `least` up to `most`; false when the text is none. */
static bool read_number(const char *text, long least, long most, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return end != text && *end == '\0' && *out >= least && *out <= most;
}

static void magic_undo(kernel_router *r, kernel_request *q, const char *rest)
{
    kernel_checkpoints *c = &r->checkpoints;
    bool current = c->count && c->at[c->count - 1].seq == r->done_seq;
    long n = 1;
    if (*rest && !read_number(rest, 1, KERNEL_CHECKPOINTS_MOST, &n)) {
        fail(r, q, "UndoError",
             kernel_format("%%undo: \"%s\" is no number of cells", rest));
        return;
    }
    int possible = c->count - current;
    if (n > possible) {
        fail(r, q, "UndoError",
             possible
                 ? kernel_format("%%undo: %ld cells cannot be taken back, %d "
                                 "can (see %%checkpoints)", n, possible)
                 : kernel_format("%%undo: there is no earlier checkpoint to "
                                 "go back to%s",
                                 c->off ? " (%checkpoints on)" : ""));
        return;
    }
    kernel_checkpoints_drop_newest(c, (int)n - 1 + current);
    kernel_go_back(r);   /* the cell ends when the checkpoint has taken over */
}

/* --- %checkpoints --------------------------------------------------------- */

static void turn_off(kernel_router *r)
{
    r->checkpoints.off = true;
    kernel_checkpoints_drop_newest(&r->checkpoints, r->checkpoints.count);
}

/* One word of the line; false when it means nothing. */
static bool set(kernel_router *r, const char *word)
{
    kernel_checkpoints *c = &r->checkpoints;
    long n;
    if (strcmp(word, "off") == 0) {
        turn_off(r);
    } else if (strcmp(word, "on") == 0) {
        if (c->off) {
            c->off = false;
            kernel_keep_checkpoint(r);
        }
    } else if (strncmp(word, "count=", 6) == 0 &&
               read_number(word + 6, 1, KERNEL_CHECKPOINTS_MOST, &n)) {
        c->most = (int)n;
        kernel_checkpoints_drop_oldest(c, c->count - c->most);
    } else if (strncmp(word, "memory=", 7) == 0 &&
               read_number(word + 7, 1, LONG_MAX >> 20, &n)) {
        c->budget = (int64_t)n << 20;
        kernel_trim_checkpoints(r);
    } else if (strncmp(word, "tensors=", 8) == 0 &&
               read_number(word + 8, 1, LONG_MAX >> 20, &n)) {
        c->limit = (int64_t)n << 20;
        kernel_keep_checkpoint(r);
    } else {
        return false;
    }
    return true;
}

static void magic_checkpoints(kernel_router *r, kernel_request *q,
                              const char *rest)
{
    char line[LINE_MAX_BYTES], *next;
    strcpy(line, rest);
    for (char *word = strtok_r(line, " \t", &next); word;
         word = strtok_r(NULL, " \t", &next)) {
        if (!set(r, word)) {
            fail(r, q, "ArgumentError",
                 kernel_format("%%checkpoints: \"%s\" is unknown, expected on, "
                               "off, count=N (1 to %d), memory=MiB or "
                               "tensors=MiB", word,
                               KERNEL_CHECKPOINTS_MOST));
            return;
        }
    }
    kernel_trim_checkpoints(r);
    char *table = kernel_checkpoints_table(&r->checkpoints, r->child.pid,
                                           r->done_seq);
    if (table && !q->silent) {
        kernel_publish(r, q, "stream", json_pack("{ss ss}", "name", "stdout",
                                                 "text", table));
    }
    free(table);
    kernel_end_cell(r, q, kernel_cell_done());
}

/* --- which ---------------------------------------------------------------- */

static const struct {
    const char *name;
    run_magic *run;
} magics[] = {
    {"%undo", magic_undo},
    {"%checkpoints", magic_checkpoints},
};

/* The magic that the cell is, and what follows its name, trimmed. */
static run_magic *find(const char *code, char rest[LINE_MAX_BYTES])
{
    code += strspn(code, " \t\r\n");
    size_t size = strlen(code);
    while (size && isspace((unsigned char)code[size - 1])) {
        size--;
    }
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        size_t n = strlen(magics[i].name);
        if (size < n || size >= LINE_MAX_BYTES ||
            memcmp(code, magics[i].name, n) != 0 ||
            (size > n && code[n] != ' ' && code[n] != '\t') ||
            memchr(code, '\n', size)) {
            continue;
        }
        while (n < size && (code[n] == ' ' || code[n] == '\t')) {
            n++;
        }
        memcpy(rest, code + n, size - n);
        rest[size - n] = '\0';
        return magics[i].run;
    }
    return NULL;
}

bool kernel_is_front_magic(const char *code)
{
    char rest[LINE_MAX_BYTES];
    return code && find(code, rest);
}

void kernel_run_front_magic(kernel_router *r, kernel_request *q,
                            const char *code)
{
    char rest[LINE_MAX_BYTES];
    run_magic *run = find(code, rest);
    run(r, q, rest);
}
