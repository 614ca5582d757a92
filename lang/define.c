/* SPDX-License-Identifier: MIT
 * Functions and modules of a session: defining them, and checking them again
 * when what they were written for has changed. */
#include "lang/session.h"

#include <stdio.h>
#include <string.h>

/* A definition that was compiled and waits until all of the cell are. */
typedef struct waiting {
    lang__global *entry;
    lang__routine *routine;
    lang__klass *klass;
} waiting;

static void release_waiting(waiting *w, int n)
{
    for (int i = 0; i < n; i++) {
        lang__routine_release(w[i].routine);
        lang__klass_release(w[i].klass);
    }
    rt_free(w);
}

static const lang__signature *signature_of(const lang__global *g)
{
    return g->state == LANG__FUNCTION_NAME ? g->routine->signature
           : g->state == LANG__MODULE_NAME ? &g->klass->module->signature
                                           : NULL;
}

static void install(lang_session *s, waiting *w)
{
    lang__global *g = w->entry;
    const lang__signature *old = signature_of(g);
    const lang__signature *new = w->routine ? w->routine->signature
                                            : &w->klass->module->signature;
    bool same = old && lang__signature_equal(old, new) &&
                (g->state == LANG__FUNCTION_NAME) == (w->routine != NULL);
    uint64_t epoch = s->epoch;
    lang__forget(s, g);
    if (same)
        s->epoch = epoch;
    else
        s->epoch++;
    g->state = w->routine ? LANG__FUNCTION_NAME : LANG__MODULE_NAME;
    g->routine = w->routine;
    g->klass = w->klass;
    g->constant = false;
    g->cell = s->cell;
    w->routine = NULL;
    w->klass = NULL;
}

static rt_status compile_one(lang_session *s, lang__cell *cell,
                             const lang__stmt *st, waiting *w, rt_error *err)
{
    lang__names names = lang__session_names(s);
    const char *name = st->kind == S_FUNCTION ? st->u.function->name
                                              : st->u.module->name;
    w->entry = lang__entry_of(s, name, true);
    if (!w->entry)
        return rt_fail(err, RT_E_MEMORY, "no memory for %s", name);
    if (st->kind == S_FUNCTION)
        return lang__compile_function(&w->routine, cell->unit, st->u.function,
                                      &names, err);
    return lang__compile_module(&w->klass, cell->unit, st->u.module, s->anchor,
                                &names, err);
}

rt_status lang__define_all(lang_session *s, lang__cell *cell, rt_error *err)
{
    const lang__block *body = &cell->program->body;
    int n = 0;
    rt_status status = RT_OK;
    waiting *w = rt_alloc((size_t)(body->count + 1) * sizeof *w);
    if (!w)
        return rt_fail(err, RT_E_MEMORY, "cell: no memory");
    for (int i = 0; i < body->count && !status; i++) {
        const lang__stmt *st = body->items[i];
        if (st->kind != S_FUNCTION && st->kind != S_MODULE)
            continue;
        w[n] = (waiting){0};
        status = compile_one(s, cell, st, &w[n++], err);
    }
    for (int i = 0; i < n && !status; i++)
        install(s, &w[i]);
    release_waiting(w, n);
    return status;
}

/* --- checking again ------------------------------------------------------------ */

/* The first dependency that is not as it was, or NULL. */
static const char *changed(lang_session *s, const lang__routine *r)
{
    for (int i = 0; i < r->ndependencies; i++) {
        const lang__dependency *d = &r->dependencies[i];
        lang__global *g = lang__find_global(s, d->name);
        if (!g)
            return d->name;
        if (!d->signature) {
            if (g->state != LANG__VARIABLE ||
                !lang__type_equal(g->type, d->type))
                return d->name;
            continue;
        }
        const lang__signature *now = signature_of(g);
        if (!now || !lang__signature_equal(now, d->signature))
            return d->name;
    }
    return NULL;
}

static rt_status misfit(const lang__routine *r, const char *name,
                        const rt_error *why, rt_error *err)
{
    rt_fail(err, why->code ? why->code : RT_E_TYPE,
            "%s no longer fits: %s changed since it was defined (%s)",
            r->name, name, why->message);
    rt_error_help(err, "run the cell that defines %s again, adapted to the new "
                  "%s", r->name, name);
    return err->code;
}

static const lang__stmt *definition(const lang__program *p)
{
    for (int i = 0; i < p->body.count; i++) {
        if (p->body.items[i]->kind == S_FUNCTION ||
            p->body.items[i]->kind == S_MODULE)
            return p->body.items[i];
    }
    return NULL;
}

static rt_status again(lang_session *s, lang__routine *r, lang__span span,
                       waiting *w, rt_error *err)
{
    lang__cell cell;
    rt_status status = lang__cell_open(&cell, s, r->unit->source, span, false,
                                       NULL, err);
    if (status)
        return status;
    const lang__stmt *st = definition(cell.program);
    status = st ? compile_one(s, &cell, st, w, err)
                : rt_fail(err, RT_E_INTERNAL, "%s: its definition is gone",
                          r->name);
    lang__cell_close(&cell);
    return status;
}

static bool same_members(const lang__module *a, const lang__module *b)
{
    if (a->nmembers != b->nmembers || a->nmethods != b->nmethods)
        return false;
    for (int i = 0; i < a->nmembers; i++) {
        if (!lang__type_equal(a->members[i].type, b->members[i].type) ||
            strcmp(a->members[i].name, b->members[i].name) != 0)
            return false;
    }
    return true;
}

/* The new code of a module takes the place of the old in its class, so that
 * instances find it. */
static rt_status replace_klass(lang__klass *k, lang__klass *new,
                               lang__routine **r, rt_error *err)
{
    lang__routine *old = *r;
    if (!same_members(k->module, new->module))
        return rt_fail(err, RT_E_TYPE, "its fields have other types now");
    int at = -1;
    for (int i = 0; i < k->nmethods; i++) {
        if (k->methods[i] == old)
            at = i;
    }
    lang__klass swap = *k;
    k->unit = new->unit;
    k->module = new->module;
    k->init = new->init;
    k->methods = new->methods;
    new->unit = swap.unit;
    new->module = swap.module;
    new->init = swap.init;
    new->methods = swap.methods;
    k->init->klass = k;
    for (int i = 0; i < k->nmethods; i++)
        k->methods[i]->klass = k;
    *r = at < 0 ? k->init : k->methods[at];
    return RT_OK;
}

static void mark(lang_session *s, lang__klass *k)
{
    k->init->epoch = s->epoch;
    for (int i = 0; i < k->nmethods; i++)
        k->methods[i]->epoch = s->epoch;
}

static rt_status refresh_klass(lang_session *s, lang__routine **r,
                               const char *name, rt_error *err)
{
    waiting w = {0};
    lang__klass *k = (*r)->klass;
    rt_error why;
    rt_error_clear(&why);
    rt_status status = again(s, *r, k->module->span, &w, &why);
    if (!status)
        status = replace_klass(k, w.klass, r, &why);
    lang__klass_release(w.klass);
    if (status)
        return misfit(*r, name, &why, err);
    mark(s, k);
    return RT_OK;
}

static rt_status refresh_function(lang_session *s, lang__routine **r,
                                  const char *name, rt_error *err)
{
    waiting w = {0};
    rt_error why;
    rt_error_clear(&why);
    rt_status status = again(s, *r, (*r)->function->span, &w, &why);
    if (!status && !lang__signature_equal((*r)->signature,
                                          w.routine->signature))
        status = rt_fail(&why, RT_E_TYPE, "its result has another type now");
    if (status) {
        lang__routine_release(w.routine);
        return misfit(*r, name, &why, err);
    }
    w.routine->epoch = s->epoch;
    lang__routine_release(w.entry->routine);
    w.entry->routine = w.routine;
    *r = w.routine;
    return RT_OK;
}

rt_status lang__refresh(lang_session *s, lang__routine **r, rt_error *err)
{
    const char *name = changed(s, *r);
    if (!name) {
        (*r)->epoch = s->epoch;
        return RT_OK;
    }
    return (*r)->klass ? refresh_klass(s, r, name, err)
                       : refresh_function(s, r, name, err);
}
