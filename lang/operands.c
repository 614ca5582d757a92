/* SPDX-License-Identifier: MIT
 * Where the operands of a site are: registers, and who lets go of them. */
#include "lang/emit.h"

static lang__operand operand_at(lang__place p, const lang__expr *x)
{
    bool is_counted = lang__type_counted(x->type);
    return (lang__operand){
        .reg = (int16_t)p.reg,
        .kind = x->type.depth ? LANG_LIST : x->type.kind,
        .counted = is_counted || p.reg < 0,
        .dies = p.temporary && is_counted,
        .given = true,
        .span = x->span,
    };
}

lang__operand lang__operand_of(lang__emitter *e, const lang__expr *x)
{
    if (!x)
        return (lang__operand){.given = false};
    return operand_at(lang__read_only(e, x), x);
}

/* An argument that may be changed or kept by the callee. */
static lang__operand owned_operand(lang__emitter *e, const lang__expr *x)
{
    return x ? operand_at(lang__anywhere(e, x), x)
             : (lang__operand){.given = false};
}

/* Operand of an op: numbers need no tensor around them there. */
static lang__operand op_operand(lang__emitter *e, const lang__expr *x)
{
    while (x && x->kind == E_CONVERT && lang__type_is(x->type, LANG_TENSOR) &&
           lang__type_is_number(x->u.convert.operand->type))
        x = x->u.convert.operand;
    return lang__operand_of(e, x);
}

static void free_operand(lang__emitter *e, const lang__operand *o)
{
    if (!o->given || o->reg < 0)
        return;
    if (o->dies)
        lang__free_register(e, o->reg);
}

/* Temporaries of payloads do not die in the machine, but are free as well. */
static void free_payload(lang__emitter *e, const lang__operand *o, bool local)
{
    if (o->given && o->reg >= 0 && !o->counted && !local)
        lang__free_register(e, o->reg);
}

static bool is_local(const lang__expr *x)
{
    while (x && x->kind == E_CONVERT && lang__type_is(x->type, LANG_TENSOR))
        x = x->u.convert.operand;
    return x && x->kind == E_LOCAL;
}

void lang__set_operand(lang__emitter *e, lang__operand *o,
                        const lang__expr *x, lang__how as)
{
    *o = as == LANG__AS_OP_ARGUMENT ? op_operand(e, x)
         : as == LANG__AS_OWNED     ? owned_operand(e, x)
                              : lang__operand_of(e, x);
}

void lang__free_operands(lang__emitter *e, const lang__operand *o, int n,
                          lang__expr *const *from)
{
    for (int i = 0; i < n; i++) {
        free_operand(e, &o[i]);
        free_payload(e, &o[i], is_local(from[i]));
    }
}

/* To compute x changes nothing, and an op that gets it runs no code of the
 * session. */
static bool is_quiet(const lang__expr *x)
{
    if (x && !lang__type_is(x->type, LANG_TENSOR) &&
        !lang__type_is_number(x->type))
        return false;
    while (x && x->kind == E_CONVERT)
        x = x->u.convert.operand;
    return !x || x->kind == E_LOCAL || x->kind == E_GLOBAL ||
           x->kind == E_CONSTANT;
}

/* A session's tensor as an op's operand, when nothing is computed between the
 * load and the call: the session holds it, so it need not be counted. Its
 * address goes through a register of payloads. */
static bool borrow(lang__emitter *e, lang__operand *o, lang__expr *const *rest,
                   int n)
{
    const lang__expr *x = rest[0];
    if (!x || x->kind != E_GLOBAL || !lang__type_is(x->type, LANG_TENSOR))
        return false;
    for (int i = 1; i < n; i++) {
        if (!is_quiet(rest[i]))
            return false;
    }
    int reg = lang__temporary(e, false);
    lang__named(e, x, LANG__OP_GLOBAL, LANG__OP_GLOBAL, reg, x->u.name.text);
    *o = (lang__operand){.reg = (int16_t)reg, .kind = LANG_TENSOR,
                         .given = true, .span = x->span};
    return true;
}

lang__operand *lang__operands(lang__emitter *e, lang__expr *const *args,
                               int n, lang__how as)
{
    lang__operand *o = lang__arena_get(e->arena, (size_t)(n + 1) * sizeof *o);
    for (int i = 0; o && i < n; i++) {
        if (as != LANG__AS_OP_ARGUMENT || !borrow(e, &o[i], args + i, n - i))
            lang__set_operand(e, &o[i], args[i], as);
    }
    return o;
}

lang__site *lang__site_for(lang__emitter *e, const lang__expr *x, int *index)
{
    lang__site *site = lang__site_new(e, index);
    site->expr = x;
    site->span = x->span;
    site->type = x->type;
    return site;
}

void lang__with_operands(lang__emitter *e, lang__site *site,
                         lang__expr *const *args, int n, lang__how as)
{
    site->args = lang__operands(e, args, n, as);
    site->nargs = site->args ? n : 0;
    lang__free_operands(e, site->args, site->nargs, args);
}
