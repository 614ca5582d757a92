/* SPDX-License-Identifier: MIT
 * Operators, assignment and steps: which types they take, what they give. */
#include "lang/check.h"

#include <string.h>

/* --- operators ------------------------------------------------------------------------------ */

static bool is_comparison(lang__operator op)
{
    return op >= O_EQ && op <= O_GE;
}

static bool is_bitwise(lang__operator op)
{
    return op >= O_AND && op <= O_SHR;
}

static void no_operator(lang__checker *c, lang__expr *e, lang__span at,
                        lang__operator op, const lang__expr *left,
                        const lang__expr *right)
{
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_TYPE, at, "`%s` does not work between %s and %s",
        lang__operator_text(op), lang__say(c, left->type),
        lang__say(c, right->type));
    lang__report_label(c->errors, d, left->span, "%s", lang__say(c, left->type));
    lang__report_label(c->errors, d, right->span, "%s",
                       lang__say(c, right->type));
    bool text = lang__type_is(left->type, LANG_STRING) !=
                lang__type_is(right->type, LANG_STRING);
    if (text && op == O_ADD)
        lang__report_help(c->errors, d,
                          "string(x) turns a value into text to join");
    else if (is_bitwise(op) && (lang__type_is(left->type, LANG_FLOAT) ||
                                lang__type_is(right->type, LANG_FLOAT)))
        lang__report_help(c->errors, d, op == O_XOR
                          ? "the power of two numbers is written x ** y"
                          : "it works on whole numbers");
    lang__bad(e);
}

/* The result of numbers under an operator; both sides become `*side`. */
static lang__type number_result(lang__operator op, lang__type a, lang__type b,
                                lang__type *side)
{
    lang__type wide = a.kind > b.kind ? a : b;
    if (is_comparison(op)) {
        *side = wide;
        return LANG__BOOL;
    }
    if (is_bitwise(op)) {
        bool both = wide.kind == LANG_BOOL && op != O_SHL && op != O_SHR;
        *side = wide.kind == LANG_FLOAT ? LANG__TYPE(LANG__BAD)
                : both ? LANG__BOOL : LANG__INT;
        return *side;
    }
    if (op == O_MATMUL)
        return *side = LANG__TYPE(LANG__BAD);
    return *side = wide.kind == LANG_FLOAT ? wide : LANG__INT;
}

/* `any` becomes what the other side suggests. */
static void settle_any(lang__checker *c, lang__expr **left, lang__expr **right)
{
    lang__type a = (*left)->type, b = (*right)->type;
    bool any_a = lang__type_is(a, LANG__ANY), any_b = lang__type_is(b, LANG__ANY);
    if (any_a && any_b) {
        lang__coerce(c, left, LANG__TENSOR, "the operand");
        lang__coerce(c, right, LANG__TENSOR, "the operand");
    } else if (any_a || any_b) {
        lang__type other = any_a ? b : a;
        if (lang__type_is_number(other))
            other = LANG__FLOAT;
        if (lang__type_is(other, LANG__NONE))
            other = LANG__TENSOR;
        lang__coerce(c, any_a ? left : right, other, "the operand");
    }
}

/* The type of `left op right`; the sides are converted. LANG__BAD: none. */
static lang__type operate(lang__checker *c, lang__operator op,
                          lang__expr **left, lang__expr **right)
{
    settle_any(c, left, right);
    lang__type a = (*left)->type, b = (*right)->type;
    if (lang__type_is_number(a) && lang__type_is_number(b)) {
        lang__type side, result = number_result(op, a, b, &side);
        if (side.kind == LANG__BAD)
            return side;
        lang__coerce(c, left, side, "the operand");
        lang__coerce(c, right, side, "the operand");
        return result;
    }
    bool equality = op == O_EQ || op == O_NE;
    if (equality && (lang__type_is(a, LANG__NONE) || lang__type_is(b, LANG__NONE)))
        return a.depth || b.depth ? LANG__TYPE(LANG__BAD) : LANG__BOOL;
    if (lang__type_is(a, LANG_TENSOR) || lang__type_is(b, LANG_TENSOR)) {
        bool number_a = lang__type_is_number(a);
        bool number_b = lang__type_is_number(b);
        bool fits = (lang__type_cost(a, LANG__TENSOR) < LANG__NEVER) &&
                    (lang__type_cost(b, LANG__TENSOR) < LANG__NEVER) &&
                    !lang__type_is(a, LANG__NONE) && !lang__type_is(b, LANG__NONE);
        if (!fits || (op == O_MATMUL && (number_a || number_b)))
            return LANG__TYPE(LANG__BAD);
        if (!number_a)
            lang__coerce(c, left, LANG__TENSOR, "the operand");
        if (!number_b)
            lang__coerce(c, right, LANG__TENSOR, "the operand");
        return LANG__TENSOR;
    }
    if (lang__type_is(a, LANG_STRING) && lang__type_is(b, LANG_STRING))
        return op == O_ADD ? a : is_comparison(op) ? LANG__BOOL
                                                   : LANG__TYPE(LANG__BAD);
    if (a.depth || b.depth) {
        lang__type both = lang__unify(a, b);
        if (!both.depth || (op != O_ADD && !equality))
            return LANG__TYPE(LANG__BAD);
        lang__coerce(c, left, both, "the operand");
        lang__coerce(c, right, both, "the operand");
        return equality ? LANG__BOOL : both;
    }
    if (equality && lang__type_equal(a, b) && a.kind >= LANG_TENSOR &&
        a.kind <= LANG_HOST)
        return LANG__BOOL;
    return LANG__TYPE(LANG__BAD);
}

void lang__check_binary(lang__checker *c, lang__expr *e)
{
    lang__type hint = LANG__TYPE(LANG_VOID);
    lang__check_expr(c, e->u.binary.left, hint);
    lang__check_expr(c, e->u.binary.right, hint);
    lang__expr *left = e->u.binary.left, *right = e->u.binary.right;
    if (left->type.kind == LANG__BAD || right->type.kind == LANG__BAD) {
        lang__bad(e);
        return;
    }
    lang__span at = e->u.binary.op_span;
    lang__operator op = e->u.binary.op;
    e->type = operate(c, op, &e->u.binary.left, &e->u.binary.right);
    if (e->type.kind == LANG__BAD)
        no_operator(c, e, at, op, left, right);
}

void lang__check_unary(lang__checker *c, lang__expr *e)
{
    lang__operator op = e->u.unary.op;
    lang__expr **slot = &e->u.unary.operand;
    if (op == O_NOT) {
        lang__check_condition(c, slot);
        e->type = LANG__BOOL;
        return;
    }
    lang__check_expr(c, *slot, LANG__TYPE(LANG_VOID));
    if (lang__type_is((*slot)->type, LANG__ANY))
        lang__coerce(c, slot, LANG__TENSOR, "the operand");
    lang__type t = (*slot)->type;
    if (lang__type_is(t, LANG_BOOL))
        lang__coerce(c, slot, LANG__INT, "the operand");
    bool fits = lang__type_is(t, LANG_TENSOR) ||
                (lang__type_is_number(t) &&
                 !(op == O_FLIP && t.kind == LANG_FLOAT));
    if (t.kind != LANG__BAD && !fits)
        lang__report(c->errors, LANG__D_TYPE, e->span,
                     "`%s` does not work on %s", lang__operator_text(op),
                     lang__say(c, t));
    if (!fits)
        lang__bad(e);
    else
        e->type = (*slot)->type;
    lang__constant *k = &(*slot)->u.constant;
    if (fits && op == O_NEG && (*slot)->kind == E_CONSTANT) {   /* -1 */
        lang__constant value = *k;
        if (value.kind == LANG_INT)
            value.i = (int64_t)(0 - (uint64_t)value.i);
        else
            value.f = -value.f;
        e->kind = E_CONSTANT;
        e->u.constant = value;
    }
}

void lang__check_logical(lang__checker *c, lang__expr *e)
{
    lang__check_condition(c, &e->u.binary.left);
    lang__check_condition(c, &e->u.binary.right);
    e->type = LANG__BOOL;
}

void lang__check_choose(lang__checker *c, lang__expr *e, lang__type wanted)
{
    lang__check_condition(c, &e->u.choose.condition);
    lang__check_expr(c, e->u.choose.yes, wanted);
    lang__check_expr(c, e->u.choose.no, wanted);
    lang__expr *yes = e->u.choose.yes, *no = e->u.choose.no;
    if (yes->type.kind == LANG__BAD || no->type.kind == LANG__BAD) {
        lang__bad(e);
        return;
    }
    lang__type both = lang__unify(yes->type, no->type);
    if (both.kind == LANG__BAD) {
        lang__report(c->errors, LANG__D_TYPE, e->span,
                     "the two values of `?:` are %s and %s",
                     lang__say(c, yes->type), lang__say(c, no->type));
        lang__bad(e);
        return;
    }
    lang__coerce(c, &e->u.choose.yes, both, "the value");
    lang__coerce(c, &e->u.choose.no, both, "the value");
    e->type = both;
}

/* --- assignment ------------------------------------------------------------------------------- */

/* A name of the host is not rebound, but its tensor can be written in place. */
static bool check_host_place(lang__checker *c, const lang__expr *e,
                             lang__operator op)
{
    bool writes = op != O_NONE && lang__operator_inplace(op)[0];
    if (writes && lang__type_is(e->type, LANG_TENSOR))
        return true;
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_NOT_ASSIGNABLE, e->span,
        "`%s` is a name of the notebook, a %s; a cell changes only the "
        "elements of its tensors", e->u.name.text, lang__say(c, e->type));
    lang__report_help(c->errors, d, "declare a variable of the cell: auto %s = "
                                    "...", e->u.name.text);
    return false;
}

/* Whether e can be stored to (by `op`=); reports when not. */
static bool check_place(lang__checker *c, const lang__expr *e,
                        lang__operator op)
{
    bool constant = false;
    switch (e->kind) {
    case E_LOCAL:
        constant = e->u.local->constant;
        break;
    case E_GLOBAL: {
        lang__local *l = lang__names_find(&c->names, e->u.name.text);
        lang__known known = {0};
        if (l)
            constant = l->constant;
        else if (c->session && c->session->find &&
                 c->session->find(c->session->ctx, e->u.name.text, &known))
            constant = known.constant;
        break;
    }
    case E_FIELD:
        constant = c->owner->members[e->u.field.index].constant;
        break;
    case E_INDEX:
        if (lang__type_is(e->u.index.object->type, LANG_TENSOR) ||
            lang__type_is_list(e->u.index.object->type) ||
            lang__type_is(e->u.index.object->type, LANG__ANY))
            return true;
        lang__report(c->errors, LANG__D_NOT_ASSIGNABLE, e->span,
                     "elements of a %s cannot be assigned",
                     lang__say(c, e->u.index.object->type));
        return false;
    case E_ATTRIBUTE:
        if (e->u.member.attribute->writable)
            return true;
        lang__report(c->errors, LANG__D_NOT_ASSIGNABLE, e->span,
                     "`%s` can be read but not assigned", e->u.member.name);
        return false;
    case E_DYNAMIC:
        return true;
    case E_HOST:
        return check_host_place(c, e, op);
    case E_BAD:
        return false;
    default:
        lang__report(c->errors, LANG__D_NOT_ASSIGNABLE, e->span,
                     "this is a value, not a place to assign to");
        return false;
    }
    if (constant) {
        lang__diagnostic *d = lang__report(c->errors, LANG__D_CONSTANT, e->span,
                                           "this name is declared const");
        lang__report_help(c->errors, d, "declare it without const to change it");
    }
    return !constant;
}

/* `=` for a new name: the reader forgot to declare it. */
static bool undeclared(lang__checker *c, lang__expr *e)
{
    lang__expr *target = e->u.assign.target;
    if (target->kind != E_NAME || e->u.assign.op != O_NONE)
        return false;
    lang__expr trial = *target;
    int before = c->errors->total;
    int count = c->errors->count;
    lang__check_name(c, &trial);
    if (c->errors->total == before)
        return false;
    c->errors->total = before;
    c->errors->count = count;
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_UNKNOWN_NAME, target->span,
        "`%s` is assigned but was never declared", target->u.name.text);
    lang__report_help(c->errors, d, "declare it: auto %s = ...",
                      target->u.name.text);
    return true;
}

static void check_compound(lang__checker *c, lang__expr *e)
{
    lang__expr *target = e->u.assign.target;
    lang__operator op = e->u.assign.op;
    lang__span at = e->u.assign.op_span;
    lang__type t = target->type;
    lang__check_expr(c, e->u.assign.value, t);
    lang__expr *value = e->u.assign.value;
    if (value->type.kind == LANG__BAD || t.kind == LANG__BAD) {
        lang__bad(e);
        return;
    }
    lang__expr place = *target, *left = &place;
    lang__type result = operate(c, op, &left, &e->u.assign.value);
    if (lang__type_is(t, LANG__ANY) || result.kind == LANG__BAD) {
        no_operator(c, e, at, op, target, value);
        return;
    }
    e->type = t;
    if (lang__type_equal(result, t)) {
        if (!lang__type_is(t, LANG_TENSOR))
            lang__coerce(c, &e->u.assign.value, t, "the value");
        return;
    }
    if (lang__type_is(result, LANG_TENSOR) && lang__type_is_number(t)) {
        lang__coerce(c, &e->u.assign.value, t, "the value");
        return;
    }
    lang__expr wrong = *value;
    wrong.type = result;
    lang__wrong_type(c, &wrong, t, "the assignment");
    lang__bad(e);
}

void lang__check_assign(lang__checker *c, lang__expr *e)
{
    if (undeclared(c, e)) {
        lang__check_expr(c, e->u.assign.value, LANG__TYPE(LANG_VOID));
        lang__bad(e);
        return;
    }
    lang__check_expr(c, e->u.assign.target, LANG__TYPE(LANG_VOID));
    lang__expr *target = e->u.assign.target;
    if (target->kind == E_CONVERT && target->u.convert.operand->kind == E_DYNAMIC)
        target = e->u.assign.target = target->u.convert.operand;
    if (!check_place(c, target, e->u.assign.op)) {
        lang__check_expr(c, e->u.assign.value, LANG__TYPE(LANG_VOID));
        lang__bad(e);
        return;
    }
    if (e->u.assign.op != O_NONE) {
        check_compound(c, e);
        return;
    }
    lang__type t = target->type;
    lang__check_expr(c, e->u.assign.value, t);
    bool element = target->kind == E_INDEX &&
                   lang__type_is(target->u.index.object->type, LANG_TENSOR);
    if (!(element && lang__type_is_number(e->u.assign.value->type)))
        lang__coerce(c, &e->u.assign.value, t, "the assignment");
    if (e->u.assign.value->type.kind == LANG__BAD)
        lang__bad(e);
    else
        e->type = t;
}

void lang__check_step(lang__checker *c, lang__expr *e)
{
    lang__check_expr(c, e->u.step.target, LANG__TYPE(LANG_VOID));
    lang__expr *t = e->u.step.target;
    bool number = lang__type_is(t->type, LANG_INT) ||
                  lang__type_is(t->type, LANG_FLOAT);
    if (t->type.kind != LANG__BAD && !number) {
        lang__diagnostic *d =
            lang__report(c->errors, LANG__D_TYPE, e->span,
                         "`%s` works on int and float, not on %s",
                         e->u.step.by > 0 ? "++" : "--", lang__say(c, t->type));
        lang__report_help(c->errors, d, "write x += 1");
    }
    if (!number || !check_place(c, t, O_NONE))
        lang__bad(e);
    else
        e->type = t->type;
}
