/* SPDX-License-Identifier: MIT
 * The tree as s-expressions: `(declare x (binary + (const 1) (name y)))`. */
#include "lang/ast.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct printer {
    char *at;
    size_t size, room;
    bool failed;
} printer;

static const char *const expr_names[] = {
#define EXPR(id, text, doc) text,
#define STMT(id, text, doc)
#include "lang/nodes.def"
#undef EXPR
#undef STMT
};

static const char *const stmt_names[] = {
#define EXPR(id, text, doc)
#define STMT(id, text, doc) text,
#include "lang/nodes.def"
#undef EXPR
#undef STMT
};

static const struct { const char *text, *op, *inplace; } operators[] = {
#define X(id, text, op, inplace) {text, op, inplace},
    LANG__OPERATORS(X)
#undef X
};

const char *lang__operator_text(lang__operator o)
{
    return operators[o].text;
}

const char *lang__operator_op(lang__operator o)
{
    return operators[o].op;
}

const char *lang__operator_inplace(lang__operator o)
{
    return operators[o].inplace;
}

static void put(printer *p, const char *format, ...)
{
    char piece[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    size_t size = n < 0 ? 0 : n < (int)sizeof piece ? (size_t)n
                                                    : sizeof piece - 1;
    if (p->size + size + 1 > p->room) {
        size_t room = (p->size + size + 1) * 2;
        char *grown = rt_realloc(p->at, room);
        if (!grown) {
            p->failed = true;
            return;
        }
        p->at = grown;
        p->room = room;
    }
    memcpy(p->at + p->size, piece, size);
    p->size += size;
    p->at[p->size] = 0;
}

static void expr(printer *p, const lang__expr *e);

static void child(printer *p, const lang__expr *e)
{
    put(p, " ");
    if (e)
        expr(p, e);
    else
        put(p, "_");
}

static void constant(printer *p, const lang__constant *c)
{
    switch (c->kind) {
    case LANG_BOOL: put(p, " %s", c->b ? "true" : "false"); break;
    case LANG_INT: put(p, " %lld", (long long)c->i); break;
    case LANG_FLOAT: put(p, " %.17g", c->f); break;
    case LANG_STRING: put(p, " \"%s\"", c->s); break;
    default: put(p, " None"); break;
    }
}

static const char *callee_name(const lang__callee *c)
{
    return c->name ? c->name : "?";
}

static void invoke(printer *p, const lang__expr *e)
{
    if (e->u.invoke.callee.name)
        put(p, " %s", callee_name(&e->u.invoke.callee));
    if (e->u.invoke.object)
        child(p, e->u.invoke.object);
    for (int i = 0; i < e->u.invoke.nargs; i++)
        child(p, e->u.invoke.args[i]);
    for (int i = 0; i < e->u.invoke.nnamed; i++) {
        put(p, " %s=", e->u.invoke.names[i]);
        expr(p, e->u.invoke.named[i]);
    }
}

static void raw_call(printer *p, const lang__expr *e)
{
    child(p, e->u.call.callee);
    for (int i = 0; i < e->u.call.count; i++) {
        const lang__argument *a = &e->u.call.args[i];
        if (a->name)
            put(p, " %s=", a->name);
        else
            put(p, " ");
        if (a->value)
            expr(p, a->value);
    }
}

static void index_item(printer *p, const lang__index *item)
{
    switch (item->kind) {
    case LANG__AT: child(p, item->at); break;
    case LANG__NEW_AXIS: put(p, " None"); break;
    case LANG__REST: put(p, " ..."); break;
    case LANG__SLICE:
        put(p, " (slice");
        child(p, item->start);
        child(p, item->stop);
        child(p, item->step);
        put(p, ")");
        break;
    }
}

static void body(printer *p, const lang__expr *e)
{
    char type[48];
    switch ((lang__expr_kind)e->kind) {
    case E_CONSTANT: constant(p, &e->u.constant); break;
    case E_DTYPE: put(p, " %s", rt_dtype_name(e->u.dtype)); break;
    case E_NAME: case E_GLOBAL: case E_HOST:
        put(p, " %s", e->u.name.text);
        break;
    case E_LOCAL: put(p, " %s", e->u.local->name); break;
    case E_FIELD: put(p, " %s", e->u.field.name); break;
    case E_FUNCTION: put(p, " %s", callee_name(&e->u.callee)); break;
    case E_LIST:
        for (int i = 0; i < e->u.list.count; i++)
            child(p, e->u.list.items[i]);
        break;
    case E_RANGE:
        child(p, e->u.range.start);
        child(p, e->u.range.stop);
        child(p, e->u.range.step);
        break;
    case E_UNARY:
        put(p, " %s", lang__operator_text(e->u.unary.op));
        child(p, e->u.unary.operand);
        break;
    case E_BINARY: case E_LOGICAL:
        put(p, " %s", lang__operator_text(e->u.binary.op));
        child(p, e->u.binary.left);
        child(p, e->u.binary.right);
        break;
    case E_CHOOSE:
        child(p, e->u.choose.condition);
        child(p, e->u.choose.yes);
        child(p, e->u.choose.no);
        break;
    case E_ASSIGN:
        put(p, " %s=", lang__operator_text(e->u.assign.op));
        child(p, e->u.assign.target);
        child(p, e->u.assign.value);
        break;
    case E_STEP:
        put(p, " %s%s", e->u.step.prefix ? "pre" : "post",
            e->u.step.by > 0 ? "++" : "--");
        child(p, e->u.step.target);
        break;
    case E_CALL: raw_call(p, e); break;
    case E_CALL_USER: case E_CALL_SELF: case E_CALL_BUILTIN: case E_CALL_OP:
    case E_CALL_LAYER: case E_CALL_OPTIM: case E_CALL_SCHEDULE:
    case E_CALL_NEW: case E_CALL_MODULE: case E_CALL_VALUE: case E_CALL_METHOD:
        invoke(p, e);
        break;
    case E_MEMBER: case E_ATTRIBUTE: case E_DYNAMIC:
        child(p, e->u.member.object);
        put(p, " %s", e->u.member.name);
        break;
    case E_TUPLE_ITEM:
        child(p, e->u.item.call);
        put(p, " %d", e->u.item.index);
        break;
    case E_INDEX:
        child(p, e->u.index.object);
        for (int i = 0; i < e->u.index.count; i++)
            index_item(p, &e->u.index.items[i]);
        break;
    case E_CONVERT: case E_CAST:
        put(p, " %s", lang__type_text(type, e->type));
        child(p, e->u.convert.operand);
        break;
    case E_BAD: case E_SELF: case E_KIND_COUNT:
        break;
    }
}

static bool typed(const lang__expr *e)
{
    return e->kind != E_CONSTANT && e->kind != E_CONVERT && e->kind != E_CAST &&
           !lang__type_is(e->type, LANG_VOID) && e->type.kind != LANG__BAD;
}

static void expr(printer *p, const lang__expr *e)
{
    char type[48];
    put(p, "(%s", expr_names[e->kind]);
    body(p, e);
    put(p, ")");
    if (typed(e))
        put(p, ":%s", lang__type_text(type, e->type));
}

static void stmt(printer *p, const lang__stmt *s);

static void child_stmt(printer *p, const lang__stmt *s)
{
    put(p, " ");
    if (s)
        stmt(p, s);
    else
        put(p, "_");
}

static void block(printer *p, const lang__block *b)
{
    for (int i = 0; i < b->count; i++)
        child_stmt(p, b->items[i]);
}

static void local(printer *p, const lang__local *l)
{
    char type[48];
    const lang__written *w = &l->written;
    put(p, " %s", l->name);
    if (!lang__type_is(l->type, LANG_VOID))
        put(p, ":%s", lang__type_text(type, l->type));
    else if (w->name)
        put(p, ":%s", w->name);
    else if (!w->inferred)
        put(p, ":%s", lang__type_text(type, w->type));
}

static void locals(printer *p, lang__local *const *list, int n)
{
    put(p, " [");
    for (int i = 0; i < n; i++)
        local(p, list[i]);
    put(p, " ]");
}

static void function(printer *p, const lang__function *f)
{
    char type[48];
    put(p, " %s", f->name);
    locals(p, f->params, f->signature.nparams);
    if (!f->infer_result && !f->result.name)
        put(p, " -> %s", lang__type_text(type, f->result.type));
    block(p, &f->body);
}

static void module(printer *p, const lang__module *m)
{
    put(p, " %s", m->name);
    for (int i = 0; i < m->nmembers; i++) {
        put(p, m->members[i].parameter ? " (parameter" : " (field");
        local(p, m->members[i].declared);
        if (m->members[i].init)
            child(p, m->members[i].init);
        put(p, ")");
    }
    for (int i = 0; i < m->nmethods; i++) {
        put(p, " (method");
        function(p, m->methods[i]);
        put(p, ")");
    }
}

static void stmt_body(printer *p, const lang__stmt *s)
{
    switch ((lang__stmt_kind)s->kind) {
    case S_EXPR:
        child(p, s->u.expr.value);
        put(p, s->u.expr.shown ? " shown" : "");
        break;
    case S_DECLARE:
        local(p, s->u.declare.local);
        for (int i = 0; i < s->u.declare.nsizes; i++) {
            put(p, " size");
            child(p, s->u.declare.sizes[i]);
        }
        if (s->u.declare.init)
            child(p, s->u.declare.init);
        break;
    case S_BIND:
        locals(p, s->u.bind.locals, s->u.bind.count);
        child(p, s->u.bind.value);
        break;
    case S_FUNCTION: function(p, s->u.function); break;
    case S_MODULE: module(p, s->u.module); break;
    case S_BLOCK: case S_NO_GRAD: block(p, &s->u.block); break;
    case S_IF:
        child(p, s->u.branch.condition);
        child_stmt(p, s->u.branch.yes);
        child_stmt(p, s->u.branch.no);
        break;
    case S_WHILE: case S_DO: case S_FOR:
        child_stmt(p, s->u.loop.init);
        child(p, s->u.loop.condition);
        child(p, s->u.loop.step);
        child_stmt(p, s->u.loop.body);
        break;
    case S_FOR_EACH:
        locals(p, s->u.each.locals, s->u.each.count);
        put(p, s->u.each.progress ? " progress" : "");
        child(p, s->u.each.over);
        child_stmt(p, s->u.each.body);
        break;
    case S_SWITCH:
        child(p, s->u.select.value);
        for (int i = 0; i < s->u.select.count; i++) {
            put(p, " (case");
            child(p, s->u.select.cases[i].value);
            put(p, " %d)", s->u.select.cases[i].first);
        }
        block(p, &s->u.select.body);
        break;
    case S_RETURN:
        child(p, s->u.expr.value);
        break;
    case S_MAGIC: case S_HELP:
        put(p, " %s%s", s->u.magic.cell ? "%%" : "", s->u.magic.name);
        if (s->kind == S_MAGIC)
            put(p, " \"%s\"", s->u.magic.rest);
        else
            put(p, s->u.magic.detail ? " detail" : "");
        break;
    case S_BREAK: case S_CONTINUE: case S_KIND_COUNT:
        break;
    }
}

static void stmt(printer *p, const lang__stmt *s)
{
    put(p, "(%s", stmt_names[s->kind]);
    stmt_body(p, s);
    put(p, ")");
}

static char *finish(printer *p)
{
    put(p, "");
    if (!p->failed)
        return p->at;
    rt_free(p->at);
    return NULL;
}

char *lang__program_text(const lang__program *program)
{
    printer p = {0};
    for (int i = 0; i < program->body.count; i++) {
        stmt(&p, program->body.items[i]);
        put(&p, "\n");
    }
    return finish(&p);
}

char *lang__expr_text(const lang__expr *e)
{
    printer p = {0};
    expr(&p, e);
    return finish(&p);
}
