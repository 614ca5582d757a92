/* SPDX-License-Identifier: MIT
 * Code for statements, functions, modules and whole cells. */
#include "lang/emit.h"

#include <string.h>

static void statement(lang__emitter *e, const lang__stmt *s);

static void block(lang__emitter *e, const lang__block *b)
{
    for (int i = 0; i < b->count && !e->status; i++)
        statement(e, b->items[i]);
}

/* Objects of a block are let go at its end. */
static void drop_locals(lang__emitter *e, const lang__block *b)
{
    for (int i = 0; i < b->count; i++) {
        const lang__stmt *s = b->items[i];
        if (s->kind != S_DECLARE || s->u.declare.local->global ||
            !lang__type_counted(s->u.declare.local->type))
            continue;
        lang__emit(e, LANG__OP_DROP, s->u.declare.local->slot, 0, 0);
    }
}

static void scoped(lang__emitter *e, const lang__block *b)
{
    block(e, b);
    drop_locals(e, b);
}

/* --- declarations ----------------------------------------------------------- */

/* The first value of a variable into R[to]. */
static void first_value(lang__emitter *e, const lang__stmt *s, int to)
{
    lang__type type = s->u.declare.local->type;
    int index;
    if (s->u.declare.init) {
        lang__into(e, s->u.declare.init, to);
    } else if (!lang__type_counted(type)) {
        lang__value zero = {.kind = type.kind, .i = 0};
        if (type.kind == LANG_DTYPE)
            zero.i = rt_default_dtype();
        lang__emit(e, LANG__OP_MOVE, to, lang__constant_register(e, zero), 0);
    } else {
        lang__site_new(e, &index)->type = type;
        lang__emit(e, LANG__OP_DEFAULT, to, index, 0);
    }
}

/* The session's variable `local` gets the value of R[from]. */
static void declare_global(lang__emitter *e, const lang__local *local,
                           int from)
{
    int index;
    lang__site *site = lang__site_new(e, &index);
    site->type = local->type;
    site->method = local->constant;
    site->global = lang__entry(e, local->name);
    lang__emit(e, LANG__OP_DECLARE, from, index, 0);
}

static void declare(lang__emitter *e, const lang__stmt *s)
{
    const lang__local *local = s->u.declare.local;
    if (!local->global) {
        first_value(e, s, local->slot);
        return;
    }
    int from = lang__temporary(e, lang__type_counted(local->type));
    first_value(e, s, from);
    declare_global(e, local, from);
    lang__free_register(e, from);
}

/* A value in R[from], of type `type`, becomes the variable's. */
static void bind_one(lang__emitter *e, const lang__local *local, int from,
                     lang__type type)
{
    bool counted = lang__type_counted(local->type);
    int to = local->global ? lang__temporary(e, counted) : local->slot;
    if (lang__type_equal(type, local->type))
        lang__move_out(e, to, from, type);
    else
        lang__convert_place(e, (lang__place){from, false}, type, local->type,
                            to);
    if (local->global) {
        declare_global(e, local, to);
        lang__free_register(e, to);
    }
}

static bool gives_tuple(const lang__expr *x)
{
    return lang__type_is(x->type, LANG__TUPLE);
}

static lang__type part_type(const lang__expr *value)
{
    return value->type.depth ? lang__type_element(value->type)
                             : LANG__TYPE(LANG__ANY);
}

static void bind(lang__emitter *e, const lang__stmt *s)
{
    lang__expr *value = s->u.bind.value;
    int n = s->u.bind.count, first;
    if (gives_tuple(value)) {
        first = lang__results(e, value, n);
    } else {
        int index;
        lang__place p = lang__read_only(e, value);
        lang__site *site = lang__site_new(e, &index);
        site->nresults = n;
        site->span = value->span;
        site->type = value->type;
        first = lang__temporaries(e, n);
        lang__emit(e, LANG__OP_UNPACK, first, index, p.reg);
        lang__free_place(e, p);
    }
    for (int i = 0; i < n; i++) {
        const lang__local *local = s->u.bind.locals[i];
        lang__type type = gives_tuple(value) ? local->type : part_type(value);
        if (value->type.depth == 0 && !gives_tuple(value) &&
            lang__type_counted(local->type))
            type = local->type;
        bind_one(e, local, first + i, type);
        lang__free_register(e, first + i);
    }
}

/* --- loops ------------------------------------------------------------------ */

static void open_loop(lang__emitter *e, lang__loop *loop, bool is_switch)
{
    *loop = (lang__loop){.outer = e->loop, .is_switch = is_switch,
                         .guards = e->nguards};
    e->loop = loop;
}

static void close_loop(lang__emitter *e, lang__loop *loop)
{
    lang__jumps_land(e, &loop->breaks, lang__here(e));
    e->loop = loop->outer;
}

/* Gradient modes of the no_grad blocks beyond `depth` come back. */
static void leave_guards(lang__emitter *e, int depth)
{
    for (int i = e->nguards - 1; i >= depth; i--)
        lang__emit(e, LANG__OP_GRAD_RESTORE, e->guards[i], 0, 0);
}

static void leave_loop(lang__emitter *e, bool is_continue)
{
    lang__loop *loop = e->loop;
    while (loop && is_continue && loop->is_switch)
        loop = loop->outer;
    if (!loop) {
        lang__compile_fail(e, RT_E_INTERNAL, "compiler: jump without a loop");
        return;
    }
    leave_guards(e, loop->guards);
    int word = lang__emit_long(e, LANG__OP_JUMP, 0, 0);
    lang__jump_note(e, is_continue ? &loop->continues : &loop->breaks, word);
}

/* The condition stands behind the body, so that a turn takes one jump. */
static void loop(lang__emitter *e, const lang__stmt *s)
{
    lang__loop l;
    lang__jumps out = {0}, again = {0};
    const lang__expr *condition = s->u.loop.condition;
    if (s->u.loop.init)
        statement(e, s->u.loop.init);
    open_loop(e, &l, false);
    if (condition && s->kind != S_DO)
        lang__branch(e, condition, false, &out);
    int top = lang__here(e);
    statement(e, s->u.loop.body);
    lang__jumps_land(e, &l.continues, lang__here(e));
    if (s->u.loop.step)
        lang__effects(e, s->u.loop.step);
    if (condition)
        lang__branch(e, condition, true, &again);
    else
        lang__jump_note(e, &again, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    lang__jumps_land(e, &again, top);
    lang__jumps_land(e, &out, lang__here(e));
    close_loop(e, &l);
    if (s->u.loop.init && s->u.loop.init->kind == S_BLOCK)
        drop_locals(e, &s->u.loop.init->u.block);
}

static bool counts_up(const lang__stmt *s)
{
    const lang__expr *over = s->u.each.over;
    const lang__expr *step = over->kind == E_RANGE ? over->u.range.step : NULL;
    return over->kind == E_RANGE && !s->u.each.progress &&
           !over->u.range.inclusive && s->u.each.count == 1 &&
           lang__type_is(s->u.each.locals[0]->type, LANG_INT) &&
           (!step || (step->kind == E_CONSTANT && step->u.constant.i == 1));
}

/* for (int i : range(a, b)): a hidden counter, copied into i at each turn. */
static void count_loop(lang__emitter *e, const lang__stmt *s)
{
    lang__loop l;
    lang__jumps out = {0}, again = {0};
    const lang__expr *over = s->u.each.over;
    int at = lang__temporary(e, false), limit = lang__temporary(e, false);
    if (over->u.range.start)
        lang__into(e, over->u.range.start, at);
    else
        lang__emit(e, LANG__OP_MOVE, at,
                   lang__constant_register(e, LANG__INT_VALUE(0)), 0);
    lang__into(e, over->u.range.stop, limit);
    open_loop(e, &l, false);
    lang__jump_note(e, &out, lang__emit_wide(e, LANG__OP_JUMP_LE_INT, limit,
                                             at, 0, 0));
    int top = lang__here(e);
    lang__emit(e, LANG__OP_MOVE, s->u.each.locals[0]->slot, at, 0);
    statement(e, s->u.each.body);
    lang__jumps_land(e, &l.continues, lang__here(e));
    lang__jump_note(e, &again, lang__emit_wide(e, LANG__OP_STEP_LT, at, limit,
                                               1, 0));
    lang__jumps_land(e, &again, top);
    lang__jumps_land(e, &out, lang__here(e));
    close_loop(e, &l);
    lang__free_register(e, at);
    lang__free_register(e, limit);
}

/* A range as the start of an iterator: its three numbers in a list. */
static void iterate_over(lang__emitter *e, const lang__stmt *s, int iterator)
{
    int index;
    lang__expr *over = s->u.each.over;
    lang__site *site = lang__site_new(e, &index);
    site->stmt = s;
    site->span = over->span;
    site->type = over->type;
    site->nresults = s->u.each.count;
    lang__expr *parts[4] = {s->u.each.note};
    int n = 1;
    if (over->kind == E_RANGE) {
        parts[n++] = over->u.range.start;
        parts[n++] = over->u.range.stop;
        parts[n++] = over->u.range.step;
    }
    site->args = lang__operands(e, parts, n, LANG__AS_VALUE);
    site->nargs = n;
    lang__place p = {0, false};
    if (over->kind != E_RANGE) {
        p = lang__read_only(e, over);
        site->object = (lang__operand){
            .reg = (int16_t)p.reg, .given = true,
            .counted = lang__type_counted(over->type) || p.reg < 0,
            .kind = over->type.depth ? LANG_LIST : over->type.kind};
    }
    lang__emit(e, LANG__OP_ITERATE, iterator, index, p.reg);
    lang__free_operands(e, site->args, n, parts);
    lang__free_place(e, p);
}

static void each_loop(lang__emitter *e, const lang__stmt *s)
{
    lang__loop l;
    lang__jumps out = {0};
    lang__type item = s->u.each.item;
    if (counts_up(s)) {
        count_loop(e, s);
        return;
    }
    int n = s->u.each.count, iterator = lang__temporaries(e, n + 1);
    iterate_over(e, s, iterator);
    open_loop(e, &l, false);
    int top = lang__here(e);
    lang__jump_note(e, &out, lang__emit_wide(e, LANG__OP_NEXT, iterator, n, 0,
                                             0));
    for (int i = 0; i < n; i++) {
        const lang__local *local = s->u.each.locals[i];
        lang__type type = n == 1 ? item
                          : item.depth ? lang__type_element(item)
                          : lang__type_is(item, LANG_TENSOR) ? item
                          : local->type;
        bind_one(e, local, iterator + 1 + i, type);
    }
    statement(e, s->u.each.body);
    lang__jumps_land(e, &l.continues, lang__here(e));
    lang__jumps back = {0};
    lang__jump_note(e, &back, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    lang__jumps_land(e, &back, top);
    lang__jumps_land(e, &out, lang__here(e));
    close_loop(e, &l);
    lang__emit(e, LANG__OP_DROP, iterator, 0, 0);
    for (int i = 0; i < n; i++) {
        const lang__local *local = s->u.each.locals[i];
        if (lang__type_counted(local->type))
            lang__emit(e, LANG__OP_DROP, local->slot, 0, 0);
    }
    for (int i = 0; i <= n; i++)
        lang__free_register(e, iterator + i);
}

/* --- choices ---------------------------------------------------------------- */

static void branch(lang__emitter *e, const lang__stmt *s)
{
    lang__jumps no = {0}, end = {0};
    lang__branch(e, s->u.branch.condition, false, &no);
    statement(e, s->u.branch.yes);
    if (s->u.branch.no) {
        lang__jump_note(e, &end, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
        lang__jumps_land(e, &no, lang__here(e));
        statement(e, s->u.branch.no);
    }
    lang__jumps_land(e, &no, lang__here(e));
    lang__jumps_land(e, &end, lang__here(e));
}

static void jump_if_equal(lang__emitter *e, lang__place value,
                          const lang__expr *want, lang__jumps *out)
{
    lang__place w = lang__anywhere(e, want);
    if (lang__type_is(want->type, LANG_STRING)) {
        int same = lang__temporary(e, false);
        lang__emit_wide(e, LANG__OP_BINARY, same, value.reg, w.reg, O_EQ);
        lang__jump_note(e, out, lang__emit_long(e, LANG__OP_JUMP_IF, same, 0));
        lang__free_register(e, same);
    } else {
        lang__jump_note(e, out, lang__emit_wide(e, LANG__OP_JUMP_EQ_INT,
                                                value.reg, w.reg, 0, 0));
    }
    lang__free_place(e, w);
}

static void select_case(lang__emitter *e, const lang__stmt *s)
{
    lang__loop l;
    int n = s->u.select.count;
    lang__jumps *cases = lang__arena_get(e->arena,
                                         (size_t)(n + 2) * sizeof *cases);
    lang__place value = lang__anywhere(e, s->u.select.value);
    if (!cases)
        return;
    open_loop(e, &l, true);
    int fallback = -1;
    for (int i = 0; i < n; i++) {
        if (s->u.select.cases[i].value)
            jump_if_equal(e, value, s->u.select.cases[i].value, &cases[i]);
        else
            fallback = i;
    }
    lang__jump_note(e, fallback < 0 ? &l.breaks : &cases[fallback],
                    lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    const lang__block *body = &s->u.select.body;
    for (int at = 0; at <= body->count && !e->status; at++) {
        for (int i = 0; i < n; i++) {
            if (s->u.select.cases[i].first == at)
                lang__jumps_land(e, &cases[i], lang__here(e));
        }
        if (at < body->count)
            statement(e, body->items[at]);
    }
    close_loop(e, &l);
    drop_locals(e, body);
    lang__free_place(e, value);
}

static void no_grad(lang__emitter *e, const lang__stmt *s)
{
    int reg = lang__temporary(e, false);
    lang__emit(e, LANG__OP_GRAD_OFF, reg, 0, 0);
    int *slot = LANG__PUSH(e->arena, e->guards, e->nguards);
    if (slot)
        *slot = reg;
    scoped(e, &s->u.block);
    e->nguards--;
    lang__emit(e, LANG__OP_GRAD_RESTORE, reg, 0, 0);
    lang__free_register(e, reg);
}

/* --- the rest --------------------------------------------------------------- */

static void give_back(lang__emitter *e, const lang__stmt *s)
{
    const lang__expr *x = s->u.expr.value;
    if (!x) {
        leave_guards(e, 0);
        lang__emit(e, LANG__OP_RETURN_NOTHING, 0, 0, 0);
        return;
    }
    lang__place p = lang__anywhere(e, x);
    leave_guards(e, 0);
    lang__emit(e, lang__type_counted(x->type) ? LANG__OP_RETURN_OBJECT
                                              : LANG__OP_RETURN,
               p.reg, 0, 0);
    lang__free_place(e, p);
}

static void expression(lang__emitter *e, const lang__stmt *s)
{
    const lang__expr *x = s->u.expr.value;
    if (!s->u.expr.shown || lang__type_is(x->type, LANG_VOID)) {
        lang__effects(e, x);
        return;
    }
    int index;
    lang__place p = gives_tuple(x)
                    ? (lang__place){lang__results_listed(e, x), true}
                    : lang__anywhere(e, x);
    lang__site *site = lang__site_for(e, x, &index);
    if (gives_tuple(x))
        site->type = (lang__type){.kind = LANG_TENSOR, .depth = 1};
    lang__emit(e, LANG__OP_RESULT, p.reg, index, 0);
    lang__free_place(e, p);
}

static void magic(lang__emitter *e, const lang__stmt *s)
{
    int index;
    lang__site *site = lang__site_new(e, &index);
    site->stmt = s;
    lang__emit(e, LANG__OP_MAGIC, 0, index, 0);
}

static void dispatch(lang__emitter *e, const lang__stmt *s)
{
    switch ((lang__stmt_kind)s->kind) {
    case S_EXPR: expression(e, s); break;
    case S_DECLARE: declare(e, s); break;
    case S_BIND: bind(e, s); break;
    case S_FUNCTION:
    case S_MODULE: break;
    case S_BLOCK: scoped(e, &s->u.block); break;
    case S_IF: branch(e, s); break;
    case S_WHILE:
    case S_DO:
    case S_FOR: loop(e, s); break;
    case S_FOR_EACH: each_loop(e, s); break;
    case S_SWITCH: select_case(e, s); break;
    case S_BREAK: leave_loop(e, false); break;
    case S_CONTINUE: leave_loop(e, true); break;
    case S_RETURN: give_back(e, s); break;
    case S_NO_GRAD: no_grad(e, s); break;
    case S_MAGIC:
    case S_HELP: magic(e, s); break;
    default:
        lang__compile_fail(e, RT_E_INTERNAL, "compiler: statement of kind %d",
                           s->kind);
    }
}

static void statement(lang__emitter *e, const lang__stmt *s)
{
    lang__span outer = e->span;
    if (!s || e->status)
        return;
    e->span = s->span;
    dispatch(e, s);
    e->span = outer;
}

/* --- whole routines --------------------------------------------------------- */

static rt_status compile_body(lang__routine **out, lang__unit *unit,
                              const lang__program *program, int first,
                              const lang__names *names, rt_error *err);

/* A cell magic takes the statements after it as its body. */
static void cell_body(lang__emitter *e, const lang__program *p, int first)
{
    for (int i = first; i < p->body.count && !e->status; i++) {
        const lang__stmt *s = p->body.items[i];
        statement(e, s);
        if (s->kind != S_MAGIC || !s->u.magic.cell || e->status)
            continue;
        lang__site *site = e->routine->sites[e->routine->nsites - 1];
        e->status = compile_body(&site->body, e->unit, p, i + 1, e->names,
                                 e->err);
        return;
    }
}

static rt_status compile_body(lang__routine **out, lang__unit *unit,
                              const lang__program *program, int first,
                              const lang__names *names, rt_error *err)
{
    lang__emitter e;
    if (lang__emit_begin(&e, unit, names, program->nslots, program->locals,
                         err))
        return lang__emit_finish(&e, out);
    cell_body(&e, program, first);
    lang__emit(&e, LANG__OP_RETURN_NOTHING, 0, 0, 0);
    return lang__emit_finish(&e, out);
}

rt_status lang__compile_program(lang__routine **out, lang__unit *unit,
                                const lang__program *program,
                                const lang__names *names, rt_error *err)
{
    return compile_body(out, unit, program, 0, names, err);
}

static rt_status function_of(lang__routine **out, lang__unit *unit,
                             const lang__function *f,
                             const lang__names *names, rt_error *err)
{
    lang__emitter e;
    if (lang__emit_begin(&e, unit, names, f->nslots, f->locals, err))
        return lang__emit_finish(&e, out);
    lang__routine *r = e.routine;
    e.owner = f->owner;
    r->name = f->name;
    r->function = f;
    r->signature = &f->signature;
    r->nparams = f->signature.nparams;
    r->dependencies = f->dependencies;
    r->ndependencies = f->ndependencies;
    block(&e, &f->body);
    e.span = f->name_span;
    lang__emit(&e, LANG__OP_RETURN_NOTHING, 0, 0, 0);
    return lang__emit_finish(&e, out);
}

rt_status lang__compile_function(lang__routine **out, lang__unit *unit,
                                 const lang__function *function,
                                 const lang__names *names, rt_error *err)
{
    return function_of(out, unit, function, names, err);
}

/* The fields' first values, in order; parameters are there already. */
static rt_status initialiser(lang__routine **out, lang__unit *unit,
                             const lang__module *m, const lang__names *names,
                             rt_error *err)
{
    lang__emitter e;
    if (lang__emit_begin(&e, unit, names, 0, NULL, err))
        return lang__emit_finish(&e, out);
    e.owner = m;
    e.routine->name = m->name;
    e.routine->dependencies = m->dependencies;
    e.routine->ndependencies = m->ndependencies;
    for (int i = 0; i < m->nmembers && !e.status; i++) {
        const lang__member *member = &m->members[i];
        int index;
        if (member->parameter)
            continue;
        e.span = member->span;
        int reg = lang__temporary(&e, lang__type_counted(member->type));
        lang__site *site = lang__site_new(&e, &index);
        site->type = member->type;
        if (member->init)
            lang__into(&e, member->init, reg);
        else if (lang__type_counted(member->type))
            lang__emit(&e, LANG__OP_DEFAULT, reg, index, 0);
        else
            lang__emit(&e, LANG__OP_MOVE, reg, lang__constant_register(
                &e, (lang__value){.kind = member->type.kind}), 0);
        lang__emit(&e, LANG__OP_SET_FIELD, reg, index, i);
        lang__free_register(&e, reg);
    }
    lang__emit(&e, LANG__OP_RETURN_NOTHING, 0, 0, 0);
    return lang__emit_finish(&e, out);
}

rt_status lang__compile_module(lang__klass **out, lang__unit *unit,
                               const lang__module *module,
                               lang__anchor *anchor, const lang__names *names,
                               rt_error *err)
{
    lang__klass *k = rt_alloc(sizeof *k);
    if (!k)
        return rt_fail(err, RT_E_MEMORY, "compiler: no memory");
    *k = (lang__klass){.count = 1, .module = module, .forward = -1};
    k->unit = lang__unit_retain(unit);
    k->anchor = lang__anchor_retain(anchor);
    k->methods = rt_alloc((size_t)(module->nmethods + 1) * sizeof *k->methods);
    rt_status status = k->methods
        ? initialiser(&k->init, unit, module, names, err)
        : rt_fail(err, RT_E_MEMORY, "compiler: no memory");
    for (int i = 0; i < module->nmethods && !status; i++) {
        status = function_of(&k->methods[i], unit, module->methods[i], names,
                             err);
        if (status)
            break;
        k->methods[k->nmethods++]->klass = k;
        if (strcmp(module->methods[i]->name, "forward") == 0)
            k->forward = i;
    }
    if (status) {
        lang__klass_release(k);
        return status;
    }
    k->init->klass = k;
    *out = k;
    return RT_OK;
}
