/* SPDX-License-Identifier: MIT
 * Code for expressions. */
#include "lang/emit.h"

#include <string.h>

static bool counted(const lang__expr *x)
{
    return lang__type_counted(x->type);
}

static bool is_scalar(lang__type t)
{
    return lang__type_is_number(t);
}

/* --- constants -------------------------------------------------------------- */

static bool plain_constant(lang__emitter *e, const lang__constant *c,
                           lang__value *out)
{
    switch (c->kind) {
    case LANG_BOOL: *out = LANG__BOOL_VALUE(c->b); return true;
    case LANG_INT: *out = LANG__INT_VALUE(c->i); return true;
    case LANG_FLOAT: *out = LANG__FLOAT_VALUE(c->f); return true;
    case LANG__NONE: *out = LANG__VOID_VALUE; return true;
    case LANG_STRING:
        *out = LANG__STRING_VALUE(NULL);
        if (!lang__string_new(&out->s, c->s, strlen(c->s), e->err))
            return true;
        lang__compile_fail(e, RT_E_MEMORY, "compiler: no memory");
        return false;
    default: return false;
    }
}

static bool constant_of(lang__emitter *e, const lang__expr *x,
                        lang__value *out);

static bool constant_list(lang__emitter *e, const lang__expr *x,
                          lang__value *out)
{
    lang_list *l;
    if (x->type.depth == 0 || x->type.kind == LANG__ANY ||
        lang__list_new(&l, lang__type_element(x->type), 0, NULL))
        return false;
    for (int i = 0; i < x->u.list.count; i++) {
        lang__value item;
        if (constant_of(e, x->u.list.items[i], &item)) {
            rt_status status = lang__list_add(l, item, NULL);
            lang__release(&item);
            if (!status)
                continue;
        }
        lang__list_release(l);
        return false;
    }
    *out = LANG__LIST_VALUE(l);
    return true;
}

/* The value of x when it is known now: a new reference. */
static bool constant_of(lang__emitter *e, const lang__expr *x,
                        lang__value *out)
{
    switch (x->kind) {
    case E_CONSTANT: return plain_constant(e, &x->u.constant, out);
    case E_DTYPE:
        *out = (lang__value){.kind = LANG_DTYPE, .i = x->u.dtype};
        return true;
    case E_LIST: return constant_list(e, x, out);
    case E_CONVERT:
        if (!is_scalar(x->type) || !is_scalar(x->u.convert.operand->type) ||
            !constant_of(e, x->u.convert.operand, out))
            return false;
        if (x->type.kind == LANG_FLOAT && out->kind <= LANG_INT)
            *out = LANG__FLOAT_VALUE((double)out->i);
        else if (x->type.kind == LANG_INT && out->kind == LANG_BOOL)
            out->kind = LANG_INT;
        return out->kind == x->type.kind;
    case E_UNARY:
        if (x->u.unary.op != O_NEG || !is_scalar(x->type) ||
            !constant_of(e, x->u.unary.operand, out))
            return false;
        if (out->kind == LANG_FLOAT)
            out->f = -out->f;
        else
            out->i = (int64_t)(0 - (uint64_t)out->i);
        return out->kind == x->type.kind;
    default: return false;
    }
}

/* --- moving ----------------------------------------------------------------- */

void lang__move(lang__emitter *e, int to, int from, lang__type type)
{
    if (to != from)
        lang__emit(e, lang__type_counted(type) ? LANG__OP_COPY : LANG__OP_MOVE,
                   to, from, 0);
}

void lang__move_out(lang__emitter *e, int to, int from, lang__type type)
{
    if (to != from)
        lang__emit(e, lang__type_counted(type) ? LANG__OP_TAKE : LANG__OP_MOVE,
                   to, from, 0);
}

static void place_into(lang__emitter *e, lang__place p, int to,
                       lang__type type)
{
    if (p.temporary)
        lang__move_out(e, to, p.reg, type);
    else
        lang__move(e, to, p.reg, type);
    lang__free_place(e, p);
}

static lang__place fresh(lang__emitter *e, bool is_counted)
{
    return (lang__place){lang__temporary(e, is_counted), true};
}

lang__place lang__anywhere(lang__emitter *e, const lang__expr *x)
{
    lang__value v;
    if (x->kind == E_LOCAL)
        return (lang__place){x->u.local->slot, false};
    if (x->kind != E_LIST && constant_of(e, x, &v))
        return (lang__place){lang__constant_register(e, v), false};
    lang__place p = fresh(e, counted(x));
    lang__into(e, x, p.reg);
    return p;
}

lang__place lang__read_only(lang__emitter *e, const lang__expr *x)
{
    lang__value v;
    if (x->kind == E_LIST && constant_of(e, x, &v))
        return (lang__place){lang__constant_register(e, v), false};
    return lang__anywhere(e, x);
}

void lang__effects(lang__emitter *e, const lang__expr *x)
{
    lang__span outer = e->span;
    e->span = x->span;
    if (x->kind == E_ASSIGN) {
        lang__assign(e, x, -1);
    } else if (x->kind == E_STEP) {
        lang__step(e, x, -1);
    } else {
        lang__place p = lang__anywhere(e, x);
        if (p.temporary && counted(x))
            lang__emit(e, LANG__OP_DROP, p.reg, 0, 0);
        lang__free_place(e, p);
    }
    e->span = outer;
}

/* --- calls ------------------------------------------------------------------ */

lang__global *lang__entry(lang__emitter *e, const char *name)
{
    lang__global *g = e->names->entry(e->names->ctx, name);
    if (!g)
        lang__compile_fail(e, RT_E_MEMORY, "compiler: no memory");
    return g;
}

static int method_index(lang__emitter *e, const char *name)
{
    for (int i = 0; e->owner && i < e->owner->nmethods; i++) {
        if (strcmp(e->owner->methods[i]->name, name) == 0)
            return i;
    }
    lang__compile_fail(e, RT_E_INTERNAL, "compiler: method %s is not there",
                       name);
    return 0;
}

static lang__site *call_site(lang__emitter *e, const lang__expr *x,
                             int nresults, int *index)
{
    lang__site *site = lang__site_for(e, x, index);
    lang__how as = x->kind == E_CALL_OP ? LANG__AS_OP_ARGUMENT
             : x->kind == E_CALL_USER || x->kind == E_CALL_SELF ||
                     x->kind == E_CALL_BUILTIN
                 ? LANG__AS_OWNED : LANG__AS_VALUE;
    site->nresults = nresults;
    site->op = x->u.invoke.callee.op;
    if (x->u.invoke.object)
        lang__set_operand(e, &site->object, x->u.invoke.object, LANG__AS_VALUE);
    if (x->u.invoke.nnamed) {
        site->named = lang__operands(e, x->u.invoke.named, x->u.invoke.nnamed,
                               LANG__AS_VALUE);
        lang__free_operands(e, site->named, x->u.invoke.nnamed, x->u.invoke.named);
    }
    lang__with_operands(e, site, x->u.invoke.args, x->u.invoke.nargs, as);
    if (x->u.invoke.object) {
        lang__expr *object = x->u.invoke.object;
        lang__free_operands(e, &site->object, 1, &object);
    }
    if (x->kind == E_CALL_USER || x->kind == E_CALL_NEW)
        site->global = lang__entry(e, x->u.invoke.callee.name);
    if (x->kind == E_CALL_SELF)
        site->method = method_index(e, x->u.invoke.callee.name);
    return site;
}

static lang__opcode call_opcode(const lang__expr *x)
{
    return x->kind == E_CALL_USER || x->kind == E_CALL_SELF ? LANG__OP_CALL
                                                            : LANG__OP_INVOKE;
}

int lang__results(lang__emitter *e, const lang__expr *x, int n)
{
    int site;
    lang__span outer = e->span;
    e->span = x->span;
    call_site(e, x, n, &site);
    int first = lang__temporaries(e, n);
    lang__emit(e, call_opcode(x), first, site, 0);
    e->span = outer;
    return first;
}

int lang__results_listed(lang__emitter *e, const lang__expr *x)
{
    int n = x->u.invoke.nresults, index;
    int first = lang__results(e, x, n);
    lang__site *site = lang__site_for(e, x, &index);
    site->type = (lang__type){.kind = LANG_TENSOR, .depth = 1};
    site->args = lang__arena_get(e->arena, (size_t)n * sizeof *site->args);
    site->nargs = site->args ? n : 0;
    for (int i = 0; i < n; i++) {
        if (site->args)
            site->args[i] = (lang__operand){
                .reg = (int16_t)(first + i), .kind = LANG_TENSOR,
                .counted = true, .dies = true, .given = true, .span = x->span};
        lang__free_register(e, first + i);
    }
    int to = lang__temporary(e, true);
    lang__emit(e, LANG__OP_LIST, to, index, 0);
    return to;
}

static void call(lang__emitter *e, const lang__expr *x, int to)
{
    int site;
    if (x->kind == E_CALL_OP && lang__fuse(e, x, to))
        return;
    call_site(e, x, 1, &site);
    lang__emit(e, call_opcode(x), to, site, 0);
}

static void tuple_item(lang__emitter *e, const lang__expr *x, int to)
{
    int n = x->u.item.index + 1;
    int first = lang__results(e, x->u.item.call, n);
    lang__move_out(e, to, first + n - 1, x->type);
    for (int i = 0; i < n; i++) {
        if (i < n - 1 || !counted(x))
            lang__emit(e, LANG__OP_DROP, first + i, 0, 0);
        lang__free_register(e, first + i);
    }
}

/* --- operators -------------------------------------------------------------- */

typedef struct choice {
    lang__opcode of_int, of_float;
} choice;

static const choice arithmetic[O_COUNT] = {
    [O_ADD] = {LANG__OP_ADD_INT, LANG__OP_ADD_FLOAT},
    [O_SUB] = {LANG__OP_SUB_INT, LANG__OP_SUB_FLOAT},
    [O_MUL] = {LANG__OP_MUL_INT, LANG__OP_MUL_FLOAT},
    [O_DIV] = {LANG__OP_DIV_INT, LANG__OP_DIV_FLOAT},
    [O_MOD] = {LANG__OP_MOD_INT, LANG__OP_MOD_FLOAT},
    [O_POW] = {LANG__OP_POW_INT, LANG__OP_POW_FLOAT},
    [O_AND] = {LANG__OP_AND_INT, 0},
    [O_OR] = {LANG__OP_OR_INT, 0},
    [O_XOR] = {LANG__OP_XOR_INT, 0},
    [O_SHL] = {LANG__OP_SHL_INT, 0},
    [O_SHR] = {LANG__OP_SHR_INT, 0},
    [O_EQ] = {LANG__OP_EQ_INT, LANG__OP_EQ_FLOAT},
    [O_NE] = {LANG__OP_NE_INT, LANG__OP_NE_FLOAT},
    [O_LT] = {LANG__OP_LT_INT, LANG__OP_LT_FLOAT},
    [O_LE] = {LANG__OP_LE_INT, LANG__OP_LE_FLOAT},
    [O_GT] = {LANG__OP_LT_INT, LANG__OP_LT_FLOAT},
    [O_GE] = {LANG__OP_LE_INT, LANG__OP_LE_FLOAT},
};

bool lang__fits_step(lang__emitter *e, const lang__expr *x, int sign,
                      int *out)
{
    lang__value v;
    if (!lang__type_is(x->type, LANG_INT) || !constant_of(e, x, &v) ||
        v.i < -30000 || v.i > 30000)
        return false;
    *out = sign * (int)v.i;
    return true;
}

/* R[to] := R[left] op R[right] for payloads of one type. */
void lang__number_binary(lang__emitter *e, lang__operator op, lang__type type,
                          int to, int left, int right)
{
    lang__opcode code = type.kind == LANG_FLOAT ? arithmetic[op].of_float
                                                : arithmetic[op].of_int;
    bool swap = op == O_GT || op == O_GE;
    lang__emit(e, code, to, swap ? right : left, swap ? left : right);
}

static void numbers(lang__emitter *e, const lang__expr *x, int to)
{
    lang__expr *left = x->u.binary.left, *right = x->u.binary.right;
    lang__operator op = x->u.binary.op;
    int by;
    lang__place a = lang__anywhere(e, left);
    if ((op == O_ADD || op == O_SUB) &&
        lang__fits_step(e, right, op == O_ADD ? 1 : -1, &by)) {
        lang__emit(e, LANG__OP_ADD_CONSTANT, to, a.reg, by);
        lang__free_place(e, a);
        return;
    }
    lang__place b = lang__anywhere(e, right);
    lang__number_binary(e, op, left->type, to, a.reg, b.reg);
    lang__free_place(e, a);
    lang__free_place(e, b);
}

static bool on_tensors(const lang__expr *x)
{
    return lang__type_is(x->u.binary.left->type, LANG_TENSOR) ||
           lang__type_is(x->u.binary.right->type, LANG_TENSOR);
}

/* A catalog op on one or two expressions. */
static lang__site *op_site(lang__emitter *e, const lang__expr *x,
                           const char *name, lang__expr *a, lang__expr *b,
                           int *index)
{
    lang__expr *args[2] = {a, b};
    lang__site *site = lang__site_for(e, x, index);
    site->op = rt_op_find(name);
    site->nresults = 1;
    if (!site->op)
        lang__compile_fail(e, RT_E_INTERNAL, "compiler: no op %s", name);
    lang__with_operands(e, site, args, b ? 2 : 1, LANG__AS_OP_ARGUMENT);
    return site;
}

static void tensors(lang__emitter *e, const lang__expr *x, int to)
{
    int site;
    lang__site *s = op_site(e, x, lang__operator_op(x->u.binary.op),
                            x->u.binary.left, x->u.binary.right, &site);
    s->span = x->u.binary.op_span;
    lang__emit(e, LANG__OP_INVOKE, to, site, 0);
}

/* Strings, lists, handles. */
static void objects(lang__emitter *e, const lang__expr *x, int to)
{
    lang__place a = lang__read_only(e, x->u.binary.left);
    lang__place b = lang__read_only(e, x->u.binary.right);
    lang__emit_wide(e, LANG__OP_BINARY, to, a.reg, b.reg, x->u.binary.op);
    lang__free_place(e, a);
    lang__free_place(e, b);
}

static void binary(lang__emitter *e, const lang__expr *x, int to)
{
    lang__type type = x->u.binary.left->type;
    if (on_tensors(x) && lang__fuse(e, x, to))
        return;
    e->span = x->u.binary.op_span;
    if (on_tensors(x))
        tensors(e, x, to);
    else if (is_scalar(type) || lang__type_is(type, LANG_DTYPE))
        numbers(e, x, to);
    else
        objects(e, x, to);
}

static void unary(lang__emitter *e, const lang__expr *x, int to)
{
    lang__expr *operand = x->u.unary.operand;
    if (lang__type_is(operand->type, LANG_TENSOR)) {
        int site;
        if (lang__fuse(e, x, to))
            return;
        op_site(e, x, lang__operator_op(x->u.unary.op), operand, NULL, &site);
        lang__emit(e, LANG__OP_INVOKE, to, site, 0);
        return;
    }
    lang__place p = lang__anywhere(e, operand);
    lang__opcode code = x->u.unary.op == O_NOT    ? LANG__OP_NOT
                        : x->u.unary.op == O_FLIP ? LANG__OP_FLIP_INT
                        : operand->type.kind == LANG_FLOAT
                            ? LANG__OP_NEG_FLOAT : LANG__OP_NEG_INT;
    lang__emit(e, code, to, p.reg, 0);
    lang__free_place(e, p);
}

/* --- truth ------------------------------------------------------------------ */

typedef struct jump_choice {
    lang__opcode of_int, of_float;
    bool swap;
} jump_choice;

/* By operator and by whether the jump is taken when it holds. */
static jump_choice jump_for(lang__operator op, bool when)
{
    static const jump_choice holds[O_COUNT] = {
        [O_EQ] = {LANG__OP_JUMP_EQ_INT, LANG__OP_JUMP_EQ_FLOAT, false},
        [O_NE] = {LANG__OP_JUMP_NE_INT, LANG__OP_JUMP_NE_FLOAT, false},
        [O_LT] = {LANG__OP_JUMP_LT_INT, LANG__OP_JUMP_LT_FLOAT, false},
        [O_LE] = {LANG__OP_JUMP_LE_INT, LANG__OP_JUMP_LE_FLOAT, false},
        [O_GT] = {LANG__OP_JUMP_LT_INT, LANG__OP_JUMP_LT_FLOAT, true},
        [O_GE] = {LANG__OP_JUMP_LE_INT, LANG__OP_JUMP_LE_FLOAT, true},
    };
    static const jump_choice fails[O_COUNT] = {
        [O_EQ] = {LANG__OP_JUMP_NE_INT, LANG__OP_JUMP_NE_FLOAT, false},
        [O_NE] = {LANG__OP_JUMP_EQ_INT, LANG__OP_JUMP_EQ_FLOAT, false},
        [O_LT] = {LANG__OP_JUMP_LE_INT, LANG__OP_JUMP_NLT_FLOAT, true},
        [O_LE] = {LANG__OP_JUMP_LT_INT, LANG__OP_JUMP_NLE_FLOAT, true},
        [O_GT] = {LANG__OP_JUMP_LE_INT, LANG__OP_JUMP_NLT_FLOAT, false},
        [O_GE] = {LANG__OP_JUMP_LT_INT, LANG__OP_JUMP_NLE_FLOAT, false},
    };
    return when ? holds[op] : fails[op];
}

/* "a < b" of floats negated keeps the order of its operands, of ints not. */
static void compare_branch(lang__emitter *e, const lang__expr *x, bool when,
                           lang__jumps *out)
{
    lang__operator op = x->u.binary.op;
    bool floats = x->u.binary.left->type.kind == LANG_FLOAT;
    jump_choice j = jump_for(op, when);
    bool swap = j.swap;
    if (!when && floats)
        swap = op == O_GT || op == O_GE;
    lang__place a = lang__anywhere(e, x->u.binary.left);
    lang__place b = lang__anywhere(e, x->u.binary.right);
    lang__jump_note(e, out,
                    lang__emit_wide(e, floats ? j.of_float : j.of_int,
                                    swap ? b.reg : a.reg,
                                    swap ? a.reg : b.reg, 0, 0));
    lang__free_place(e, a);
    lang__free_place(e, b);
}

static bool is_comparison(const lang__expr *x)
{
    return x->kind == E_BINARY && x->u.binary.op >= O_EQ &&
           x->u.binary.op <= O_GE && is_scalar(x->u.binary.left->type);
}

static void logical_branch(lang__emitter *e, const lang__expr *x, bool when,
                           lang__jumps *out)
{
    bool either = x->u.binary.op == O_EITHER;
    if (either == when) {
        lang__branch(e, x->u.binary.left, when, out);
        lang__branch(e, x->u.binary.right, when, out);
        return;
    }
    lang__jumps past = {0};
    lang__branch(e, x->u.binary.left, !when, &past);
    lang__branch(e, x->u.binary.right, when, out);
    lang__jumps_land(e, &past, lang__here(e));
}

void lang__branch(lang__emitter *e, const lang__expr *x, bool when,
                  lang__jumps *out)
{
    lang__span outer = e->span;
    e->span = x->span;
    if (x->kind == E_CONSTANT && x->u.constant.kind == LANG_BOOL) {
        if (x->u.constant.b == when)
            lang__jump_note(e, out, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    } else if (x->kind == E_LOGICAL) {
        logical_branch(e, x, when, out);
    } else if (x->kind == E_UNARY && x->u.unary.op == O_NOT) {
        lang__branch(e, x->u.unary.operand, !when, out);
    } else if (is_comparison(x)) {
        compare_branch(e, x, when, out);
    } else {
        lang__place p = lang__anywhere(e, x);
        lang__opcode op = when ? LANG__OP_JUMP_IF : LANG__OP_JUMP_UNLESS;
        lang__jump_note(e, out, lang__emit_long(e, op, p.reg, 0));
        lang__free_place(e, p);
    }
    e->span = outer;
}

static void logical(lang__emitter *e, const lang__expr *x, int to)
{
    lang__jumps no = {0}, end = {0};
    lang__branch(e, x, false, &no);
    int yes = lang__constant_register(e, LANG__BOOL_VALUE(true));
    lang__emit(e, LANG__OP_MOVE, to, yes, 0);
    lang__jump_note(e, &end, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    lang__jumps_land(e, &no, lang__here(e));
    lang__emit(e, LANG__OP_MOVE, to,
               lang__constant_register(e, LANG__BOOL_VALUE(false)), 0);
    lang__jumps_land(e, &end, lang__here(e));
}

static void choose(lang__emitter *e, const lang__expr *x, int to)
{
    lang__jumps no = {0}, end = {0};
    lang__branch(e, x->u.choose.condition, false, &no);
    lang__into(e, x->u.choose.yes, to);
    lang__jump_note(e, &end, lang__emit_long(e, LANG__OP_JUMP, 0, 0));
    lang__jumps_land(e, &no, lang__here(e));
    lang__into(e, x->u.choose.no, to);
    lang__jumps_land(e, &end, lang__here(e));
}

/* --- conversions ------------------------------------------------------------ */

static bool number_convert(lang__emitter *e, lang__type from, lang__type type,
                           int to, int reg)
{
    if (!is_scalar(from) || !is_scalar(type))
        return false;
    lang__opcode op = LANG__OP_MOVE;
    if (type.kind == LANG_FLOAT && from.kind != LANG_FLOAT)
        op = LANG__OP_INT_FLOAT;
    else if (type.kind == LANG_INT && from.kind == LANG_FLOAT)
        op = LANG__OP_FLOAT_INT;
    else if (type.kind == LANG_BOOL && from.kind != LANG_BOOL)
        op = from.kind == LANG_FLOAT ? LANG__OP_FLOAT_BOOL : LANG__OP_INT_BOOL;
    lang__emit(e, op, to, reg, 0);
    return true;
}

/* R[to] := R[p] as `type`; p is free afterwards. */
void lang__convert_place(lang__emitter *e, lang__place p, lang__type from,
                         lang__type type, int to)
{
    int index;
    if (lang__type_equal(from, type)) {
        place_into(e, p, to, type);
        return;
    }
    if (number_convert(e, from, type, to, p.reg)) {
        lang__free_place(e, p);
        return;
    }
    if (lang__type_is(type, LANG__ANY)) {
        if (lang__type_counted(from)) {
            place_into(e, p, to, type);
            return;
        }
        lang__emit(e, LANG__OP_BOX, to, p.reg, from.kind);
    } else {
        lang__site *site = lang__site_new(e, &index);
        site->from = from;
        site->type = type;
        lang__emit(e, LANG__OP_CONVERT, to, index, p.reg);
    }
    lang__free_place(e, p);
}

static void convert(lang__emitter *e, const lang__expr *x, int to)
{
    lang__expr *operand = x->u.convert.operand;
    bool copies = lang__type_is(x->type, LANG__ANY);
    lang__place p = copies ? lang__anywhere(e, operand) : lang__read_only(e, operand);
    e->span = x->span;
    lang__convert_place(e, p, operand->type, x->type, to);
}

/* --- lists, ranges, indexing ------------------------------------------------ */

static void list(lang__emitter *e, const lang__expr *x, int to)
{
    int index;
    lang__value v;
    if (x->u.list.count && constant_of(e, x, &v)) {
        lang__emit(e, LANG__OP_LIST_COPY, to, lang__constant_register(e, v),
                   0);
        return;
    }
    lang__site *site = lang__site_for(e, x, &index);
    lang__with_operands(e, site, x->u.list.items, x->u.list.count,
                        LANG__AS_OWNED);
    lang__emit(e, LANG__OP_LIST, to, index, 0);
}

static void range(lang__emitter *e, const lang__expr *x, int to)
{
    int index;
    lang__expr *parts[3] = {x->u.range.start, x->u.range.stop,
                            x->u.range.step};
    lang__site *site = lang__site_for(e, x, &index);
    lang__with_operands(e, site, parts, 3, LANG__AS_VALUE);
    lang__emit(e, LANG__OP_RANGE_LIST, to, index, 0);
}

/* --- all kinds -------------------------------------------------------------- */

static void constant_into(lang__emitter *e, const lang__expr *x, int to)
{
    lang__value v;
    if (constant_of(e, x, &v))
        lang__move(e, to, lang__constant_register(e, v), x->type);
    else
        lang__compile_fail(e, RT_E_INTERNAL, "compiler: constant of kind %d",
                           x->u.constant.kind);
}

static void dispatch(lang__emitter *e, const lang__expr *x, int to)
{
    int index;
    switch ((lang__expr_kind)x->kind) {
    case E_CONSTANT:
    case E_DTYPE: constant_into(e, x, to); break;
    case E_LOCAL: lang__move(e, to, x->u.local->slot, x->type); break;
    case E_GLOBAL:
        lang__named(e, x, LANG__OP_GLOBAL, LANG__OP_GLOBAL_OBJECT, to,
              x->u.name.text);
        break;
    case E_HOST: lang__by_site(e, x, LANG__OP_HOST, to); break;
    case E_FIELD: lang__field(e, x, LANG__OP_FIELD, to); break;
    case E_SELF: lang__emit(e, LANG__OP_SELF, to, 0, 0); break;
    case E_FUNCTION: lang__by_site(e, x, LANG__OP_CLOSURE, to); break;
    case E_LIST: list(e, x, to); break;
    case E_RANGE: range(e, x, to); break;
    case E_UNARY: unary(e, x, to); break;
    case E_BINARY: binary(e, x, to); break;
    case E_LOGICAL: logical(e, x, to); break;
    case E_CHOOSE: choose(e, x, to); break;
    case E_ASSIGN: lang__assign(e, x, to); break;
    case E_STEP: lang__step(e, x, to); break;
    case E_CALL_USER:
    case E_CALL_SELF:
    case E_CALL_BUILTIN:
    case E_CALL_OP:
    case E_CALL_LAYER:
    case E_CALL_OPTIM:
    case E_CALL_SCHEDULE:
    case E_CALL_NEW:
    case E_CALL_MODULE:
    case E_CALL_VALUE:
    case E_CALL_METHOD: call(e, x, to); break;
    case E_ATTRIBUTE:
    case E_DYNAMIC:
        lang__member_site(e, x, &index);
        lang__emit(e, LANG__OP_ATTRIBUTE, to, index, 0);
        break;
    case E_TUPLE_ITEM: tuple_item(e, x, to); break;
    case E_INDEX: lang__index_get(e, x, to); break;
    case E_CONVERT: convert(e, x, to); break;
    default:
        lang__compile_fail(e, RT_E_INTERNAL,
                           "compiler: a node of kind %d reached it", x->kind);
    }
}

void lang__into(lang__emitter *e, const lang__expr *x, int to)
{
    lang__span outer = e->span;
    if (e->status)
        return;
    e->span = x->span;
    dispatch(e, x, to);
    e->span = outer;
}
