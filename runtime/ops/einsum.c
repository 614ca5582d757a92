/* SPDX-License-Identifier: MIT
 *
 * Einstein's notation. Operands are joined from left to right; two at a time
 * they become one batched matrix product: labels in both that are still needed
 * are batch dimensions, labels in both that are not are summed by the product,
 * the others stay on their side.
 */
#include "runtime/ops/steps.h"

#include <string.h>

#define T(x) RT_V_TENSOR(x)
#define CALL RT_STEP_CALL
#define MOST 64           /* labels of one tensor */
#define DOTS 256          /* labels from here on: dimensions behind "..." */

typedef struct operand {
    rt_tensor *t;
    int label[MOST];
    int n;
} operand;

typedef struct equation {
    rt__call *c;
    rt__steps w;
    int out[MOST], nout;
    int dots;             /* most dimensions behind any "..." */
} equation;

static rt_status complain(equation *e, const char *what)
{
    rt_status s = rt_fail(e->c->err, RT_E_ARGUMENT, "einsum: %s in \"%s\"",
                          what, e->c->a[0].s);
    rt_error_help(e->c->err, "write one letter a dimension, operands apart by "
                             "commas, e.g. \"bij,bjk->bik\"");
    return s;
}

static int find(const int *labels, int n, int label)
{
    for (int i = 0; i < n; i++) {
        if (labels[i] == label) {
            return i;
        }
    }
    return -1;
}

/* --- reading the equation ------------------------------------------------ */

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* Labels of one term; "..." stands for `dots` dimensions, aligned right. */
static rt_status read_term(equation *e, const char **at, int *label, int *n,
                           int dots)
{
    *n = 0;
    for (const char *s = *at;; s++) {
        if (*n + dots >= MOST) {
            return complain(e, "too many labels");
        }
        if (is_letter(*s)) {
            label[(*n)++] = (unsigned char)*s;
        } else if (strncmp(s, "...", 3) == 0) {
            for (int d = dots; d > 0; d--) {
                label[(*n)++] = DOTS + d;
            }
            s += 2;
        } else if (*s != ' ') {
            *at = s;
            return RT_OK;
        }
    }
}

/* How many dimensions the "..." of the term at `at` covers, or -1. */
static int count_dots(const char *at, int ndim)
{
    int letters = 0;
    bool dots = false;
    for (; *at && *at != ',' && *at != '-'; at++) {
        letters += is_letter(*at);
        dots |= *at == '.';
    }
    return dots ? ndim - letters : -1;
}

/* Without "->": labels that occur once, in the order of the alphabet. */
static void default_output(equation *e, const operand *op, int n)
{
    e->nout = 0;
    for (int d = e->dots; d > 0; d--) {
        e->out[e->nout++] = DOTS + d;
    }
    for (int label = 'A'; label <= 'z'; label++) {
        int count = 0;
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < op[i].n; k++) {
                count += op[i].label[k] == label;
            }
        }
        if (count == 1) {
            e->out[e->nout++] = label;
        }
    }
}

static rt_status read_operand(equation *e, const char **at, operand *op,
                              rt_tensor *t)
{
    int dots = count_dots(*at, t->ndim);
    if (dots < -1) {
        return complain(e, "more letters than dimensions");
    }
    e->dots = dots > e->dots ? dots : e->dots;
    op->t = t;
    rt_status s = read_term(e, at, op->label, &op->n, dots > 0 ? dots : 0);
    if (s == RT_OK && op->n != t->ndim) {
        s = rt_fail(e->c->err, RT_E_SHAPE,
                    "einsum: %d labels for an operand of %d dimensions in "
                    "\"%s\"", op->n, t->ndim, e->c->a[0].s);
    }
    return s;
}

static rt_status check_output(equation *e, const operand *op, int n)
{
    for (int i = 0; i < e->nout; i++) {
        bool known = false;
        for (int k = 0; k < n; k++) {
            known |= find(op[k].label, op[k].n, e->out[i]) >= 0;
        }
        if (!known) {
            return complain(e, "a label of the result is in no operand");
        }
        if (find(e->out, i, e->out[i]) >= 0) {
            return complain(e, "a label comes twice in the result");
        }
    }
    return RT_OK;
}

static rt_status read_equation(equation *e, operand *op, int n)
{
    const char *at = e->c->a[0].s;
    for (int i = 0; i < n; i++) {
        rt_status s = read_operand(e, &at, &op[i], e->c->a[1].tensors[i]);
        if (s != RT_OK) {
            return s;
        }
        if (i + 1 < n && *at++ != ',') {
            return complain(e, "fewer terms than operands");
        }
    }
    if (strncmp(at, "->", 2) == 0) {
        at += 2;
        rt_status s = read_term(e, &at, e->out, &e->nout, e->dots);
        if (s != RT_OK) {
            return s;
        }
    } else {
        default_output(e, op, n);
    }
    if (*at) {
        return complain(e, *at == ',' ? "more terms than operands"
                                      : "an unexpected character");
    }
    return check_output(e, op, n);
}

/* --- one operand --------------------------------------------------------- */

/* A label twice in one operand means its diagonal. */
static void take_diagonals(equation *e, operand *op)
{
    for (int i = 0; i < op->n; i++) {
        int k = find(op->label + i + 1, op->n - i - 1, op->label[i]);
        if (k < 0) {
            continue;
        }
        k += i + 1;
        int label = op->label[i];
        op->t = CALL(&e->w, RT_OP_diagonal, T(op->t), RT_V_INT(0), RT_V_INT(i),
                     RT_V_INT(k));
        memmove(&op->label[k], &op->label[k + 1],
                (size_t)(op->n - k - 1) * sizeof *op->label);
        memmove(&op->label[i], &op->label[i + 1],
                (size_t)(op->n - i - 2) * sizeof *op->label);
        op->n--;
        op->label[op->n - 1] = label;     /* the diagonal comes last */
        i = -1;
    }
}

/* Whether a label is in the result or in an operand from `next` on. */
static bool needed(const equation *e, const operand *rest, int nrest, int label)
{
    bool yes = find(e->out, e->nout, label) >= 0;
    for (int i = 0; !yes && i < nrest; i++) {
        yes = find(rest[i].label, rest[i].n, label) >= 0;
    }
    return yes;
}

/* Sums dimensions that nothing else uses. */
static void sum_unused(equation *e, operand *op, const operand *other,
                       const operand *rest, int nrest)
{
    int64_t dims[MOST];
    int n = 0, kept = 0;
    for (int i = 0; i < op->n; i++) {
        int label = op->label[i];
        if (needed(e, rest, nrest, label) ||
            (other && find(other->label, other->n, label) >= 0)) {
            op->label[kept++] = label;
        } else {
            dims[n++] = i;
        }
    }
    op->n = kept;
    if (n) {
        op->t = CALL(&e->w, RT_OP_sum, T(op->t), RT_V_INTS(dims, n));
    }
}

/* The dimensions in the order of `labels`. */
static rt_tensor *arrange(equation *e, const operand *op, const int *labels,
                          int n)
{
    int64_t dims[MOST];
    bool same = true;
    for (int i = 0; i < n; i++) {
        dims[i] = find(op->label, op->n, labels[i]);
        same &= dims[i] == i;
    }
    return same ? op->t
                : CALL(&e->w, RT_OP_permute, T(op->t), RT_V_INTS(dims, n));
}

/* --- two operands -------------------------------------------------------- */

/* Sizes of one label in both operands: equal, or 1 in one of them. */
static int64_t size_of(const operand *op, int label)
{
    int i = find(op->label, op->n, label);
    return i < 0 ? 1 : op->t->shape[i];
}

static void check_sizes(equation *e, const operand *a, const operand *b)
{
    for (int i = 0; e->w.s == RT_OK && i < a->n; i++) {
        int64_t x = a->t->shape[i], y = size_of(b, a->label[i]);
        if (x != y && x != 1 && y != 1) {
            e->w.s = rt_fail(e->c->err, RT_E_SHAPE,
                             "einsum: label '%c' has sizes %lld and %lld",
                             a->label[i] < DOTS ? a->label[i] : '.',
                             (long long)x, (long long)y);
        }
    }
}

typedef struct parts {
    int label[4][MOST], n[4];    /* batch, left, right, summed */
    int64_t size[4];
} parts;
enum { BATCH, LEFT, RIGHT, SUMMED };

static void put(parts *p, int part, int label, int64_t size)
{
    p->label[part][p->n[part]++] = label;
    p->size[part] *= size;
}

static void classify(equation *e, parts *p, const operand *a, const operand *b,
                     const operand *rest, int nrest)
{
    *p = (parts){.size = {1, 1, 1, 1}};
    for (int i = 0; i < a->n; i++) {
        int label = a->label[i];
        bool both = find(b->label, b->n, label) >= 0;
        int64_t x = a->t->shape[i], y = size_of(b, label);
        put(p, !both                               ? LEFT
               : needed(e, rest, nrest, label) ? BATCH
                                                   : SUMMED,
            label, x > y ? x : y);
    }
    for (int i = 0; i < b->n; i++) {
        if (find(a->label, a->n, b->label[i]) < 0) {
            put(p, RIGHT, b->label[i], b->t->shape[i]);
        }
    }
}

/* One side as [batch, rows, columns] in the given parts. */
static rt_tensor *side(equation *e, const operand *op, const operand *other,
                       const parts *p, int rows, int columns)
{
    const int order[3] = {BATCH, rows, columns};
    int labels[MOST], n = 0;
    int64_t wide[MOST], flat[3];
    bool stretched = false;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < p->n[order[k]]; i++) {
            int label = p->label[order[k]][i];
            int64_t x = size_of(op, label), y = size_of(other, label);
            wide[n] = x == 1 ? y : x;
            stretched |= wide[n] != x;
            labels[n++] = label;
        }
        flat[k] = p->size[order[k]];
    }
    rt_tensor *t = arrange(e, op, labels, n);
    if (stretched && e->w.s == RT_OK) {
        t = CALL(&e->w, RT_OP_expand, T(t), RT_V_INTS(wide, n));
    }
    return CALL(&e->w, RT_OP_reshape, T(t), RT_V_INTS(flat, 3));
}

/* a becomes the product of a and b. */
static void join(equation *e, operand *a, operand *b, const operand *rest,
                 int nrest)
{
    parts p;
    sum_unused(e, a, b, rest, nrest);
    sum_unused(e, b, a, rest, nrest);
    if (e->w.s != RT_OK) {
        return;
    }
    check_sizes(e, a, b);
    if (e->w.s != RT_OK) {
        return;
    }
    classify(e, &p, a, b, rest, nrest);
    rt_tensor *left = side(e, a, b, &p, LEFT, SUMMED);
    rt_tensor *right = side(e, b, a, &p, SUMMED, RIGHT);
    rt_tensor *product = CALL(&e->w, RT_OP_bmm, T(left), T(right));
    int64_t shape[MOST];
    int n = 0;
    operand joined = {.n = 0};
    for (int part = BATCH; part <= RIGHT; part++) {
        for (int i = 0; i < p.n[part]; i++) {
            int label = p.label[part][i];
            int64_t x = size_of(a, label), y = size_of(b, label);
            shape[n++] = x == 1 ? y : x;
            joined.label[joined.n++] = label;
        }
    }
    joined.t = CALL(&e->w, RT_OP_reshape, T(product), RT_V_INTS(shape, n));
    *a = joined;
}

RT_KERNEL(einsum)
{
    int n = c->a[1].count;
    equation e = {.c = c, .w = RT_STEPS(c)};
    if (n < 1 || n > 16) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "einsum: expected 1 to 16 operands, got %d", n);
    }
    operand *op = rt_alloc((size_t)n * sizeof *op);
    if (!op) {
        return rt_fail(c->err, RT_E_MEMORY, "einsum: not enough memory");
    }
    e.w.s = read_equation(&e, op, n);
    for (int i = 0; e.w.s == RT_OK && i < n; i++) {
        take_diagonals(&e, &op[i]);
    }
    for (int i = 1; e.w.s == RT_OK && i < n; i++) {
        join(&e, &op[0], &op[i], op + i + 1, n - i - 1);
    }
    rt_tensor *t = NULL;
    if (e.w.s == RT_OK) {
        sum_unused(&e, &op[0], NULL, NULL, 0);
    }
    if (e.w.s == RT_OK) {
        t = arrange(&e, &op[0], e.out, e.nout);
    }
    rt_free(op);
    return rt__steps_end(&e.w, c, t);
}
