/* SPDX-License-Identifier: MIT
 * Line and cell magics, `name?`, and the session's table of symbols. */
#include "lang/session.h"

#include "lang/format.h"
#include "lang/place.h"
#include "lang/show.h"
#include "lang/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREVIEW = 80 };   /* bytes of a value in a list of variables */

typedef struct magic_call {
    lang_session *s;
    lang__unit *unit;
    const lang__site *site;
    const char *rest;
    rt_error *err;
} magic_call;

/* Prints what was written, all of it or nothing. */
static rt_status say(magic_call *m, lang__writer *w)
{
    rt_status status =
        w->failed ? rt_fail(m->err, RT_E_MEMORY, "no memory for what it prints")
                  : RT_OK;
    if (!status && w->data)
        lang__print(m->s, 1, w->data, w->size);
    lang__writer_dispose(w);
    return status;
}

/* --- time ------------------------------------------------------------------- */

/* What %time and %timeit run: the rest of the line or of the cell. */
typedef struct timed {
    lang__cell cell;          /* of a line magic */
    lang__routine *routine;
} timed;

static rt_status open_timed(magic_call *m, timed *t)
{
    *t = (timed){.routine = m->site->body};
    if (t->routine)
        return RT_OK;
    uint32_t start = m->site->stmt->u.magic.rest_start;
    lang__span range = {start, start + (uint32_t)strlen(m->rest)};
    if (!*m->rest)
        return rt_fail(m->err, RT_E_ARGUMENT, "%%%s: nothing to run",
                       m->site->stmt->u.magic.name);
    rt_status status = lang__cell_open(&t->cell, m->s, m->unit->source, range,
                                       false, NULL, m->err);
    if (!status)
        status = lang__define_all(m->s, &t->cell, m->err);
    if (status)
        lang__cell_close(&t->cell);
    t->routine = t->cell.routine;
    return status;
}

static rt_status run_timed(magic_call *m, timed *t, int64_t loops,
                           double *seconds)
{
    double begun = lang__clock();
    for (int64_t i = 0; i < loops; i++) {
        lang__value nothing = LANG__VOID_VALUE;
        rt_status status = lang__run(m->s, t->routine, NULL, NULL, 0, &nothing,
                                     m->err);
        if (status)
            return status;
    }
    *seconds = lang__clock() - begun;
    return RT_OK;
}

static void write_time(lang__writer *w, double seconds)
{
    static const char *const units[] = {"s", "ms", "us", "ns"};
    int unit = 0;
    while (unit < 3 && seconds < 1) {
        seconds *= 1000;
        unit++;
    }
    char text[32];
    lang__format_double(text, sizeof text, "%.3g", -1, seconds);
    lang__write_format(w, "%s %s", text, units[unit]);
}

static rt_status magic_TIME(magic_call *m)
{
    timed t;
    double seconds = 0;
    lang__writer w = {0};
    rt_status status = open_timed(m, &t);
    if (status)
        return status;
    status = run_timed(m, &t, 1, &seconds);
    lang__cell_close(&t.cell);
    if (status)
        return status;
    lang__write(&w, "Wall time: ");
    write_time(&w, seconds);
    lang__write_char(&w, '\n');
    return say(m, &w);
}

enum { REPEATS = 5 };

static rt_status report_runs(magic_call *m, const double *runs, int64_t loops)
{
    lang__writer w = {0};
    double mean = 0, spread = 0;
    for (int i = 0; i < REPEATS; i++)
        mean += runs[i] / REPEATS;
    for (int i = 0; i < REPEATS; i++)
        spread += (runs[i] - mean) * (runs[i] - mean) / REPEATS;
    write_time(&w, mean);
    lang__write(&w, " \xC2\xB1 ");
    write_time(&w, sqrt(spread));
    lang__write_format(&w, " per loop (mean \xC2\xB1 std. dev. of %d runs, "
                       "%lld loop%s each)\n", REPEATS, (long long)loops,
                       loops == 1 ? "" : "s");
    return say(m, &w);
}

/* Loops so many times that a run takes about a tenth of a second. */
static rt_status magic_TIMEIT(magic_call *m)
{
    timed t;
    double runs[REPEATS], seconds = 0;
    int64_t loops = 1;
    rt_status status = open_timed(m, &t);
    if (status)
        return status;
    status = run_timed(m, &t, 1, &seconds);
    while (!status && seconds < 0.02 && loops < 1000000) {
        loops *= 10;
        status = run_timed(m, &t, loops, &seconds);
    }
    for (int i = 0; i < REPEATS && !status; i++) {
        status = run_timed(m, &t, loops, &seconds);
        runs[i] = seconds / (double)loops;
    }
    lang__cell_close(&t.cell);
    lang__release(&m->s->result);
    m->s->has_result = false;
    return status ? status : report_runs(m, runs, loops);
}

/* --- the session ------------------------------------------------------------ */

/* "Tensor", "f(float t) -> float": what a name stands for. */
static void write_kind(lang__writer *w, const lang__global *g)
{
    char text[48];
    if (g->state == LANG__VARIABLE) {
        lang__write(w, lang__type_is(g->type, LANG__ANY)
                           ? lang__value_kind(text, g->value)
                           : lang__type_text(text, g->type));
        return;
    }
    char *signature = lang__signature_text(
        g->routine ? g->routine->signature : &g->klass->module->signature);
    lang__write(w, signature ? signature : g->name);
    w->failed |= !signature;
    rt_free(signature);
}

/* Whether writing it would take time, and little of it be shown. */
static bool is_long(lang__value v)
{
    bool found = v.kind == LANG_LIST && v.l && v.l->count > 20;
    if (v.kind == LANG_STRING)
        return v.s && v.s->size > PREVIEW;
    for (int64_t i = 0;
         v.kind == LANG_LIST && v.l && !found && i < v.l->count; i++)
        found = is_long(lang__list_at(v.l, i));
    return found;
}

/* One line about a value, short. */
static void write_preview(lang__writer *w, const lang__global *g)
{
    lang__value v = g->value;
    size_t start = w->size;
    if (g->state != LANG__VARIABLE)
        return;
    if (!lang__type_counted(g->type))
        v.kind = g->type.kind;
    if (v.kind == LANG_TENSOR && v.t) {
        lang__write_format(w, "%s ", rt_dtype_name(rt_tensor_dtype(v.t)));
        lang__write_shape(w, rt_tensor_shape(v.t), rt_tensor_ndim(v.t));
    } else if (v.kind == LANG_STRING && is_long(v)) {
        lang__write_quoted(w, v.s->text, PREVIEW);   /* cut again below */
    } else if (v.kind == LANG_LIST && is_long(v)) {
        lang__write_format(w, "%lld elements", (long long)v.l->count);
    } else if (v.kind == LANG_MODULE && v.m) {
        lang__write(w, rt_module_name(v.m));
    } else {
        w->failed |= lang__write_value(w, v, true, NULL) == RT_E_MEMORY;
    }
    if (!w->data)
        return;
    char *line = memchr(w->data + start, '\n', w->size - start);
    size_t most = line ? (size_t)(line - w->data) - start : w->size - start;
    if (most > PREVIEW) {
        most = PREVIEW;
        while (most && ((unsigned char)w->data[start + most] & 0xC0) == 0x80)
            most--;
    }
    if (start + most < w->size) {
        w->size = start + most;
        w->data[w->size] = 0;
        lang__write(w, "...");
    }
}

static rt_status magic_WHO(magic_call *m)
{
    lang__writer w = {0};
    int shown = 0;
    for (int i = 0; i < m->s->nnames; i++) {
        const lang__global *g = m->s->names[i];
        if (g->state == LANG__ABSENT)
            continue;
        lang__write_format(&w, "%-16s ", g->name);
        write_kind(&w, g);
        if (g->state == LANG__VARIABLE) {
            lang__write(&w, "  ");
            write_preview(&w, g);
        }
        lang__write_char(&w, '\n');
        shown++;
    }
    if (!shown)
        lang__write(&w, "no variables or functions yet\n");
    return say(m, &w);
}

static rt_status magic_RESET(magic_call *m)
{
    if (*m->rest)
        return rt_fail(m->err, RT_E_ARGUMENT, "%%reset forgets everything and "
                       "takes no \"%s\"", m->rest);
    for (int i = 0; i < m->s->nnames; i++)
        lang__forget(m->s, m->s->names[i]);
    return RT_OK;
}

static rt_status magic_DEVICE(magic_call *m)
{
    rt_device d;
    if (!*m->rest) {
        lang__print(m->s, 1, "cpu\n", 4);
        return RT_OK;
    }
    rt_status status = rt_device_parse(&d, m->rest, m->err);
    if (!status)
        status = rt_device_check(d, m->err);
    if (!status && d.kind != RT_CPU)
        status = rt_fail(m->err, RT_E_UNSUPPORTED,
                         "%%device: new tensors are made on the cpu; "
                         "x.to(\"%s\") moves one", m->rest);
    return status;
}

static rt_status magic_SEED(magic_call *m)
{
    int64_t seed;
    if (!lang__read_int(&seed, m->rest))
        return rt_fail(m->err, RT_E_ARGUMENT,
                       "%%seed: a number is wanted, not \"%.40s\"", m->rest);
    rt_manual_seed((uint64_t)seed);
    return RT_OK;
}

static rt_status magic_THREADS(magic_call *m)
{
    int64_t n;
    lang__writer w = {0};
    if (*m->rest) {
        if (!lang__read_int(&n, m->rest) || n < 0 || n > 1024)
            return rt_fail(m->err, RT_E_ARGUMENT,
                           "%%threads: 1 to 1024 (0: all cores), not "
                           "\"%.40s\"", m->rest);
        rt_set_num_threads((int)n);
    }
    lang__write_format(&w, "%d thread%s\n", rt_num_threads(),
                       rt_num_threads() == 1 ? "" : "s");
    return say(m, &w);
}

/* --- files and history -------------------------------------------------------- */

enum { MAX_FILE = 16 * 1024 * 1024 };

static rt_status read_file(char **out, const char *path, rt_error *err)
{
    FILE *f = fopen(path, "rb");
    lang__writer w = {0};
    char part[4096];
    size_t n;
    if (!f)
        return rt_fail(err, RT_E_FILE, "%%load: %s cannot be opened", path);
    while ((n = fread(part, 1, sizeof part, f)) > 0 && w.size < MAX_FILE)
        lang__write_n(&w, part, n);
    bool bad = ferror(f) != 0;
    fclose(f);
    if (bad || w.size >= MAX_FILE) {
        lang__writer_dispose(&w);
        return rt_fail(err, RT_E_FILE, "%%load: %s %s", path,
                       bad ? "cannot be read" : "is too large for a cell");
    }
    return lang__writer_take(&w, out, err);
}

static rt_status magic_LOAD(magic_call *m)
{
    char *text = NULL;
    if (!*m->rest)
        return rt_fail(m->err, RT_E_ARGUMENT, "%%load: which file?");
    if (!m->s->host.set_next_input)
        return rt_fail(m->err, RT_E_UNSUPPORTED,
                       "%%load: this front end has no next cell");
    rt_status status = read_file(&text, m->rest, m->err);
    if (!status)
        m->s->host.set_next_input(m->s->host.ctx, text, false);
    rt_free(text);
    return status;
}

static const char *earlier(magic_call *m, int n)
{
    return m->s->host.history ? m->s->host.history(m->s->host.ctx, n) : NULL;
}

static int count_history(magic_call *m)
{
    int n = 0;
    while (earlier(m, n))
        n++;
    return n;
}

static rt_status no_history(magic_call *m)
{
    return rt_fail(m->err, RT_E_UNSUPPORTED,
                   "%%%s: this front end keeps no history",
                   m->site->stmt->u.magic.name);
}

static rt_status magic_HISTORY(magic_call *m)
{
    lang__writer w = {0};
    int64_t wanted = 0;
    if (!m->s->host.history)
        return no_history(m);
    if (*m->rest && (!lang__read_int(&wanted, m->rest) || wanted < 1))
        return rt_fail(m->err, RT_E_ARGUMENT,
                       "%%history: how many cells, not \"%.40s\"", m->rest);
    int n = count_history(m);
    int first = wanted && wanted < n ? n - (int)wanted : 0;
    for (int i = first; i < n; i++)
        lang__write_format(&w, "%4d: %s\n", i + 1, earlier(m, i));
    return say(m, &w);
}

/* "file", "file 2" or "file 1-5" */
static bool parse_cells(const char *text, int *first, int *last)
{
    int end = 0;
    if (sscanf(text, "%d-%d%n", first, last, &end) == 2 && !text[end])
        return *first >= 1 && *last >= *first;
    end = 0;
    if (sscanf(text, "%d%n", first, &end) == 1 && !text[end]) {
        *last = *first;
        return *first >= 1;
    }
    return false;
}

static rt_status magic_SAVE(magic_call *m)
{
    char path[512];
    int first = 1, last = count_history(m);
    size_t size = strcspn(m->rest, " ");
    const char *cells = m->rest + size + strspn(m->rest + size, " ");
    if (!m->s->host.history)
        return no_history(m);
    if (!size || size >= sizeof path ||
        (*cells && !parse_cells(cells, &first, &last)))
        return rt_fail(m->err, RT_E_ARGUMENT,
                       "%%save: write %%save file.rt or %%save file.rt 1-5");
    memcpy(path, m->rest, size);
    path[size] = 0;
    lang__writer w = {0};
    char *text = NULL;
    for (int i = first - 1; i < last && earlier(m, i); i++)
        lang__write_format(&w, "%s\n\n", earlier(m, i));
    size = w.size;
    rt_status status = lang__writer_take(&w, &text, m->err);
    if (!status)
        status = rt_file_replace(path, text, size, m->err);
    rt_free(text);
    return status;
}

/* --- the table ---------------------------------------------------------------- */

/* The kernel answers these itself, when they are the whole cell. */
static rt_status front_only(magic_call *m, const char *name)
{
    rt_status status = rt_fail(m->err, RT_E_UNSUPPORTED,
                               "%%%s: only the kernel of a notebook keeps "
                               "checkpoints, and only a cell of its own can "
                               "ask for them", name);
    rt_error_help(m->err, "run %%%s in a cell with nothing else", name);
    return status;
}

static rt_status magic_UNDO(magic_call *m)
{
    return front_only(m, "undo");
}

static rt_status magic_CHECKPOINTS(magic_call *m)
{
    return front_only(m, "checkpoints");
}

static rt_status magic_LSMAGIC(magic_call *m);

typedef struct magic_row {
    const char *name, *arguments, *doc;
    bool cell;
    rt_status (*run)(magic_call *m);
} magic_row;

static const magic_row magics[] = {
#define MAGIC(id, name, cell, arguments, doc)                                  \
    {name, arguments, doc, cell, magic_##id},
#include "lang/magics.def"
#undef MAGIC
};
enum { MAGICS = sizeof magics / sizeof magics[0] };

static rt_status magic_LSMAGIC(magic_call *m)
{
    lang__writer w = {0};
    for (int i = 0; i < MAGICS; i++)
        lang__write_format(&w, "%%%-11s %-18s %s\n", magics[i].name,
                           magics[i].arguments, magics[i].doc);
    return say(m, &w);
}

/* --- name? -------------------------------------------------------------------- */

static rt_status help(lang_session *s, const lang__stmt *st, rt_error *err)
{
    const char *name = st->u.magic.name;
    lang_bundle b = {0};
    lang_symbols *symbols = lang_session_symbols(s);
    rt_status status =
        symbols ? lang__inspect(symbols, name, strlen(name),
                                lang__utf8_count(name, strlen(name)),
                                st->u.magic.detail, &b)
                : RT_E_MEMORY;
    lang_symbols_free(symbols);
    if (status == RT_E_NAME)
        return rt_fail(err, status, "nothing is known about %s", name);
    if (status)
        return rt_fail(err, status, "help on %s: no memory", name);
    if (s->host.page) {
        s->host.page(s->host.ctx, &b);
    } else {
        for (int i = 0; i < b.count; i++) {
            if (strcmp(b.items[i].mime, "text/plain") != 0)
                continue;
            lang__print(s, 1, b.items[i].data, b.items[i].size);
            lang__print(s, 1, "\n", 1);
        }
    }
    lang_bundle_dispose(&b);
    return RT_OK;
}

rt_status lang__magic(lang_session *s, const lang__site *site,
                      lang__unit *unit, rt_error *err)
{
    const lang__stmt *st = site->stmt;
    if (st->kind == S_HELP)
        return help(s, st, err);
    const char *name = st->u.magic.name;
    magic_call m = {s, unit, site, st->u.magic.rest, err};
    for (int i = 0; i < MAGICS; i++) {
        if (strcmp(magics[i].name, name) != 0)
            continue;
        if (st->u.magic.cell && !magics[i].cell)
            return rt_fail(err, RT_E_SYNTAX, "%%%%%s: write it with one %%",
                           name);
        return magics[i].run(&m);
    }
    lang__suggestion near;
    lang__suggest_start(&near, name);
    for (int i = 0; i < MAGICS; i++)
        lang__suggest_offer(&near, magics[i].name);
    rt_fail(err, RT_E_NAME, "%%%s: no such magic", name);
    if (near.best)
        rt_error_help(err, "did you mean %%%s?", near.best);
    else
        rt_error_help(err, "%%lsmagic lists them");
    return RT_E_NAME;
}

/* --- symbols ------------------------------------------------------------------ */

static rt_status add_symbol(lang_symbols *t, const lang__global *g)
{
    lang__writer type = {0}, preview = {0};
    write_kind(&type, g);
    write_preview(&preview, g);
    bool variable = g->state == LANG__VARIABLE;
    const char *text = type.data ? type.data : "";
    lang_symbol symbol = {
        .name = g->name,
        .kind = variable ? "variable"
                : g->state == LANG__MODULE_NAME ? "module" : "function",
        .type = variable ? text : "",
        .signature = variable ? "" : text,
        .doc = "",
        .value = preview.data ? preview.data : "",
    };
    rt_status status = lang_symbols_add(t, &symbol, NULL);
    lang__writer_dispose(&type);
    lang__writer_dispose(&preview);
    return status;
}

lang_symbols *lang_session_symbols(lang_session *s)
{
    lang_symbols *t = lang_symbols_new();
    for (int i = 0; t && i < s->nnames; i++) {
        if (s->names[i]->state != LANG__ABSENT &&
            add_symbol(t, s->names[i]) != RT_OK)
            break;
    }
    return t;
}
