/* SPDX-License-Identifier: MIT
 * The history file.
 */
#include "kernel/history.h"

#include "kernel/log.h"
#include "kernel/protocol/memory.h"
#include "kernel/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a long file only the end is read; past LARGE it is cut to that end. */
enum { READ_BYTES = 4 << 20, LARGE = 2 * READ_BYTES };

typedef struct entry {
    int session, line;
    char *in, *out;
} entry;

struct kernel_history {
    char *directory, *file;
    char *problem;
    bool opened, on_disk;
    int session;
    char *waiting;          /* lines to be written */
    size_t waiting_size;
    entry *entries;
    size_t count, capacity;
};

/* --- the file ------------------------------------------------------------- */

/* NULL: there is none. */
static char *default_directory(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/') {
        return kernel_format("%s/rustorch", data);
    }
    return home && home[0] == '/'
               ? kernel_format("%s/.local/share/rustorch", home)
               : NULL;
}

kernel_history *kernel_history_new(const char *directory)
{
    kernel_history *h = kernel_alloc(sizeof *h);
    h->directory = directory ? kernel_copy(directory, strlen(directory))
                             : default_directory();
    h->file = kernel_format("%s/history.jsonl",
                            h->directory ? h->directory : "");
    return h;
}

static void give_up(kernel_history *h, const char *what)
{
    if (h->on_disk) {
        h->on_disk = false;
        h->problem = kernel_format("history is kept for this session only: "
                                   "%s: %s", what, strerror(errno));
    }
}

static bool make_directories(const char *path)
{
    char *copy = kernel_copy(path, strlen(path));
    for (char *p = copy + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(copy, 0700);
            *p = '/';
        }
    }
    bool ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
    free(copy);
    return ok;
}

/* Kernels take turns: the lock is a file of its own, for the history file is
 * replaced when it is cut. Closing the descriptor unlocks. */
static int lock(kernel_history *h)
{
    char *path = kernel_format("%s/history.lock", h->directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        give_up(h, path);
    }
    free(path);
    return fd;
}

static bool write_whole(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* A kernel that was killed while it wrote leaves half a line: what follows
 * must not become part of it. */
static bool close_torn_line(int fd)
{
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) == 0 && st.st_size > 0 &&
        pread(fd, &last, 1, st.st_size - 1) != 1) {
        return false;
    }
    return last == '\n' || write_whole(fd, "\n", 1);
}

static bool append(const char *path, const char *data, size_t size)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    bool ok = fd >= 0 && close_torn_line(fd) && write_whole(fd, data, size);
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = why;
    return ok;
}

/* Steals `record`. */
static void keep(kernel_history *h, json_t *record)
{
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    size_t n = text && h->on_disk ? strlen(text) : 0;
    char *room = n ? jp_grow(h->waiting, h->waiting_size + n + 1) : NULL;
    if (room) {
        h->waiting = room;
        text[n] = '\n';   /* in place of the NUL */
        memcpy(h->waiting + h->waiting_size, text, n + 1);
        h->waiting_size += n + 1;
    }
    free(text);
}

/* The lock is held, if it is to be had. */
static void write_waiting(kernel_history *h)
{
    if (h->on_disk && !append(h->file, h->waiting, h->waiting_size)) {
        give_up(h, h->file);
    }
    free(h->waiting);
    h->waiting = NULL;
    h->waiting_size = 0;
}

void kernel_history_save(kernel_history *h)
{
    if (h->waiting_size) {
        int fd = lock(h);
        write_waiting(h);
        if (fd >= 0) {
            close(fd);
        }
    }
}

static void add_entry(kernel_history *h, int session, int line, char *in)
{
    if (h->count == h->capacity) {
        h->capacity = 2 * h->capacity + 64;
        h->entries = kernel_grow(h->entries, h->capacity * sizeof(entry));
    }
    h->entries[h->count++] = (entry){session, line, in, NULL};
}

static void set_result(kernel_history *h, int session, int line, char *out)
{
    for (size_t i = h->count; i-- > 0;) {
        entry *e = &h->entries[i];
        if (e->session == session && e->line == line) {
            free(e->out);
            e->out = out;
            return;
        }
    }
    free(out);
}

/* {"session":3} opens one, {"session":3,"line":1,"in":...} is a cell, and
 * {"session":3,"line":1,"out":...} its result. Damaged lines are passed by. */
static void read_line(kernel_history *h, const char *text, size_t size)
{
    json_t *r = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    int session = (int)json_integer_value(json_object_get(r, "session"));
    int line = (int)json_integer_value(json_object_get(r, "line"));
    const json_t *in = json_object_get(r, "in");
    const json_t *out = json_object_get(r, "out");
    if (session > h->session) {
        h->session = session;
    }
    if (json_is_string(in)) {
        add_entry(h, session, line, kernel_copy(json_string_value(in),
                                                json_string_length(in)));
    } else if (json_is_string(out)) {
        set_result(h, session, line, kernel_copy(json_string_value(out),
                                                 json_string_length(out)));
    }
    json_decref(r);
}

/* The end of the file, from the first whole line on; malloc'ed. */
static char *read_end(kernel_history *h, size_t *size, bool *large)
{
    struct stat st;
    *size = 0;
    *large = false;
    int fd = open(h->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0 || errno != ENOENT) {
            give_up(h, h->file);
        }
        return fd >= 0 ? (close(fd), NULL) : NULL;
    }
    off_t from = st.st_size > READ_BYTES ? st.st_size - READ_BYTES : 0;
    char *text = kernel_alloc((size_t)(st.st_size - from) + 1);
    ssize_t got = pread(fd, text, (size_t)(st.st_size - from), from);
    close(fd);
    *size = got > 0 ? (size_t)got : 0;
    *large = st.st_size > LARGE;
    char *whole = from ? memchr(text, '\n', *size) : NULL;
    if (whole) {
        *size -= (size_t)(whole + 1 - text);
        memmove(text, whole + 1, *size);
    }
    return text;
}

/* At any moment the old file or the new one is there, whole. */
static void cut_file(kernel_history *h, const char *text, size_t size)
{
    char *fresh = kernel_format("%s.new", h->file);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    bool ok = fd >= 0 && write_whole(fd, text, size) && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!ok || rename(fresh, h->file) != 0) {
        kernel_log("%s: %s", fresh, strerror(errno));
        unlink(fresh);
    }
    free(fresh);
}

static void load(kernel_history *h)
{
    size_t size;
    bool large;
    char *text = read_end(h, &size, &large);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        read_line(h, text + at, n);
        at += n + 1;
    }
    if (large) {
        cut_file(h, text, size);
    }
    free(text);
}

static void open_once(kernel_history *h)
{
    if (h->opened) {
        return;
    }
    h->opened = true;
    if (!h->directory) {
        h->session++;
        h->problem = kernel_format("history is kept for this session only: "
                                   "HOME is not set");
        return;
    }
    h->on_disk = true;
    if (!make_directories(h->directory)) {
        give_up(h, h->directory);
    }
    int fd = h->on_disk ? lock(h) : -1;
    load(h);
    h->session++;
    keep(h, json_pack("{si}", "session", h->session));
    write_waiting(h);   /* before another kernel takes the same number */
    if (fd >= 0) {
        close(fd);
    }
}

void kernel_history_free(kernel_history *h)
{
    if (!h) {
        return;
    }
    kernel_history_save(h);
    for (size_t i = 0; i < h->count; i++) {
        free(h->entries[i].in);
        free(h->entries[i].out);
    }
    free(h->entries);
    free(h->directory);
    free(h->file);
    free(h->problem);
    free(h);
}

void kernel_history_add(kernel_history *h, int line, const char *code,
                        size_t size)
{
    open_once(h);
    char *copy = jp_alloc(size + 1);
    if (!copy) {
        free(h->problem);
        h->problem = kernel_format("cell [%d] is not in the history: no memory "
                                   "for it", line);
        return;
    }
    memcpy(copy, code, size);
    copy[size] = '\0';
    add_entry(h, h->session, line, copy);
    keep(h, json_pack("{si si so}", "session", h->session, "line", line, "in",
                      kernel_json_text(code, size)));
}

void kernel_history_result(kernel_history *h, const char *text)
{
    if (!h->count || h->entries[h->count - 1].session != h->session) {
        return;
    }
    int line = h->entries[h->count - 1].line;
    char *copy = jp_alloc(strlen(text) + 1);
    if (!copy) {
        return;   /* the history of a result that nobody could read again */
    }
    set_result(h, h->session, line, strcpy(copy, text));
    keep(h, json_pack("{si si so}", "session", h->session, "line", line, "out",
                      kernel_json_text(text, strlen(text))));
}

char *kernel_history_problem(kernel_history *h)
{
    char *problem = h->problem;
    h->problem = NULL;
    return problem;
}

const char *kernel_history_line(kernel_history *h, int n)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->entries[i].session == h->session && n-- == 0) {
            return h->entries[i].in;
        }
    }
    return NULL;
}

const char *kernel_history_cell(kernel_history *h, int number)
{
    for (size_t i = h->count; i-- > 0;) {
        if (h->entries[i].session == h->session &&
            h->entries[i].line == number) {
            return h->entries[i].in;
        }
    }
    return NULL;
}

/* --- questions ------------------------------------------------------------ */

/* Whether `c` is in the class that begins after '['; *end past its ']'. */
static bool in_class(const char *p, char c, const char **end)
{
    bool invert = *p == '^' || *p == '!', hit = false;
    const char *start = p += invert;
    for (; *p && (*p != ']' || p == start); p++) {
        if (p[1] == '-' && p[2] && p[2] != ']') {
            hit |= (unsigned char)p[0] <= (unsigned char)c &&
                   (unsigned char)c <= (unsigned char)p[2];
            p += 2;
        } else {
            hit |= *p == c;
        }
    }
    *end = *p ? p + 1 : p;
    return hit != invert;
}

static const char *next_character(const char *text)
{
    do {
        text++;
    } while (((unsigned char)*text & 0xc0) == 0x80);
    return text;
}

/* Remembers the last star and goes back to it: never more than quadratic. */
int kernel_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        const char *after = NULL;
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?') {
            pattern++;
            text = next_character(text);
        } else if (*pattern == '[' && in_class(pattern + 1, *text, &after)) {
            pattern = after;
            text++;
        } else if (*pattern != '[' && *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = retry = next_character(retry);
        } else {
            return 0;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

/* Which entries a request asks for. */
typedef struct query {
    bool range, search, unique;
    int session, start, stop;   /* of a range; stop < 0: to the end */
    long n;                     /* of tail and search; < 0: all */
    const char *pattern;
} query;

static query read_query(const kernel_history *h, const json_t *request)
{
    const char *type =
        json_string_value(json_object_get(request, "hist_access_type"));
    const char *pattern =
        json_string_value(json_object_get(request, "pattern"));
    const json_t *n = json_object_get(request, "n");
    const json_t *start = json_object_get(request, "start");
    const json_t *stop = json_object_get(request, "stop");
    query q = {
        .range = type && strcmp(type, "range") == 0,
        .search = type && strcmp(type, "search") == 0,
        .unique = json_is_true(json_object_get(request, "unique")),
        .session = (int)json_integer_value(json_object_get(request, "session")),
        .start = json_is_integer(start) ? (int)json_integer_value(start) : 1,
        .stop = json_is_integer(stop) ? (int)json_integer_value(stop) : -1,
        .n = json_is_integer(n) ? (long)json_integer_value(n) : -1,
        .pattern = pattern ? pattern : "*",
    };
    if (q.session <= 0) {
        q.session += h->session;   /* 0: this one, -1: the one before */
    }
    return q;
}

static bool wanted(const query *q, const entry *e)
{
    if (q->range) {
        return e->session == q->session && e->line >= q->start &&
               (q->stop < 0 || e->line < q->stop);
    }
    return !q->search || kernel_glob(q->pattern, e->in);
}

static bool seen(const json_t *inputs, const char *in)
{
    return json_object_get(inputs, in) != NULL;
}

static json_t *encode(const entry *e, bool output)
{
    json_t *in = kernel_json_text(e->in, strlen(e->in));
    if (output) {
        json_t *out = e->out ? kernel_json_text(e->out, strlen(e->out))
                             : json_null();
        in = json_pack("[oo]", in, out);
    }
    return json_pack("[iio]", e->session, e->line, in);
}

json_t *kernel_history_answer(kernel_history *h, const json_t *request)
{
    open_once(h);
    query q = read_query(h, request);
    bool output = json_is_true(json_object_get(request, "output"));
    json_t *found = json_array(), *inputs = json_object();
    /* From the newest back, so that n and unique keep the latest. */
    for (size_t i = h->count; i-- > 0;) {
        const entry *e = &h->entries[i];
        if (!q.range && q.n >= 0 && json_array_size(found) >= (size_t)q.n) {
            break;
        }
        if (!wanted(&q, e) || (q.unique && seen(inputs, e->in))) {
            continue;
        }
        if (q.unique) {
            json_object_set_new_nocheck(inputs, e->in, json_true());
        }
        json_array_append_new(found, encode(e, output));
    }
    json_decref(inputs);
    json_t *result = json_array();
    for (size_t i = json_array_size(found); i-- > 0;) {
        json_array_append(result, json_array_get(found, i));
    }
    json_decref(found);
    return result;
}
