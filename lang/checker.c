/* SPDX-License-Identifier: MIT
 * The checker's way through a cell: statements, declarations, the whole. */
#include "lang/check.h"

#include <string.h>

/* --- declaring ------------------------------------------------------------------ */

static void redeclared(lang__checker *c, const lang__local *l,
                       const lang__local *before)
{
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_REDECLARED, l->span,
        "`%s` is declared twice in this block", l->name);
    lang__report_label(c->errors, d, before->span, "first declared here");
    lang__report_help(c->errors, d, "assign it: %s = ...;", l->name);
}

static void add_slot(lang__checker *c, lang__local *l)
{
    lang__local ***list = c->function ? &c->function->locals
                                      : &c->program->locals;
    int *count = c->function ? &c->function->nslots : &c->program->nslots;
    l->slot = *count;
    lang__local **slot = LANG__PUSH(c->arena, *list, *count);
    if (slot)
        *slot = l;
}

void lang__declare(lang__checker *c, lang__local *l)
{
    lang__local *before = lang__names_here(&c->names, l->name);
    if (before && !(before->repeatable && l->repeatable))
        redeclared(c, l, before);
    l->global = !c->function && c->names.level == 0;
    if (l->global) {
        if (lang__find_function(c, l->name) || lang__find_module(c, l->name))
            lang__report(c->errors, LANG__D_REDECLARED, l->span,
                         "`%s` is a function of this cell already", l->name);
        lang__local **slot = LANG__PUSH(c->arena, c->program->globals,
                                        c->program->nglobals);
        if (slot)
            *slot = l;
    } else {
        add_slot(c, l);
    }
    lang__names_add(&c->names, l);
}

/* --- initialisers ------------------------------------------------------------------ */

/* The value of an element that nothing was said about. */
static lang__expr *zero(lang__checker *c, lang__span span, lang__type t)
{
    lang__constant k = {.kind = t.kind};
    if (t.depth)
        return lang__make(c, E_LIST, span, t);
    if (t.kind == LANG_STRING)
        k.s = "";
    else if (t.kind > LANG_STRING)
        k.kind = LANG__NONE;
    return lang__make_constant(c, span, &k, t);
}

/* filled(value, n) */
static lang__expr *filled(lang__checker *c, lang__expr *value, lang__expr *n)
{
    lang__type t = value->type;
    t.depth++;
    lang__expr *e = lang__make(c, E_CALL_BUILTIN, n->span, t);
    const lang__builtin *b = lang__builtin_find("filled");
    lang__expr **args = lang__arena_get(c->arena, 2 * sizeof *args);
    args[0] = value;
    args[1] = n;
    e->u.invoke.callee = (lang__callee){
        .name = b->name, .builtin = b, .signature = lang__builtin_signature(b)};
    e->u.invoke.args = args;
    e->u.invoke.nargs = 2;
    e->u.invoke.nresults = 1;
    return e;
}

/* int a[2][3]; : a list of 2 lists of 3 zeros. */
static lang__expr *sized(lang__checker *c, lang__type t, lang__span span,
                         lang__expr **sizes, int n)
{
    lang__type element = t;
    element.depth = (uint8_t)(t.depth - n);
    lang__expr *value = zero(c, span, element);
    for (int i = n - 1; i >= 0; i--) {
        lang__check_as(c, &sizes[i], LANG__INT, "the size");
        value = filled(c, value, sizes[i]);
    }
    return value;
}

/* int a[5] = {1, 2}: the rest is zero. */
static void pad(lang__checker *c, lang__local *l, lang__expr *init,
                lang__expr *size)
{
    enum { MOST = 4096 };
    if (init->kind != E_LIST || init->type.kind == LANG__BAD)
        return;
    if (size->kind != E_CONSTANT || !lang__type_is(size->type, LANG_INT) ||
        size->u.constant.i > MOST) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_TYPE, size->span,
            "the size of an initialised list is a constant of at most %d", MOST);
        lang__report_help(c->errors, d, "leave it out: %s[] = {...}", l->name);
        return;
    }
    if (size->u.constant.i < init->u.list.count) {
        lang__report(c->errors, LANG__D_TYPE, init->span,
                     "%d values do not fit into a list of %lld",
                     init->u.list.count, (long long)size->u.constant.i);
        return;
    }
    while (init->u.list.count < size->u.constant.i && !c->arena->failed) {
        lang__expr **slot = LANG__PUSH(c->arena, init->u.list.items,
                                       init->u.list.count);
        if (slot)
            *slot = zero(c, init->span, lang__type_element(l->type));
    }
}

static void infer(lang__checker *c, lang__local *l, lang__expr *init)
{
    lang__type t = init->type;
    lang__diagnostic *d;
    bool empty = t.depth && t.kind == LANG__NONE;
    l->type = t;
    if (t.kind == LANG__TUPLE) {
        d = lang__report(c->errors, LANG__D_UNPACK, init->span,
                         "this call has several results, `%s` holds one",
                         l->name);
        lang__report_help(c->errors, d, "take them apart: auto [a, b] = ...;");
    } else if (lang__type_is(t, LANG_VOID) || lang__type_is(t, LANG__NONE) ||
               empty) {
        d = lang__report(c->errors, LANG__D_TYPE, init->span,
                         "`%s` gets no type from %s", l->name,
                         empty ? "an empty list"
                         : t.kind == LANG__NONE ? "None"
                                                : "a call without a value");
        lang__report_help(c->errors, d, "write its type: %s %s = ...;",
                          empty ? "float[]" : "Tensor", l->name);
    } else {
        return;
    }
    l->type = LANG__TYPE(LANG__BAD);
}

void lang__check_init(lang__checker *c, lang__local *l, lang__expr **init,
                      lang__expr **sizes, int nsizes, lang__module **cls)
{
    lang__module *declared = NULL;
    if (l->written.inferred) {
        if (!*init) {
            lang__report(c->errors, LANG__D_TYPE, l->span,
                         "`%s` has neither a type nor a value", l->name);
            l->type = LANG__TYPE(LANG__BAD);
            return;
        }
        lang__check_expr(c, *init, LANG__TYPE(LANG_VOID));
        infer(c, l, *init);
        l->cls = (*init)->cls;
    } else {
        l->type = lang__resolve(c, &l->written, &declared);
        l->cls = declared;
        if (lang__type_is(l->type, LANG_VOID)) {
            lang__report(c->errors, LANG__D_TYPE, l->span,
                         "a variable cannot be void");
            l->type = LANG__TYPE(LANG__BAD);
        }
        if (*init) {
            const char *what = lang__arena_format(c->arena, "`%s`", l->name);
            lang__check_as(c, init, l->type, what);
            if (!l->cls)
                l->cls = (*init)->cls;
            for (int i = 0; i < nsizes; i++)
                lang__check_expr(c, sizes[i], LANG__INT);
            if (nsizes)
                pad(c, l, *init, sizes[0]);
        } else if (nsizes) {
            *init = sized(c, l->type, l->span, sizes, nsizes);
        } else if (l->constant) {
            lang__report(c->errors, LANG__D_CONSTANT, l->span,
                         "`%s` is const and has no value", l->name);
        }
    }
    *cls = l->cls;
}

static void check_declare(lang__checker *c, lang__stmt *s)
{
    lang__local *l = s->u.declare.local;
    lang__module *cls;
    lang__check_init(c, l, &s->u.declare.init, s->u.declare.sizes,
                     s->u.declare.nsizes, &cls);
    s->u.declare.nsizes = 0;
    lang__declare(c, l);
}

/* --- structured bindings ------------------------------------------------------------- */

static void wrong_count(lang__checker *c, lang__span span, int names, int values)
{
    lang__report(c->errors, LANG__D_UNPACK, span,
                 "%d name%s for %d results", names, names == 1 ? "" : "s",
                 values);
}

static void bind_types(lang__checker *c, lang__local **locals, int count,
                       lang__type type)
{
    for (int i = 0; i < count; i++) {
        locals[i]->type = type;
        lang__declare(c, locals[i]);
    }
}

static void check_bind(lang__checker *c, lang__stmt *s)
{
    lang__expr *v = s->u.bind.value;
    int count = s->u.bind.count;
    lang__check_expr(c, v, LANG__TYPE(LANG_VOID));
    lang__type t = v->type;
    if (t.kind == LANG__TUPLE) {
        if (v->u.invoke.nresults != count)
            wrong_count(c, s->span, count, v->u.invoke.nresults);
        const lang__signature *sig = v->u.invoke.callee.signature;
        for (int i = 0; i < count; i++) {
            s->u.bind.locals[i]->type = i < sig->nresults
                                            ? sig->results[i]
                                            : LANG__TYPE(LANG__BAD);
            lang__declare(c, s->u.bind.locals[i]);
        }
    } else if (v->kind == E_CALL_MODULE) {
        if (count > RT_MAX_RESULTS)
            wrong_count(c, s->span, count, RT_MAX_RESULTS);
        v->u.invoke.nresults = count;
        v->type = LANG__TYPE(LANG__TUPLE);
        bind_types(c, s->u.bind.locals, count, LANG__TENSOR);
    } else if (t.depth) {
        if (v->kind == E_LIST && v->u.list.count != count)
            wrong_count(c, s->span, count, v->u.list.count);
        bind_types(c, s->u.bind.locals, count, lang__type_element(t));
    } else {
        if (t.kind != LANG__BAD && t.kind != LANG__ANY) {
            lang__diagnostic *d = lang__report(
                c->errors, LANG__D_UNPACK, v->span,
                "%s cannot be taken apart", lang__say(c, t));
            if (lang__type_is(t, LANG_TENSOR))
                lang__report_help(c->errors, d, "x.unbind() gives its rows");
            t = LANG__TYPE(LANG__BAD);
        }
        bind_types(c, s->u.bind.locals, count, t);
    }
}

/* --- loops ----------------------------------------------------------------------------- */

/* progress(over, note) in the head of a loop. */
static void strip_progress(lang__checker *c, lang__stmt *s)
{
    lang__expr *e = s->u.each.over;
    if (e->kind != E_CALL || e->u.call.callee->kind != E_NAME ||
        strcmp(e->u.call.callee->u.name.text, "progress") ||
        e->u.call.count < 1 || e->u.call.count > 2 || e->u.call.args[0].name ||
        lang__names_find(&c->names, "progress"))
        return;
    s->u.each.progress = true;
    s->u.each.over = e->u.call.args[0].value;
    if (e->u.call.count == 2) {
        s->u.each.note = e->u.call.args[1].value;
        lang__check_as(c, &s->u.each.note, LANG__TYPE(LANG_STRING), "the note");
    }
}

/* progress(1000) counts. */
static void count_up(lang__checker *c, lang__stmt *s)
{
    lang__expr *n = s->u.each.over;
    if (!s->u.each.progress || !lang__type_is(n->type, LANG_INT))
        return;
    lang__expr *range = lang__make(c, E_RANGE, n->span, LANG__LIST_OF(LANG_INT));
    range->u.range.stop = n;
    s->u.each.over = range;
}

static lang__type item_type(lang__checker *c, lang__expr *over)
{
    lang__type t = over->type;
    if (t.depth)
        return lang__type_element(t);
    switch (t.kind) {
    case LANG_STRING: return LANG__INT;
    case LANG_TENSOR: case LANG_MODULE: case LANG__ANY: case LANG__BAD:
        return t;
    case LANG_LOADER: case LANG_DATASET: return LANG__LIST_OF(LANG_TENSOR);
    default: break;
    }
    lang__diagnostic *d = lang__report(c->errors, LANG__D_TYPE, over->span,
                                       "a loop cannot go over %s",
                                       lang__say(c, t));
    if (lang__type_is(t, LANG_INT))
        lang__report_help(c->errors, d, "count with range(n)");
    return LANG__TYPE(LANG__BAD);
}

/* for (auto [a, b] : ...): the types of what an item is taken apart into. */
static void each_names(lang__checker *c, lang__stmt *s, lang__type item)
{
    if (item.depth == 0 && item.kind != LANG__ANY && item.kind != LANG__BAD) {
        lang__report(c->errors, LANG__D_UNPACK, s->u.each.over->span,
                     "the items are %s and cannot be taken apart",
                     lang__say(c, item));
        item = LANG__TYPE(LANG__BAD);
    }
    bind_types(c, s->u.each.locals, s->u.each.count,
               item.depth ? lang__type_element(item) : item);
}

static void each_name(lang__checker *c, lang__stmt *s, lang__type item)
{
    lang__local *l = s->u.each.locals[0];
    l->type = l->written.inferred ? item
                                  : lang__resolve(c, &l->written, &l->cls);
    if (lang__type_cost(item, l->type) == LANG__NEVER) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_TYPE, l->span, "`%s` is %s, but the items are %s",
            l->name, lang__say(c, l->type), lang__say(c, item));
        if (item.depth && item.kind == LANG_TENSOR)
            lang__report_help(c->errors, d, "a batch has several tensors: "
                              "for (auto [x, y] : ...)");
        l->type = LANG__TYPE(LANG__BAD);
    }
    lang__declare(c, l);
}

static void check_body(lang__checker *c, lang__stmt *body)
{
    c->loops++;
    if (body)
        lang__check_stmt(c, body);
    c->loops--;
}

static void check_each(lang__checker *c, lang__stmt *s)
{
    strip_progress(c, s);
    lang__check_expr(c, s->u.each.over, LANG__TYPE(LANG_VOID));
    count_up(c, s);
    lang__type item = item_type(c, s->u.each.over);
    s->u.each.item = item;
    lang__names_enter(&c->names);
    if (!s->u.each.apart)
        each_name(c, s, item);
    else
        each_names(c, s, item);
    check_body(c, s->u.each.body);
    lang__names_leave(&c->names);
}

static void check_loop(lang__checker *c, lang__stmt *s)
{
    lang__names_enter(&c->names);
    if (s->u.loop.init) {                 /* declares into this very scope */
        lang__block *init = &s->u.loop.init->u.block;
        for (int i = 0; i < init->count; i++)
            lang__check_stmt(c, init->items[i]);
    }
    if (s->kind != S_DO && s->u.loop.condition)
        lang__check_condition(c, &s->u.loop.condition);
    if (s->u.loop.step)
        lang__check_expr(c, s->u.loop.step, LANG__TYPE(LANG_VOID));
    check_body(c, s->u.loop.body);
    if (s->kind == S_DO)
        lang__check_condition(c, &s->u.loop.condition);
    lang__names_leave(&c->names);
}

/* --- switch ------------------------------------------------------------------------------ */

static bool same_case(const lang__constant *a, const lang__constant *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == LANG_STRING ? !strcmp(a->s, b->s) : a->i == b->i;
}

static void check_case(lang__checker *c, lang__stmt *s, int i, lang__type type)
{
    lang__case *one = &s->u.select.cases[i];
    if (one->value) {
        lang__check_as(c, &one->value, type, "the case");
        if (one->value->type.kind == LANG__BAD)
            return;
        if (one->value->kind != E_CONSTANT) {
            lang__report(c->errors, LANG__D_CONTROL, one->value->span,
                         "a case is a constant");
            return;
        }
    }
    for (int k = 0; k < i; k++) {
        lang__case *other = &s->u.select.cases[k];
        bool both = !one->value && !other->value;
        if (both || (one->value && other->value &&
                     other->value->kind == E_CONSTANT &&
                     same_case(&one->value->u.constant,
                               &other->value->u.constant)))
            lang__report(c->errors, LANG__D_CONTROL,
                         one->value ? one->value->span : s->span,
                         "this case stands twice in the switch");
    }
}

static void check_switch(lang__checker *c, lang__stmt *s)
{
    lang__check_expr(c, s->u.select.value, LANG__TYPE(LANG_VOID));
    lang__type t = s->u.select.value->type;
    if (!lang__type_is(t, LANG_STRING)) {
        t = LANG__INT;
        lang__coerce(c, &s->u.select.value, t, "the value of switch");
    }
    for (int i = 0; i < s->u.select.count; i++)
        check_case(c, s, i, t);
    lang__names_enter(&c->names);
    c->switches++;
    lang__check_block(c, &s->u.select.body);
    c->switches--;
    lang__names_leave(&c->names);
}

/* --- the others ---------------------------------------------------------------------------- */

static void check_return(lang__checker *c, lang__stmt *s)
{
    lang__function *f = c->function;
    lang__expr *v = s->u.expr.value;
    if (!f) {
        lang__report(c->errors, LANG__D_CONTROL, s->span,
                     "return stands in a function only");
        return;
    }
    if (f->infer_result && !f->returns && v) {
        lang__check_expr(c, v, LANG__TYPE(LANG_VOID));
        f->signature.result = v->type;
        f->signature.nresults = 1;
        f->returns = true;
        return;
    }
    lang__type to = f->signature.result;
    f->returns |= v != NULL;
    if (v && lang__type_is(to, LANG_VOID)) {
        lang__check_expr(c, v, LANG__TYPE(LANG_VOID));
        if (lang__type_is(v->type, LANG_VOID))
            return;
        lang__report(c->errors, LANG__D_RETURN, v->span,
                     "`%s` is void and returns no value", f->name);
    } else if (v) {
        const char *what = lang__arena_format(c->arena, "the result of `%s`",
                                              f->name);
        lang__check_as(c, &s->u.expr.value, to, what);
    } else if (!lang__type_is(to, LANG_VOID) && to.kind != LANG__BAD) {
        lang__report(c->errors, LANG__D_RETURN, s->span,
                     "`%s` returns %s: a value is missing", f->name,
                     lang__say(c, to));
    }
}

static void check_jump(lang__checker *c, lang__stmt *s)
{
    bool breaks = s->kind == S_BREAK;
    if (c->loops || (breaks && c->switches))
        return;
    lang__report(c->errors, LANG__D_CONTROL, s->span, breaks
                 ? "break stands in a loop or switch only"
                 : "continue stands in a loop only");
}

static void check_branch(lang__checker *c, lang__stmt *s)
{
    lang__check_condition(c, &s->u.branch.condition);
    lang__check_stmt(c, s->u.branch.yes);
    if (s->u.branch.no)
        lang__check_stmt(c, s->u.branch.no);
}

static void check_value(lang__checker *c, lang__stmt *s)
{
    lang__check_expr(c, s->u.expr.value, LANG__TYPE(LANG_VOID));
    lang__type t = s->u.expr.value->type;
    if (lang__type_is(t, LANG_VOID))
        s->u.expr.shown = false;
    if (t.kind == LANG__TUPLE && s->u.expr.shown &&
        s->u.expr.value->kind != E_CALL_OP) {
        lang__diagnostic *d =
            lang__report(c->errors, LANG__D_UNPACK, s->span,
                         "this call has several results, which are not one value");
        lang__report_help(c->errors, d, "take them apart: auto [a, b] = ...;");
    }
}

void lang__check_block(lang__checker *c, lang__block *b)
{
    for (int i = 0; i < b->count && !c->arena->failed; i++)
        lang__check_stmt(c, b->items[i]);
}

void lang__check_stmt(lang__checker *c, lang__stmt *s)
{
    switch ((lang__stmt_kind)s->kind) {
    case S_EXPR: check_value(c, s); break;
    case S_DECLARE: check_declare(c, s); break;
    case S_BIND: check_bind(c, s); break;
    case S_BLOCK: case S_NO_GRAD:
        lang__names_enter(&c->names);
        lang__check_block(c, &s->u.block);
        lang__names_leave(&c->names);
        break;
    case S_IF: check_branch(c, s); break;
    case S_WHILE: case S_DO: case S_FOR: check_loop(c, s); break;
    case S_FOR_EACH: check_each(c, s); break;
    case S_SWITCH: check_switch(c, s); break;
    case S_BREAK: case S_CONTINUE: check_jump(c, s); break;
    case S_RETURN: check_return(c, s); break;
    case S_FUNCTION: case S_MODULE:
        if (c->function || c->names.level)
            lang__report(c->errors, LANG__D_DEFINITION, s->span,
                         "functions and modules are defined at the top level");
        break;
    case S_MAGIC: case S_HELP: case S_KIND_COUNT: break;
    }
}

/* --- ends -------------------------------------------------------------------------------------- */

/* A break that leaves the loop or switch around b. Here and below a statement
 * may be missing: completion looks at what has not been written to its end. */
static bool breaks_out(const lang__stmt *s);

static bool block_breaks(const lang__block *b)
{
    for (int i = 0; i < b->count; i++) {
        if (breaks_out(b->items[i]))
            return true;
    }
    return false;
}

static bool breaks_out(const lang__stmt *s)
{
    if (!s)
        return false;
    switch (s->kind) {
    case S_BREAK: return true;
    case S_BLOCK: case S_NO_GRAD: return block_breaks(&s->u.block);
    case S_IF:
        return breaks_out(s->u.branch.yes) ||
               (s->u.branch.no && breaks_out(s->u.branch.no));
    default: return false;
    }
}

static bool always(const lang__expr *condition)
{
    return !condition || (condition->kind == E_CONSTANT &&
                          condition->type.kind == LANG_BOOL &&
                          condition->u.constant.b);
}

static bool switch_ends(const lang__stmt *s)
{
    bool otherwise = false;
    for (int i = 0; i < s->u.select.count; i++)
        otherwise |= !s->u.select.cases[i].value;
    const lang__block *b = &s->u.select.body;
    return otherwise && b->count && lang__ends(b->items[b->count - 1]) &&
           !block_breaks(b);
}

bool lang__ends(const lang__stmt *s)
{
    if (!s)
        return false;
    switch (s->kind) {
    case S_RETURN: return true;
    case S_BLOCK: case S_NO_GRAD:
        for (int i = 0; i < s->u.block.count; i++) {
            if (lang__ends(s->u.block.items[i]))
                return true;
        }
        return false;
    case S_IF:
        return s->u.branch.no && lang__ends(s->u.branch.yes) &&
               lang__ends(s->u.branch.no);
    case S_WHILE: case S_FOR: case S_DO:
        return always(s->u.loop.condition) && !breaks_out(s->u.loop.body);
    case S_SWITCH: return switch_ends(s);
    default: return false;
    }
}

/* --- the cell ------------------------------------------------------------------------------------ */

static void check_program(lang__program *program, lang__diagnostics *errors,
                          const lang__check_request *request)
{
    lang__checker c = {.arena = request->arena, .errors = errors,
                       .session = request->scope, .program = program};
    lang__names_init(&c.names, c.arena);
    lang__check_signatures(&c);
    lang__check_block(&c, &program->body);
    lang__check_bodies(&c);
}

lang__program *lang__check_partial(const lang__check_request *request)
{
    lang__program *program;
    lang__diagnostics errors;
    lang__parse(&program, &errors, request);
    for (int i = 0; i < errors.count; i++) {
        if (errors.items[i].id == LANG__D_NESTING)
            return NULL;
    }
    if (!program || errors.total > errors.count)
        return NULL;
    check_program(program, &errors, request);
    return request->arena->failed ? NULL : program;
}

rt_status lang__check(lang__program **out, lang__diagnostics *errors,
                      const lang__check_request *request)
{
    lang__program *program;
    rt_status status = lang__parse(&program, errors, request);
    *out = NULL;
    if (status != RT_OK)
        return status;
    check_program(program, errors, request);
    if (request->arena->failed)
        return RT_E_MEMORY;
    if (errors->count)
        return errors->items[0].status;
    *out = program;
    return RT_OK;
}
