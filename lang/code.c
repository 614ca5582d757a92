/* SPDX-License-Identifier: MIT
 * Life of compiled code, and its listing. */
#include "lang/code.h"

#include "lang/writer.h"

lang__unit *lang__unit_retain(lang__unit *u)
{
    u->count++;
    return u;
}

void lang__unit_release(lang__unit *u)
{
    if (!u || --u->count > 0)
        return;
    lang__source_release(u->source);
    lang__arena_free(&u->arena);
    rt_free(u);
}

lang__routine *lang__routine_retain(lang__routine *r)
{
    r->count++;
    return r;
}

void lang__routine_release(lang__routine *r)
{
    if (!r || --r->count > 0)
        return;
    for (int i = 0; i < r->nconstants; i++)
        lang__release(&r->constants[i]);
    rt_free(r->constants);
    rt_free(r->code);
    rt_free(r->spans);
    rt_free(r->objects);
    for (int i = 0; i < r->nsites; i++)
        lang__routine_release(r->sites[i]->body);
    rt_free(r->sites);
    lang__unit_release(r->unit);
    rt_free(r);
}

lang__klass *lang__klass_retain(lang__klass *k)
{
    k->count++;
    return k;
}

void lang__klass_release(lang__klass *k)
{
    if (!k || --k->count > 0)
        return;
    lang__routine_release(k->init);
    for (int i = 0; i < k->nmethods; i++)
        lang__routine_release(k->methods[i]);
    rt_free(k->methods);
    lang__unit_release(k->unit);
    lang__anchor_release(k->anchor);
    rt_free(k);
}

lang__anchor *lang__anchor_retain(lang__anchor *a)
{
    a->count++;
    return a;
}

void lang__anchor_release(lang__anchor *a)
{
    if (a && --a->count == 0)
        rt_free(a);
}

static const char *const opcode_names[] = {
#define OP(id, effect, meaning) #id,
#include "lang/opcode.def"
#undef OP
};

bool lang__has_next_word(int op)
{
    return (op >= LANG__OP_JUMP_EQ_INT && op <= LANG__OP_STEP_LT) ||
           op == LANG__OP_BINARY || op == LANG__OP_NEXT ||
           op == LANG__OP_FUSED;
}

static void write_bytes_of(lang__writer *w, const lang__code *c)
{
    int32_t bc = (int32_t)((uint16_t)c->b | (uint32_t)(uint16_t)c->c << 16);
    if (c->op == LANG__OP_JUMP)
        lang__write_format(w, "%+d", bc);
    else if (c->op == LANG__OP_JUMP_IF || c->op == LANG__OP_JUMP_UNLESS)
        lang__write_format(w, "%d %+d", c->a, bc);
    else
        lang__write_format(w, "%d %d %d", c->a, c->b, c->c);
}

rt_status lang__disassemble(char **out, const lang__routine *r, rt_error *err)
{
    lang__writer w = {0};
    lang__write_format(&w, "%s: %d registers, %d constants\n",
                       *r->name ? r->name : "cell", r->nregisters,
                       r->nconstants);
    for (int i = 0; i < r->ncode; i++) {
        const lang__code *c = &r->code[i];
        lang__write_format(&w, "%4d  %-18s", i, opcode_names[c->op]);
        write_bytes_of(&w, c);
        if (lang__has_next_word(c->op)) {
            const lang__code *next = &r->code[++i];
            lang__write_format(&w, " | %d", (int)((uint16_t)next->b |
                                      (uint32_t)(uint16_t)next->c << 16));
        }
        lang__write_char(&w, '\n');
    }
    return lang__writer_take(&w, out, err);
}
