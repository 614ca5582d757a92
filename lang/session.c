/* SPDX-License-Identifier: MIT
 * A session: its names, running cells, and what hosts ask of it. */
#include "lang/session.h"

#include "lang/effects.h"
#include "lang/show.h"
#include "lang/writer.h"

#include <string.h>

/* --- names ------------------------------------------------------------------ */

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static int *slot_of(const lang_session *s, const char *name)
{
    uint32_t at = hash_of(name) & (uint32_t)(s->index_room - 1);
    while (s->index[at] >= 0 &&
           strcmp(s->names[s->index[at]]->name, name) != 0)
        at = (at + 1) & (uint32_t)(s->index_room - 1);
    return &s->index[at];
}

static bool grow_names(lang_session *s)
{
    int room = s->names_room ? s->names_room * 2 : 64;
    lang__global **names = rt_realloc(s->names, (size_t)room * sizeof *names);
    if (names)
        s->names = names;
    int *index = rt_alloc((size_t)room * 2 * sizeof *index);
    if (!names || !index) {
        rt_free(index);
        return false;
    }
    rt_free(s->index);
    s->index = index;
    s->index_room = room * 2;
    s->names_room = room;
    memset(index, 0xFF, (size_t)room * 2 * sizeof *index);
    for (int i = 0; i < s->nnames; i++)
        *slot_of(s, s->names[i]->name) = i;
    return true;
}

lang__global *lang__entry_of(lang_session *s, const char *name, bool make)
{
    if (s->index_room) {
        int *slot = slot_of(s, name);
        if (*slot >= 0)
            return s->names[*slot];
    }
    if (!make || (s->nnames == s->names_room && !grow_names(s)))
        return NULL;
    lang__global *g = rt_alloc(sizeof *g);
    char *copy = rt_strdup(name);
    if (!g || !copy) {
        rt_free(g);
        rt_free(copy);
        return NULL;
    }
    *g = (lang__global){.name = copy};
    *slot_of(s, name) = s->nnames;
    s->names[s->nnames++] = g;
    return g;
}

lang__global *lang__find_global(lang_session *s, const char *name)
{
    lang__global *g = lang__entry_of(s, name, false);
    return g && g->state != LANG__ABSENT ? g : NULL;
}

void lang__forget(lang_session *s, lang__global *g)
{
    if (g->state == LANG__ABSENT)
        return;
    bool counted = g->state == LANG__VARIABLE && lang__type_counted(g->type);
    lang__value old = g->value;
    g->state = LANG__ABSENT;
    g->value = LANG__VOID_VALUE;
    lang__routine_release(g->routine);
    lang__klass_release(g->klass);
    g->routine = NULL;
    g->klass = NULL;
    s->epoch++;
    if (counted)
        lang__release(&old);
}

static bool scope_find(void *ctx, const char *name, lang__known *out)
{
    lang__global *g = lang__find_global(ctx, name);
    if (!g)
        return false;
    *out = (lang__known){.type = g->type, .constant = g->constant};
    if (g->state == LANG__FUNCTION_NAME) {
        out->kind = LANG__KNOWN_FUNCTION;
        out->signature = g->routine->signature;
    } else if (g->state == LANG__MODULE_NAME) {
        out->kind = LANG__KNOWN_MODULE;
        out->signature = &g->klass->module->signature;
    } else {
        out->kind = LANG__KNOWN_VARIABLE;
    }
    return true;
}

static lang__type type_of_host(lang__value v)
{
    lang__type type = lang__value_type(v);
    if (type.kind == LANG_HOST || type.kind == LANG_VOID)
        type.kind = LANG__ANY;
    return type;
}

static bool scope_lookup(void *ctx, const char *name, lang__type *out)
{
    lang_session *s = ctx;
    lang_value raw = {.kind = LANG_VOID};
    lang__value v = LANG__VOID_VALUE;
    if (!s->host.lookup || !s->host.lookup(s->host.ctx, name, &raw))
        return false;
    bool ok = lang__value_import(&v, &raw, &s->host, NULL) == RT_OK;
    if (raw.kind != LANG_HOST)
        lang_value_release(&raw);
    *out = type_of_host(v);
    lang__release(&v);
    return ok;
}

static const char *scope_name_at(void *ctx, int n)
{
    lang_session *s = ctx;
    for (int i = 0; i < s->nnames; i++) {
        if (s->names[i]->state != LANG__ABSENT && n-- == 0)
            return s->names[i]->name;
    }
    return NULL;
}

lang__scope lang__session_scope(lang_session *s)
{
    return (lang__scope){.ctx = s, .find = scope_find,
                         .lookup = s->host.lookup ? scope_lookup : NULL,
                         .name_at = scope_name_at};
}

static lang__global *names_entry(void *ctx, const char *name)
{
    return lang__entry_of(ctx, name, true);
}

lang__names lang__session_names(lang_session *s)
{
    return (lang__names){.ctx = s, .entry = names_entry};
}

/* --- life ------------------------------------------------------------------- */

rt_status lang_session_new(lang_session **out, const lang_host *host,
                           rt_error *err)
{
    lang_session *s = rt_alloc(sizeof *s);
    if (!s)
        return rt_fail(err, RT_E_MEMORY, "session: no memory");
    *s = (lang_session){.epoch = 1};
    s->place = &s->unwatched;
    if (host)
        s->host = *host;
    s->anchor = rt_alloc(sizeof *s->anchor);
    s->stack = rt_alloc(LANG__STACK * sizeof *s->stack);
    s->frames = rt_alloc(LANG__MAX_FRAMES * sizeof *s->frames);
    if (s->anchor)
        *s->anchor = (lang__anchor){1, s};
    if (!s->anchor || !s->stack || !s->frames || !grow_names(s)) {
        lang_session_free(s);
        return rt_fail(err, RT_E_MEMORY, "session: no memory");
    }
    s->top = s->stack;
    s->stack_end = s->stack + LANG__STACK;
    *out = s;
    return RT_OK;
}

void lang_watch(lang_session *s, volatile uint64_t *place)
{
    s->place = place;
}

static void clear_declared(lang_session *s)
{
    for (int i = 0; i < s->ndeclared; i++)
        rt_free(s->declared[i]);
    s->ndeclared = 0;
}

void lang_session_free(lang_session *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->nnames; i++)
        lang__forget(s, s->names[i]);
    lang__finish_plots(s);
    lang__release(&s->result);
    lang__trouble_clear(&s->trouble);
    clear_declared(s);
    if (s->anchor)
        s->anchor->session = NULL;
    lang__anchor_release(s->anchor);
    for (int i = 0; i < s->nnames; i++) {
        rt_free(s->names[i]->name);
        rt_free(s->names[i]);
    }
    rt_free(s->declared);
    rt_free(s->names);
    rt_free(s->index);
    rt_free(s->stack);
    rt_free(s->frames);
    rt_free(s);
}

/* --- cells ------------------------------------------------------------------ */

static rt_status unit_new(lang__unit **out, lang__source *source, rt_error *err)
{
    lang__unit *u = rt_alloc(sizeof *u);
    if (!u)
        return rt_fail(err, RT_E_MEMORY, "cell: no memory");
    *u = (lang__unit){.count = 1};
    if (!lang__arena_init(&u->arena)) {
        rt_free(u);
        return rt_fail(err, RT_E_MEMORY, "cell: no memory");
    }
    u->source = lang__source_retain(source);
    *out = u;
    return RT_OK;
}

rt_status lang__cell_open(lang__cell *cell, lang_session *s,
                          lang__source *source, lang__span range,
                          bool expression, lang_failure *failure,
                          rt_error *err)
{
    *cell = (lang__cell){0};
    rt_status status = unit_new(&cell->unit, source, err);
    if (status)
        return status;
    lang__diagnostics errors = {0};
    lang__scope scope = lang__session_scope(s);
    lang__names names = lang__session_names(s);
    lang__check_request request = {
        .source = source, .range = range, .scope = &scope,
        .arena = &cell->unit->arena, .expression = expression};
    status = lang__check(&cell->program, &errors, &request);
    if (status) {
        if (errors.count && failure)
            lang__failure_fill(failure, source, errors.items, errors.count,
                               errors.total);
        rt_fail(err, status, "%s", errors.count ? errors.items[0].message
                                                : "the cell is too large");
        if (errors.count && errors.items[0].help)
            rt_error_help(err, "%s", errors.items[0].help);
        lang__cell_close(cell);
        return status;
    }
    status = lang__compile_program(&cell->routine, cell->unit, cell->program,
                                   &names, err);
    if (status)
        lang__cell_close(cell);
    return status;
}

void lang__cell_close(lang__cell *cell)
{
    lang__routine_release(cell->routine);
    lang__unit_release(cell->unit);
    *cell = (lang__cell){0};
}

rt_status lang__run_text(lang_session *s, lang__source *source,
                         lang__span range, rt_error *err)
{
    lang__cell cell;
    lang__value nothing = LANG__VOID_VALUE;
    rt_status status = lang__cell_open(&cell, s, source, range, false, NULL,
                                       err);
    if (status)
        return status;
    status = lang__define_all(s, &cell, err);
    if (!status)
        status = lang__run(s, cell.routine, NULL, NULL, 0, &nothing, err);
    lang__cell_close(&cell);
    return status;
}

/* --- failures --------------------------------------------------------------- */

static void append_trace(char **text, const lang__trouble *t)
{
    lang__writer w = {0};
    if (!*text || t->ntrace < 2)
        return;
    lang__write(&w, *text);
    for (int i = 0; i < t->ntrace; i++) {
        const lang_trace *f = &t->trace[i];
        lang__write_format(&w, "\n  %s cell %d, line %d%s%s",
                           i ? "called from" : "in", f->cell, f->line,
                           *f->function ? ", in " : "", f->function);
        if (f->times > 1)
            lang__write_format(&w, " (%d calls)", f->times);
    }
    char *longer = NULL;
    if (lang__writer_take(&w, &longer, NULL) == RT_OK) {
        rt_free(*text);
        *text = longer;
    }
}

static void fail_at_run(lang_session *s, lang_failure *out,
                        const rt_error *err)
{
    const lang__trouble *t = &s->trouble;
    lang__diagnostic item = {.id = LANG__D_RUNTIME, .status = err->code,
                             .message = err->message, .help = err->help};
    if (t->active) {
        item.span = t->span;
        for (int i = 0; i < t->nlabels; i++)
            item.labels[i] = (lang__label){t->labels[i].span,
                                           t->labels[i].text};
        item.nlabels = t->nlabels;
    }
    lang__failure_fill(out, t->active ? t->source : NULL, &item, 1, 1);
    append_trace(&out->text, t);
    append_trace(&out->ansi, t);
    out->trace = t->ntrace ? rt_alloc((size_t)t->ntrace * sizeof *out->trace)
                           : NULL;
    if (out->trace) {
        memcpy(out->trace, t->trace, (size_t)t->ntrace * sizeof *out->trace);
        out->ntrace = t->ntrace;
    }
}

/* --- running ---------------------------------------------------------------- */

static rt_status keep_outcome(lang_session *s, lang_outcome *out,
                              rt_error *err)
{
    if (!s->has_result)
        return RT_OK;
    rt_status status = lang__render_value(&out->bundle, s->result, err);
    if (status)
        return status;
    rt_error ignored;
    rt_error_clear(&ignored);
    out->has_value = true;
    /* What cannot cross the border (an unbound optimizer) still is shown. */
    if (lang__value_export(&out->value, s->result, &ignored))
        out->value = (lang_value){.kind = LANG_VOID};
    return RT_OK;
}

static void run_cell(lang_session *s, lang__cell *cell, lang_outcome *out,
                     rt_error *err)
{
    lang__value nothing = LANG__VOID_VALUE;
    s->has_result = s->exit_asked = false;
    lang__release(&s->result);
    lang__trouble_clear(&s->trouble);
    rt_status status = lang__define_all(s, cell, err);
    if (!status)
        status = lang__run(s, cell->routine, NULL, NULL, 0, &nothing, err);
    lang__finish_plots(s);
    if (!status)
        status = keep_outcome(s, out, err);
    lang__release(&s->result);
    s->has_result = false;
    if (status && s->exit_asked) {
        out->exit_asked = true;
        out->exit_status = s->exit_status;
        status = RT_OK;
    }
    out->ok = !status;
    if (status)
        fail_at_run(s, &out->failure, err);
    lang__trouble_clear(&s->trouble);
}

static void execute(lang_session *s, lang__source *source, bool expression,
                    lang_outcome *out, rt_error *err)
{
    lang__cell cell;
    bool outer = s->running;
    if (outer) {
        rt_fail(err, RT_E_UNSUPPORTED,
                "the session is running a cell already");
        fail_at_run(s, &out->failure, err);
        return;
    }
    s->running = true;
    rt_status status = lang__cell_open(&cell, s, source, (lang__span){0, 0},
                                       expression, &out->failure, err);
    out->untouched = status || lang__keeps_session(cell.program, cell.routine);
    if (!status)
        run_cell(s, &cell, out, err);
    else if (!out->failure.text) {
        lang__failure_dispose(&out->failure);   /* drawn in part */
        fail_at_run(s, &out->failure, err);
    }
    lang__cell_close(&cell);
    s->running = false;
}

static void start(lang_session *s, const char *text, size_t size, int number,
                  const char *name, bool expression, lang_outcome *out)
{
    rt_error err;
    rt_error_clear(&err);
    err.message[0] = err.help[0] = err.op[0] = 0;
    lang__source *source = NULL;
    *out = (lang_outcome){.ok = false, .untouched = true};
    if (lang__source_new(&source, text, size, number, name, &err)) {
        fail_at_run(s, &out->failure, &err);
        return;
    }
    execute(s, source, expression, out, &err);
    lang__source_release(source);
}

void lang_execute(lang_session *s, const char *source, size_t size, int cell,
                  const char *name, lang_outcome *out)
{
    if (!s->running) {
        clear_declared(s);
        s->cell = cell;
    }
    start(s, source, size, cell, name, false, out);
}

void lang_evaluate(lang_session *s, const char *source, size_t size,
                   lang_outcome *out)
{
    start(s, source, size, s->cell, "expression", true, out);
}

void lang_outcome_dispose(lang_outcome *o)
{
    lang_value_release(&o->value);
    lang_bundle_dispose(&o->bundle);
    lang__failure_dispose(&o->failure);
    *o = (lang_outcome){0};
}

/* --- variables -------------------------------------------------------------- */

static bool function_value(lang_value *out, const lang__global *g)
{
    lang__closure *c = rt_alloc(sizeof *c);
    char *name = rt_strdup(g->name);
    if (!c || !name) {
        rt_free(c);
        rt_free(name);
        return false;
    }
    *c = (lang__closure){.head = {1, LANG_FUNCTION}, .callee = {.name = name}};
    *out = (lang_value){.kind = LANG_FUNCTION, .object = c};
    return true;
}

bool lang_get(lang_session *s, const char *name, lang_value *out)
{
    lang__global *g = lang__find_global(s, name);
    if (!g)
        return false;
    if (g->state != LANG__VARIABLE)
        return function_value(out, g);
    return lang__value_export(out, g->value, NULL) == RT_OK;
}

rt_status lang_set(lang_session *s, const char *name, const lang_value *value,
                   rt_error *err)
{
    lang__value v = LANG__VOID_VALUE;
    lang__global *g = lang__entry_of(s, name, true);
    if (!g)
        return rt_fail(err, RT_E_MEMORY, "no memory for %s", name);
    rt_status status = lang__value_import(&v, value, &s->host, err);
    if (status)
        return status;
    lang__type type = type_of_host(v);
    bool same = g->state == LANG__VARIABLE && lang__type_equal(g->type, type);
    if (!same && s->running) {
        lang__release(&v);
        return rt_fail(err, RT_E_TYPE, "%s cannot change its type while a "
                       "cell runs", name);
    }
    if (!same)
        lang__forget(s, g);
    lang__value old = same ? g->value : LANG__VOID_VALUE;
    g->state = LANG__VARIABLE;
    g->type = type;
    g->constant = false;
    g->value = v;
    g->cell = s->cell;
    if (!same)
        s->epoch++;
    lang__release(&old);
    return RT_OK;
}

bool lang_unset(lang_session *s, const char *name)
{
    lang__global *g = lang__find_global(s, name);
    if (!g || s->running)
        return false;
    lang__forget(s, g);
    return true;
}

int lang_declared_count(const lang_session *s)
{
    return s->ndeclared;
}

const char *lang_declared_at(const lang_session *s, int i)
{
    return i >= 0 && i < s->ndeclared ? s->declared[i] : NULL;
}
