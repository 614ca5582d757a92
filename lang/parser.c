/* SPDX-License-Identifier: MIT
 * Expressions: precedence climbing over one table of binary operators. */
#include "lang/parser.h"

#include <string.h>

/* --- building --------------------------------------------------------------- */

lang__expr *lang__new_expr(lang__parser *p, lang__expr_kind kind,
                           lang__span span)
{
    lang__expr *e = LANG__NEW(p->arena, lang__expr);
    e->kind = (uint8_t)kind;
    e->span = span;
    return e;
}

static lang__expr *bad(lang__parser *p)
{
    lang__expr *e = lang__new_expr(p, E_BAD, lang__peek(p, 0)->span);
    e->type.kind = LANG__BAD;
    return e;
}

static lang__expr *constant(lang__parser *p, const lang__token *t, int kind)
{
    lang__expr *e = lang__new_expr(p, E_CONSTANT, t->span);
    e->u.constant.kind = (uint8_t)kind;
    e->type.kind = (uint8_t)kind;
    return e;
}

static lang__expr *name_expr(lang__parser *p, const char *text,
                             lang__span span)
{
    lang__expr *e = lang__new_expr(p, E_NAME, span);
    e->u.name.text = text;
    return e;
}

/* e stands on child: trees that recursive walks could not go down end here. */
static void stand(lang__parser *p, lang__expr *e, const lang__expr *child)
{
    if (child->height < e->height)
        return;
    e->height = (uint16_t)(child->height + 1);
    if (e->height <= LANG__MAX_CHAIN)
        return;
    lang__diagnostic *d = lang__syntax(
        p, LANG__D_NESTING, lang__peek(p, 0)->span,
        "more than %d operations on one another in one expression",
        LANG__MAX_CHAIN);
    lang__syntax_help(p, d, "a loop, or several statements, can do the same");
    lang__give_up(p);
    e->height = 0;
}

/* --- primaries ---------------------------------------------------------------- */

static lang__expr *integer(lang__parser *p, bool negated)
{
    lang__token *t = lang__take(p);
    if (t->least && !negated)
        lang__syntax(p, LANG__D_NUMBER, t->span,
                     "this integer does not fit into 64 bits");
    lang__expr *e = constant(p, t, LANG_INT);
    e->u.constant.i = t->i;
    return e;
}

/* Adjacent strings are one, as in C. */
static lang__expr *text_literal(lang__parser *p)
{
    lang__token *t = lang__take(p);
    lang__expr *e = constant(p, t, LANG_STRING);
    e->u.constant.s = t->text;
    if (!lang__is(p, T_STRING))
        return e;
    size_t size = strlen(t->text);
    int first = p->at, last = p->at;
    for (; p->tokens[last].kind == T_STRING; last++)
        size += strlen(p->tokens[last].text);
    char *joined = lang__arena_get(p->arena, size + 1);
    if (!joined)
        return e;
    strcpy(joined, t->text);
    char *end = joined + strlen(joined);
    for (int i = first; i < last; i++) {
        size_t n = strlen(p->tokens[i].text);
        memcpy(end, p->tokens[i].text, n + 1);
        end += n;
    }
    p->at = last;
    e->span.end = lang__last_span(p).end;
    e->u.constant.s = joined;
    return e;
}

/* vec![v; n] and [v; n]: filled(v, n). */
static lang__expr *filled(lang__parser *p, lang__expr *value, uint32_t start)
{
    lang__expr *call = lang__new_expr(p, E_CALL, value->span);
    lang__argument *args = lang__arena_get(p->arena, 2 * sizeof *args);
    args[0].value = value;
    args[1].value = lang__read_expr(p);
    lang__expect(p, T_RBRACKET, "after the number of elements");
    call->span = (lang__span){start, lang__last_span(p).end};
    call->u.call.callee = name_expr(p, "filled", call->span);
    call->u.call.args = args;
    call->u.call.count = 2;
    return call;
}

static lang__expr *list(lang__parser *p, int close)
{
    uint32_t start = lang__take(p)->span.start;
    lang__expr *e = lang__new_expr(p, E_LIST, (lang__span){start, start});
    e->u.list.braces = close == T_RBRACE;
    while (!lang__is(p, close) && !lang__is(p, T_END) && !p->panic) {
        lang__expr *item = lang__read_initializer(p);
        if (lang__is(p, T_SEMICOLON) && e->u.list.count == 0 &&
            close == T_RBRACKET) {
            lang__take(p);
            return filled(p, item, start);
        }
        lang__expr **slot =
            LANG__PUSH(p->arena, e->u.list.items, e->u.list.count);
        if (slot)
            *slot = item;
        stand(p, e, item);
        if (!lang__accept(p, T_COMMA))
            break;
    }
    lang__expect(p, close, "at the end of the list");
    e->span.end = lang__last_span(p).end;
    return e;
}

static bool begins_operand(const lang__token *t)
{
    switch (t->kind) {
    case T_NAME: case T_INT: case T_FLOAT: case T_STRING: case T_TRUE:
    case T_FALSE: case T_LPAREN: case T_NOT: case T_FLIP: case T_NONE:
    case T_SUB:
        return true;
    default:
        return false;
    }
}

static lang__expr *unary(lang__parser *p);

/* (float) x; NULL when the parentheses hold no type. */
static lang__expr *cast(lang__parser *p)
{
    int behind = lang__skip_type(p, p->at + 1);
    if (behind < 0 || p->tokens[behind].kind != T_RPAREN ||
        !begins_operand(&p->tokens[behind + 1 < p->count ? behind + 1
                                                         : p->count - 1]))
        return NULL;
    if (!lang__enter(p))
        return bad(p);
    uint32_t start = lang__take(p)->span.start;
    lang__written type = {0};
    lang__read_type(p, &type);
    lang__expect(p, T_RPAREN, "after the type");
    lang__expr *e = lang__new_expr(p, E_CAST, (lang__span){start, start});
    e->u.convert.operand = unary(p);
    lang__leave(p);
    e->u.convert.written = true;
    e->type = type.type;
    e->span.end = e->u.convert.operand->span.end;
    stand(p, e, e->u.convert.operand);
    return e;
}

static lang__expr *parenthesised(lang__parser *p)
{
    lang__expr *e = cast(p);
    if (e)
        return e;
    uint32_t start = lang__take(p)->span.start;
    e = lang__read_expr(p);
    if (lang__is(p, T_COMMA)) {
        lang__diagnostic *d = lang__syntax(
            p, LANG__D_NOT_IN_LANGUAGE, lang__peek(p, 0)->span,
            "there are no tuples and no comma operator");
        lang__syntax_help(p, d, "a list is written [a, b]; several results "
                          "are taken with auto [a, b] = ...");
    }
    lang__expect(p, T_RPAREN, "to close the parenthesis");
    e->span = (lang__span){start, lang__last_span(p).end};
    e->parenthesised = true;
    return e;
}

static lang__expr *name_or_macro(lang__parser *p)
{
    lang__token *t = lang__take(p);
    if (!strcmp(t->text, "vec!") && lang__is(p, T_LBRACKET)) {
        lang__expr *e = list(p, T_RBRACKET);
        e->span.start = t->span.start;
        return e;
    }
    const char *help = lang__foreign_help(t->text, false);
    bool foreign_use = help && (lang__is(p, T_LPAREN) || lang__is(p, T_NAME) ||
                                lang__is(p, T_SHL) || lang__is(p, T_INT));
    if (foreign_use && (!strcmp(t->text, "sizeof") || lang__is(p, T_NAME) ||
                        lang__is(p, T_SHL) || lang__is(p, T_INT))) {
        lang__diagnostic *d = lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, t->span,
                                           "`%s` is not part of the language",
                                           t->text);
        lang__syntax_help(p, d, "%s", help);
    }
    return name_expr(p, t->text, t->span);
}

static lang__expr *unexpected(lang__parser *p)
{
    lang__token *t = lang__peek(p, 0);
    lang__span at = t->span;
    if (t->kind == T_END && p->at > 0) {
        at = lang__last_span(p);
        at.start = at.end;
    }
    lang__expr *e = bad(p);
    lang__stumble(p, at, "expected a value, found %s",
                  lang__found_text(p, t));
    return e;
}

static lang__expr *primary(lang__parser *p)
{
    lang__token *t = lang__peek(p, 0);
    lang__expr *e;
    switch (t->kind) {
    case T_INT:
        return integer(p, false);
    case T_FLOAT:
        e = constant(p, lang__take(p), LANG_FLOAT);
        e->u.constant.f = t->f;
        return e;
    case T_STRING:
        return text_literal(p);
    case T_TRUE: case T_FALSE:
        e = constant(p, lang__take(p), LANG_BOOL);
        e->u.constant.b = t->kind == T_TRUE;
        return e;
    case T_NONE:
        return constant(p, lang__take(p), LANG__NONE);
    case T_NAME:
        return name_or_macro(p);
    case T_LPAREN:
        return parenthesised(p);
    case T_LBRACKET:
        return list(p, T_RBRACKET);
    case T_LBRACE:
        return list(p, T_RBRACE);
    default:
        return unexpected(p);
    }
}

/* --- postfix: calls, indexing, members --------------------------------------------- */

static void argument(lang__parser *p, lang__expr *call)
{
    lang__argument *slot =
        LANG__PUSH(p->arena, call->u.call.args, call->u.call.count);
    lang__argument spare;
    lang__argument *a = slot ? slot : &spare;
    memset(a, 0, sizeof *a);
    lang__token *t = lang__peek(p, 0);
    if ((t->kind == T_NAME || t->kind == T_NONE) &&
        lang__peek(p, 1)->kind == T_ASSIGN && t->kind == T_NAME) {
        a->name = t->text;
        a->name_span = t->span;
        p->at += 2;
    }
    lang__expr *value = lang__read_initializer(p);
    /* reading the value may have moved the array: write to the last place */
    if (slot)
        call->u.call.args[call->u.call.count - 1].value = value;
    stand(p, call, value);
}

static lang__expr *call(lang__parser *p, lang__expr *callee)
{
    lang__expr *e = lang__new_expr(p, E_CALL, callee->span);
    e->u.call.callee = callee;
    stand(p, e, callee);
    int close = lang__is(p, T_LBRACKET) ? T_RBRACKET : T_RPAREN;
    lang__take(p);
    while (!lang__is(p, close) && !lang__is(p, T_END) && !p->panic) {
        argument(p, e);
        if (!lang__accept(p, T_COMMA))
            break;
    }
    lang__expect(p, close, "after the arguments");
    e->span.end = lang__last_span(p).end;
    return e;
}

static bool ends_index_part(const lang__parser *p)
{
    return lang__is(p, T_COLON) || lang__is(p, T_COMMA) ||
           lang__is(p, T_RBRACKET) || lang__is(p, T_END) ||
           lang__is(p, T_PATH);
}

/* `::` between blanks of a slice is two colons: x[::2]. */
static bool accept_colon(lang__parser *p)
{
    if (lang__accept(p, T_COLON))
        return true;
    if (!lang__is(p, T_PATH))
        return false;
    lang__token *t = lang__peek(p, 0);      /* leave the second colon */
    t->kind = T_COLON;
    t->span.start++;
    return true;
}

static lang__expr *index_part(lang__parser *p, lang__expr *whole)
{
    lang__expr *e = lang__read_expr(p);
    stand(p, whole, e);
    return e;
}

static void index_item(lang__parser *p, lang__expr *whole, lang__index *item)
{
    item->span = lang__peek(p, 0)->span;
    if (lang__accept(p, T_ELLIPSIS)) {
        item->kind = LANG__REST;
        return;
    }
    if (lang__accept(p, T_NONE)) {
        item->kind = LANG__NEW_AXIS;
        return;
    }
    if (!ends_index_part(p))
        item->at = index_part(p, whole);
    if (item->at && item->at->kind == E_RANGE && !item->at->parenthesised) {
        lang__expr *range = item->at;             /* x[1..3] */
        item->kind = LANG__SLICE;
        item->start = range->u.range.start;
        item->stop = range->u.range.stop;
        item->at = NULL;
    } else if (accept_colon(p)) {
        item->kind = LANG__SLICE;
        item->start = item->at;
        item->at = NULL;
        if (!ends_index_part(p))
            item->stop = index_part(p, whole);
        if (accept_colon(p) && !ends_index_part(p))
            item->step = index_part(p, whole);
    } else if (!item->at) {
        item->at = unexpected(p);
    }
    item->span.end = lang__last_span(p).end;
}

static lang__expr *indexing(lang__parser *p, lang__expr *object)
{
    lang__take(p);
    lang__expr *e = lang__new_expr(p, E_INDEX, object->span);
    e->u.index.object = object;
    stand(p, e, object);
    while (!lang__is(p, T_RBRACKET) && !lang__is(p, T_END) && !p->panic) {
        lang__index item = {0};
        index_item(p, e, &item);
        lang__index *slot =
            LANG__PUSH(p->arena, e->u.index.items, e->u.index.count);
        if (slot)
            *slot = item;
        if (!lang__accept(p, T_COMMA))
            break;
    }
    if (e->u.index.count == 0)
        lang__syntax(p, LANG__D_SYNTAX, lang__peek(p, 0)->span,
                     "an index is missing between the brackets");
    lang__expect(p, T_RBRACKET, "after the index");
    e->span.end = lang__last_span(p).end;
    return e;
}

static lang__expr *member(lang__parser *p, lang__expr *object)
{
    bool path = lang__take(p)->kind == T_PATH;
    lang__token *t = lang__peek(p, 0);
    lang__expr *e = lang__new_expr(p, E_MEMBER, object->span);
    e->u.member.object = object;
    stand(p, e, object);
    e->u.member.path = path;
    e->u.member.name_span = t->span;
    if (t->kind == T_LT && path) {             /* Vec::<f64>::new() */
        int close = p->at;
        while (close < p->count - 1 && p->tokens[close].kind != T_GT)
            close++;
        p->at = close;
        lang__take(p);
        return object;
    }
    if (t->kind == T_NAME) {
        e->u.member.name = lang__take(p)->text;
    } else if (t->kind < T_ADD && t->kind > T_BAD && t->kind <= T_WHILE) {
        lang__take(p);
        e->u.member.name = "";
        lang__syntax(p, LANG__D_SYNTAX, t->span,
                     "%s is a reserved word and cannot be a member",
                     lang__token_text(t->kind));
    } else {
        e->u.member.name = "";
        lang__syntax(p, LANG__D_SYNTAX, t->span,
                     "expected a name after `%s`, found %s",
                     path ? "::" : ".", lang__found_text(p, t));
    }
    e->span.end = lang__last_span(p).end;
    return e;
}

static lang__expr *step(lang__parser *p, lang__expr *target, bool prefix)
{
    lang__token *t = lang__take(p);
    lang__expr *e = lang__new_expr(p, E_STEP, t->span);
    e->u.step.by = t->kind == T_INCREMENT ? 1 : -1;
    e->u.step.prefix = prefix;
    e->u.step.target = prefix ? unary(p) : target;
    stand(p, e, e->u.step.target);
    e->span = prefix ? lang__span_join(t->span, e->u.step.target->span)
                     : lang__span_join(target->span, t->span);
    return e;
}

/* `x as f64` */
static lang__expr *rust_cast(lang__parser *p, lang__expr *operand)
{
    lang__take(p);
    lang__written type = {0};
    lang__read_type(p, &type);
    lang__expr *e = lang__new_expr(p, E_CAST, operand->span);
    e->u.convert.operand = operand;
    stand(p, e, operand);
    e->u.convert.written = true;
    e->type = type.type;
    e->span.end = lang__last_span(p).end;
    return e;
}

static void no_arrow(lang__parser *p)
{
    lang__diagnostic *d =
        lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, lang__peek(p, 0)->span,
                     "`->` is not part of the language: there are no pointers");
    lang__syntax_help(p, d, "use a dot: x.shape");
}

/* a::b, and not the two colons of x[1::2]. */
static bool at_path(const lang__parser *p, const lang__expr *before)
{
    int next = lang__peek(p, 1)->kind;
    return (before->kind == E_NAME || before->kind == E_MEMBER) &&
           (next == T_NAME || next == T_LT);
}

static lang__expr *postfix(lang__parser *p)
{
    lang__expr *e = primary(p);
    while (!p->panic) {
        lang__token *t = lang__peek(p, 0);
        bool macro = e->kind == E_NAME &&
                     e->u.name.text[strlen(e->u.name.text) - 1] == '!';
        if (t->kind == T_LPAREN || (macro && t->kind == T_LBRACKET))
            e = call(p, e);
        else if (t->kind == T_LBRACKET && !t->first)
            e = indexing(p, e);
        else if (t->kind == T_DOT || (t->kind == T_PATH && at_path(p, e)))
            e = member(p, e);
        else if ((t->kind == T_INCREMENT || t->kind == T_DECREMENT) && !t->first)
            e = step(p, e, false);
        else if (lang__token_is(t, "as") && !t->first)
            e = rust_cast(p, e);
        else if (t->kind == T_ARROW)
            no_arrow(p);
        else
            break;
    }
    return e;
}

/* --- operators ------------------------------------------------------------------------- */

typedef struct binary_row {
    uint8_t token, op, power;
    bool right;
} binary_row;

/* C's order, `@` beside `*`, `**` above unary minus as in Python. */
enum { POWER_RANGE = 2, POWER_EITHER = 4, POWER_UNARY = 26, POWER_POW = 28 };
static const binary_row binary_rows[] = {
    {T_EITHER, O_EITHER, POWER_EITHER, false}, {T_BOTH, O_BOTH, 6, false},
    {T_OR, O_OR, 8, false},       {T_XOR, O_XOR, 10, false},
    {T_AND, O_AND, 12, false},    {T_EQ, O_EQ, 14, false},
    {T_NE, O_NE, 14, false},      {T_LT, O_LT, 16, false},
    {T_LE, O_LE, 16, false},      {T_GT, O_GT, 16, false},
    {T_GE, O_GE, 16, false},      {T_SHL, O_SHL, 18, false},
    {T_SHR, O_SHR, 18, false},    {T_ADD, O_ADD, 20, false},
    {T_SUB, O_SUB, 20, false},    {T_MUL, O_MUL, 22, false},
    {T_DIV, O_DIV, 22, false},    {T_MOD, O_MOD, 22, false},
    {T_MATMUL, O_MATMUL, 22, false}, {T_POW, O_POW, POWER_POW, true},
};

static const binary_row *binary_row_of(const lang__token *t)
{
    for (size_t i = 0; i < sizeof binary_rows / sizeof *binary_rows; i++) {
        if (binary_rows[i].token == t->kind)
            return &binary_rows[i];
    }
    return NULL;
}

static lang__expr *binary(lang__parser *p, int power);

static lang__expr *prefix_operator(lang__parser *p, lang__operator op)
{
    lang__token *t = lang__take(p);
    lang__token *next = lang__peek(p, 0);
    lang__expr *operand = op == O_NEG && next->kind == T_INT && next->least
                              ? integer(p, true) : binary(p, POWER_UNARY);
    lang__expr *e = lang__new_expr(p, E_UNARY,
                                   lang__span_join(t->span, operand->span));
    e->u.unary.op = op;
    e->u.unary.operand = operand;
    stand(p, e, operand);
    return e;
}

static lang__expr *no_pointer(lang__parser *p)
{
    lang__token *t = lang__take(p);
    lang__diagnostic *d =
        lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, t->span,
                     "there are no pointers to look behind with `*`");
    lang__syntax_help(p, d, "tensors, lists and modules are handles already: "
                      "use the name itself");
    return unary(p);
}

static lang__expr *prefixed(lang__parser *p)
{
    switch (lang__peek(p, 0)->kind) {
    case T_SUB:
        return prefix_operator(p, O_NEG);
    case T_NOT:
        return prefix_operator(p, O_NOT);
    case T_FLIP:
        return prefix_operator(p, O_FLIP);
    case T_ADD:
        lang__take(p);
        return binary(p, POWER_UNARY);
    case T_AND:                       /* &x and &mut x are x itself */
    case T_BOTH:
        lang__take(p);
        if (lang__is_word(p, "mut"))
            lang__take(p);
        return unary(p);
    case T_MUL:
        return no_pointer(p);
    default:
        return step(p, NULL, true);
    }
}

static lang__expr *unary(lang__parser *p)
{
    switch (lang__peek(p, 0)->kind) {
    case T_SUB: case T_NOT: case T_FLIP: case T_ADD: case T_AND: case T_BOTH:
    case T_MUL: case T_INCREMENT: case T_DECREMENT:
        break;
    default:
        return postfix(p);
    }
    if (!lang__enter(p))
        return bad(p);
    lang__expr *e = prefixed(p);
    lang__leave(p);
    return e;
}

static lang__expr *combine(lang__parser *p, const binary_row *row,
                           lang__span op_span, lang__expr *left,
                           lang__expr *right)
{
    bool logical = row->op == O_BOTH || row->op == O_EITHER;
    lang__expr *e = lang__new_expr(p, logical ? E_LOGICAL : E_BINARY,
                                   lang__span_join(left->span, right->span));
    e->u.binary.op = row->op;
    e->u.binary.op_span = op_span;
    e->u.binary.left = left;
    e->u.binary.right = right;
    stand(p, e, left);
    stand(p, e, right);
    return e;
}

/* Operators that bind at least as tightly as `power`. */
static lang__expr *binary(lang__parser *p, int power)
{
    if (power == POWER_POW && !lang__enter(p))    /* a ** b ** c ... */
        return bad(p);
    lang__expr *left = unary(p);
    while (!p->panic) {
        lang__token *t = lang__peek(p, 0);
        const binary_row *row = binary_row_of(t);
        if (!row || row->power < power)
            break;
        lang__take(p);
        lang__expr *right = binary(p, row->power + !row->right);
        left = combine(p, row, t->span, left, right);
    }
    if (power == POWER_POW)
        lang__leave(p);
    return left;
}

static lang__expr *range(lang__parser *p)
{
    lang__expr *start = binary(p, POWER_EITHER);
    lang__token *t = lang__peek(p, 0);
    if (t->kind != T_RANGE && t->kind != T_RANGE_UP_TO)
        return start;
    lang__take(p);
    lang__expr *e = lang__new_expr(p, E_RANGE, start->span);
    e->u.range.start = start;
    e->u.range.inclusive = t->kind == T_RANGE_UP_TO;
    e->u.range.stop = binary(p, POWER_EITHER);
    e->span.end = e->u.range.stop->span.end;
    stand(p, e, start);
    stand(p, e, e->u.range.stop);
    return e;
}

static lang__operator assigned_operator(int token)
{
    switch (token) {
    case T_ADD_ASSIGN: return O_ADD;
    case T_SUB_ASSIGN: return O_SUB;
    case T_MUL_ASSIGN: return O_MUL;
    case T_DIV_ASSIGN: return O_DIV;
    case T_MOD_ASSIGN: return O_MOD;
    case T_POW_ASSIGN: return O_POW;
    case T_MATMUL_ASSIGN: return O_MATMUL;
    case T_AND_ASSIGN: return O_AND;
    case T_OR_ASSIGN: return O_OR;
    case T_XOR_ASSIGN: return O_XOR;
    case T_SHL_ASSIGN: return O_SHL;
    case T_SHR_ASSIGN: return O_SHR;
    default: return O_NONE;
    }
}

static lang__expr *choose(lang__parser *p, lang__expr *condition)
{
    lang__take(p);
    lang__expr *e = lang__new_expr(p, E_CHOOSE, condition->span);
    e->u.choose.condition = condition;
    e->u.choose.yes = lang__read_expr(p);
    lang__expect(p, T_COLON, "between the two values of `?:`");
    e->u.choose.no = lang__read_expr(p);
    e->span.end = e->u.choose.no->span.end;
    stand(p, e, condition);
    stand(p, e, e->u.choose.yes);
    stand(p, e, e->u.choose.no);
    return e;
}

static lang__expr *assignment(lang__parser *p)
{
    lang__expr *left = range(p);
    lang__token *t = lang__peek(p, 0);
    if (t->kind == T_QUESTION)
        return choose(p, left);
    lang__operator op = assigned_operator(t->kind);
    if (t->kind != T_ASSIGN && op == O_NONE)
        return left;
    lang__take(p);
    lang__expr *e = lang__new_expr(p, E_ASSIGN, left->span);
    e->u.assign.op = op;
    e->u.assign.op_span = t->span;
    e->u.assign.target = left;
    e->u.assign.value = lang__read_initializer(p);
    e->span.end = e->u.assign.value->span.end;
    stand(p, e, left);
    stand(p, e, e->u.assign.value);
    return e;
}

lang__expr *lang__read_expr(lang__parser *p)
{
    if (!lang__enter(p))
        return bad(p);
    lang__expr *e = assignment(p);
    lang__leave(p);
    return e;
}

lang__expr *lang__read_initializer(lang__parser *p)
{
    return lang__read_expr(p);
}
