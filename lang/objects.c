/* SPDX-License-Identifier: MIT
 * What single instructions do with objects: joining, making lists, names. */
#include "lang/vm.h"

#include <math.h>
#include <string.h>

rt_status lang__object_binary(lang__value *out, lang__value a, lang__value b,
                               int code, rt_error *err)
{
    int op = code & ~LANG__COMPOUND;
    bool texts = a.kind == LANG_STRING;
    switch (op) {
    case O_EQ: *out = LANG__BOOL_VALUE(lang__values_equal(a, b)); return RT_OK;
    case O_NE: *out = LANG__BOOL_VALUE(!lang__values_equal(a, b)); return RT_OK;
    case O_LT:
        *out = LANG__BOOL_VALUE(lang__values_compare(a, b) < 0);
        return RT_OK;
    case O_LE:
        *out = LANG__BOOL_VALUE(lang__values_compare(a, b) <= 0);
        return RT_OK;
    case O_GT:
        *out = LANG__BOOL_VALUE(lang__values_compare(a, b) > 0);
        return RT_OK;
    case O_GE:
        *out = LANG__BOOL_VALUE(lang__values_compare(a, b) >= 0);
        return RT_OK;
    case O_ADD:
        if (texts && a.s && b.kind == LANG_STRING && b.s) {
            *out = LANG__STRING_VALUE(NULL);
            return lang__string_join(&out->s, a.s, b.s,
                                     code & LANG__COMPOUND, err);
        }
        if (a.kind == LANG_LIST && a.l && b.kind == LANG_LIST && b.l) {
            *out = LANG__LIST_VALUE(NULL);
            return lang__list_join(&out->l, a.l, b.l, err);
        }
    }
    char left[48], right[48];
    return rt_fail(err, RT_E_TYPE, "%s: not between %s and %s",
                   lang__operator_text((lang__operator)op),
                   lang__value_kind(left, a), lang__value_kind(right, b));
}

rt_status lang__make_list(lang__value *out, const lang__site *site,
                           lang__value *registers, rt_error *err)
{
    lang_list *l;
    lang__type element = lang__type_element(site->type);
    rt_status status = lang__list_new(&l, element, site->nargs, err);
    if (status)
        return status;
    for (int i = 0; i < site->nargs && !status; i++)
        status = lang__list_put(l, i, lang__fetch(&site->args[i], registers),
                                err);
    if (status)
        lang__list_release(l);
    else
        *out = LANG__LIST_VALUE(l);
    return status;
}

rt_status lang__copy_list(lang__value *out, lang_list *l, rt_error *err)
{
    lang_list *copy;
    rt_status status = lang__list_slice(&copy, l, 0, 1, l->count, err);
    for (int64_t i = 0; i < l->count && !status && l->element.depth; i++) {
        lang__value inner = LANG__VOID_VALUE;
        status = lang__copy_list(&inner, l->items[i].p, err);
        if (!status)
            status = lang__list_put(copy, i, inner, err);
        lang__release(&inner);
        if (status)
            lang__list_release(copy);
    }
    if (!status)
        *out = LANG__LIST_VALUE(copy);
    return status;
}

rt_status lang__range_list(lang__value *out, const lang__site *site,
                            const lang__value *registers, rt_error *err)
{
    int64_t part[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (site->args[i].given)
            part[i] = registers[site->args[i].reg].i;
    }
    if (part[2] == 0)
        return rt_fail(err, RT_E_ARGUMENT, "range: a step of 0 never ends");
    bool last = site->expr && site->expr->u.range.inclusive;
    double span = ((double)part[1] - (double)part[0]) / (double)part[2];
    double n = last ? floor(span) + 1 : ceil(span);
    if (n > (1 << 30))
        return rt_fail(err, RT_E_LIMIT,
                       "range: %.0f elements are too many for a list", n);
    lang_list *l;
    int64_t count = n > 0 ? (int64_t)n : 0;
    rt_status status = lang__list_new(&l, LANG__TYPE(LANG_INT), count, err);
    if (status)
        return status;
    for (int64_t i = 0; i < count; i++)
        l->items[i].i = part[0] + i * part[2];
    *out = LANG__LIST_VALUE(l);
    return RT_OK;
}

rt_status lang__host_value(lang_session *s, const lang__site *site,
                            lang__value *out, rt_error *err)
{
    const char *name = site->expr->u.name.text;
    lang_value raw = {.kind = LANG_VOID};
    if (!s->host.lookup || !s->host.lookup(s->host.ctx, name, &raw))
        return rt_fail(err, RT_E_NAME, "%s is not known any more", name);
    lang__value v = LANG__VOID_VALUE;
    rt_status status = lang__value_import(&v, &raw, &s->host, err);
    if (raw.kind != LANG_HOST)
        lang_value_release(&raw);
    if (!status)
        status = lang__converted(out, v, site->type, err);
    lang__release(&v);
    return status;
}

rt_status lang__closure_of(const lang__site *site, lang__value *out,
                         rt_error *err)
{
    const lang__callee *callee_ = &site->expr->u.callee;
    lang__closure *c = rt_alloc(sizeof *c);
    char *name = callee_->name ? rt_strdup(callee_->name) : NULL;
    if (!c || (callee_->name && !name)) {
        rt_free(c);
        rt_free(name);
        return rt_fail(err, RT_E_MEMORY, "no memory for a function value");
    }
    *c = (lang__closure){.head = {1, LANG_FUNCTION}, .callee = *callee_};
    c->callee.name = name;
    if (name)
        c->callee.signature = NULL;
    *out = (lang__value){.kind = LANG_FUNCTION, .closure = c};
    return RT_OK;
}

static rt_status declared(lang_session *s, const char *name, rt_error *err)
{
    for (int i = 0; i < s->ndeclared; i++) {
        if (strcmp(s->declared[i], name) == 0)
            return RT_OK;
    }
    if (s->ndeclared == s->declared_room) {
        int room = s->declared_room ? s->declared_room * 2 : 8;
        char **grown = rt_realloc(s->declared, (size_t)room * sizeof *grown);
        if (!grown)
            return rt_fail(err, RT_E_MEMORY, "no memory for a name");
        s->declared = grown;
        s->declared_room = room;
    }
    char *copy = rt_strdup(name);
    if (!copy)
        return rt_fail(err, RT_E_MEMORY, "no memory for a name");
    s->declared[s->ndeclared++] = copy;
    return RT_OK;
}

rt_status lang__declare_variable(lang_session *s, const lang__site *site,
                         lang__value *from, rt_error *err)
{
    lang__global *g = site->global;
    bool counted = lang__type_counted(site->type);
    rt_status status = declared(s, g->name, err);
    if (status)
        return status;
    if (g->state != LANG__VARIABLE || !lang__type_equal(g->type, site->type))
        s->epoch++;
    lang__value v = *from;
    if (counted)
        from->kind = LANG_VOID;
    else
        v.kind = site->type.kind;
    if (g->state == LANG__VARIABLE && lang__type_counted(g->type))
        lang__release(&g->value);
    lang__routine_release(g->routine);
    lang__klass_release(g->klass);
    g->routine = NULL;
    g->klass = NULL;
    g->state = LANG__VARIABLE;
    g->type = site->type;
    g->constant = site->method;
    g->value = v;
    g->cell = s->cell;
    return RT_OK;
}

void lang__keep_result(lang_session *s, const lang__site *site, lang__value v)
{
    bool counted = lang__type_counted(site->type);
    if (!counted)
        v.kind = site->type.kind;
    lang__release(&s->result);
    s->result = lang__retain(v);
    s->has_result = v.kind != LANG_VOID;
}
