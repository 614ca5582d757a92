/* SPDX-License-Identifier: MIT
 * Where a run failed, and what the operands were. */
#include "lang/vm.h"

#include "lang/format.h"

#include <stdio.h>
#include <string.h>

void lang__trouble_clear(lang__trouble *t)
{
    lang__source_release(t->source);
    t->source = NULL;
    t->active = false;
    t->nlabels = t->ntrace = 0;
}

static void add_trace(lang__trouble *t, const lang__frame *f,
                      const lang__code *at)
{
    const lang__routine *r = f->routine;
    int most = (int)(sizeof t->trace / sizeof t->trace[0]);
    const lang__source *source = r->unit->source;
    lang_trace trace = {.cell = source->cell, .times = 1};
    lang_trace *last = t->ntrace ? &t->trace[t->ntrace - 1] : NULL;
    trace.line = lang__source_line(source, r->spans[at - r->code].start);
    if (r->klass && r->function)
        snprintf(trace.function, sizeof trace.function, "%.30s.%.30s",
                 r->klass->module->name, r->name);
    else
        snprintf(trace.function, sizeof trace.function, "%.60s", r->name);
    if (last && last->cell == trace.cell && last->line == trace.line &&
        strcmp(last->function, trace.function) == 0)
        last->times++;               /* a recursion */
    else if (t->ntrace < most)
        t->trace[t->ntrace++] = trace;
}

/* The site of an instruction that has one and is likely to fail. */
static const lang__site *site_at(const lang__routine *r, const lang__code *at)
{
    switch (at->op) {
    case LANG__OP_INVOKE:
    case LANG__OP_INDEX:
    case LANG__OP_SET_INDEX:
    case LANG__OP_LIST_ITEM:
    case LANG__OP_SET_LIST_ITEM:
    case LANG__OP_ATTRIBUTE:
    case LANG__OP_SET_ATTRIBUTE:
    case LANG__OP_CALL:
    case LANG__OP_CONVERT:
    case LANG__OP_UNPACK: return r->sites[at->b];
    default: return NULL;
    }
}

/* "x: float32 [64, 784]": how the source calls it, and what it is. */
static bool describe(char *out, size_t room, const lang__source *source,
                     lang__span span, lang__value v)
{
    lang__writer w = {0};
    uint32_t size = span.end - span.start;
    const char *text = source->text + span.start;
    bool simple = size > 0 && size <= 24 && !memchr(text, '\n', size);
    if (v.kind == LANG_TENSOR && v.t) {
        if (simple)
            lang__write_n(&w, text, size);
        else
            lang__write(&w, "this");
        lang__write_format(&w, ": %s ", rt_dtype_name(rt_tensor_dtype(v.t)));
        lang__write_shape(&w, rt_tensor_shape(v.t), rt_tensor_ndim(v.t));
    } else if (v.kind == LANG_LIST && v.l && simple) {
        lang__write_n(&w, text, size);
        lang__write_format(&w, ": %lld elements", (long long)v.l->count);
    } else if (v.kind == LANG_INT && simple) {
        lang__write_n(&w, text, size);
        lang__write_format(&w, ": %lld", (long long)v.i);
    }
    bool some = w.data && !w.failed;
    if (some)
        snprintf(out, room, "%s", w.data);
    lang__writer_dispose(&w);
    return some;
}

static bool literal(const lang__source *source, lang__span span)
{
    char c = span.start < source->size ? source->text[span.start] : 0;
    return c && (strchr("-\"'{[&", c) || (c >= '0' && c <= '9'));
}

static void add_label(lang__trouble *t, const lang__operand *o,
                      const lang__value *registers)
{
    if (!o->given || t->nlabels >= LANG__MAX_LABELS ||
        o->span.end <= o->span.start || o->span.end > t->source->size)
        return;
    lang__value v = lang__fetch(o, registers);
    if (v.kind != LANG_TENSOR && literal(t->source, o->span))
        return;
    if (describe(t->labels[t->nlabels].text, sizeof t->labels[0].text,
                 t->source, o->span, v))
        t->labels[t->nlabels++].span = o->span;
}

static void add_labels(lang__trouble *t, const lang__frame *f,
                       const lang__code *at, rt_status code)
{
    const lang__site *site = site_at(f->routine, at);
    bool about_values = code == RT_E_SHAPE || code == RT_E_DTYPE ||
                        code == RT_E_INDEX || code == RT_E_ARGUMENT ||
                        code == RT_E_TYPE || code == RT_E_AUTOGRAD ||
                        code == RT_E_DEVICE;
    if (!site || !about_values)
        return;
    t->span = site->span.end > site->span.start ? site->span : t->span;
    add_label(t, &site->object, f->registers);
    for (int i = 0; i < site->nargs; i++)
        add_label(t, &site->args[i], f->registers);
}

void lang__trouble_note(lang_session *s, const lang__frame *f,
                        const lang__code *at, const rt_error *err)
{
    lang__trouble *t = &s->trouble;
    const lang__routine *r = f->routine;
    if (t->active && strcmp(t->message, err->message) == 0) {
        add_trace(t, f, at);
        return;
    }
    lang__trouble_clear(t);
    t->active = true;
    snprintf(t->message, sizeof t->message, "%s", err->message);
    t->source = lang__source_retain(r->unit->source);
    t->span = r->spans[at - r->code];
    add_labels(t, f, at, err->code);
    add_trace(t, f, at);
}
