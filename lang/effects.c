/* SPDX-License-Identifier: MIT
 * What a compiled cell can change.
 */
#include "lang/effects.h"

#include "lang/code.h"

#include <string.h>

static const lang__effect effects[] = {
#define OP(id, effect, meaning) LANG__##effect,
#include "lang/opcode.def"
#undef OP
};

/* Parameters by which an op takes part in the state of a generator or of a
 * layer, though it returns something new. */
static bool stateful(const rt_param *p)
{
    return p->written || p->type == RT_T_GENERATOR ||
           strcmp(p->name, "training") == 0 ||
           strncmp(p->name, "dropout", 7) == 0;
}

static bool op_keeps(const rt_op *op)
{
    const rt_signature *s = rt_op_signature(op);
    for (int i = 0; s && i < s->nparams; i++) {
        if (stateful(&s->params[i]))
            return false;
    }
    return s != NULL;
}

static bool call_keeps(const lang__site *site)
{
    if (site->op)
        return op_keeps(site->op);
    return site->expr && site->expr->kind == E_CALL_BUILTIN &&
           site->expr->u.invoke.callee.builtin->effect == LANG__KEEPS;
}

/* The instruction at *at, which moves past a second word. */
static bool keeps(const lang__routine *r, int *at)
{
    const lang__code *c = &r->code[*at];
    lang__effect effect = effects[c->op];
    if (effect == LANG__DEPENDS && c->op == LANG__OP_INVOKE)
        effect = call_keeps(r->sites[c->b]) ? LANG__KEEPS : LANG__CHANGES;
    else if (effect == LANG__DEPENDS && c->op == LANG__OP_BINARY)
        effect = c[1].b & LANG__COMPOUND ? LANG__CHANGES : LANG__KEEPS;
    *at += lang__has_next_word(c->op);
    return effect == LANG__KEEPS;
}

static bool defines(const lang__program *p)
{
    for (int i = 0; i < p->body.count; i++) {
        int kind = p->body.items[i]->kind;
        if (kind == S_FUNCTION || kind == S_MODULE)
            return true;
    }
    return p->nglobals > 0;
}

bool lang__keeps_session(const lang__program *p, const lang__routine *r)
{
    if (defines(p))
        return false;
    for (int i = 0; i < r->ncode; i++) {
        if (!keeps(r, &i))
            return false;
    }
    return true;
}
