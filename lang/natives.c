/* SPDX-License-Identifier: MIT
 * The table of built-in functions; numbers, lists, time. */
#include "lang/native.h"

#include <math.h>
#include <string.h>
#include <time.h>

lang__native lang__native_of(lang__builtin_id id)
{
    static const lang__native table[LANG__B_COUNT] = {
#define BUILTIN(id, name, signature, check, effect, doc)                       \
    [LANG__B_##id] = lang__native_##id,
#include "lang/builtins.def"
#undef BUILTIN
    };
    return table[id];
}

rt_status lang__need_tensor(lang__native_call *c, int i)
{
    if (c->a[i].kind == LANG_TENSOR && c->a[i].t)
        return RT_OK;
    return rt_fail(c->err, RT_E_ARGUMENT,
                   "the tensor is undefined: it was declared, but never given "
                   "a value");
}

rt_status lang__need_module(lang__native_call *c, int i)
{
    if (c->a[i].kind == LANG_MODULE && c->a[i].m)
        return RT_OK;
    return rt_fail(c->err, RT_E_ARGUMENT,
                   "the module is undefined: it was declared, but never given "
                   "a value");
}

/* --- numbers ---------------------------------------------------------------- */

static rt_status give_int(lang__native_call *c, int64_t v)
{
    *c->out = LANG__INT_VALUE(v);
    return RT_OK;
}

static rt_status give_float(lang__native_call *c, double v)
{
    *c->out = LANG__FLOAT_VALUE(v);
    return RT_OK;
}

#define FLOATS(id, formula)                                                    \
    NATIVE(id)                                                                 \
    {                                                                          \
        double x = c->a[0].f;                                                  \
        return give_float(c, formula);                                         \
    }
#define FLOAT_PAIRS(id, formula)                                               \
    NATIVE(id)                                                                 \
    {                                                                          \
        double x = c->a[0].f, y = c->a[1].f;                                   \
        return give_float(c, formula);                                         \
    }
FLOATS(ABS_FLOAT, fabs(x))
FLOATS(FABS, fabs(x))
FLOATS(SQRT, sqrt(x))
FLOATS(EXP, exp(x))
FLOATS(LOG, log(x))
FLOATS(LOG2, log2(x))
FLOATS(LOG10, log10(x))
FLOATS(SIN, sin(x))
FLOATS(COS, cos(x))
FLOATS(TAN, tan(x))
FLOATS(TANH, tanh(x))
FLOATS(FLOOR, floor(x))
FLOATS(CEIL, ceil(x))
FLOATS(ROUND, rint(x))
FLOAT_PAIRS(ATAN2, atan2(x, y))
FLOAT_PAIRS(POW, pow(x, y))
FLOAT_PAIRS(MIN_FLOAT, isnan(x) || x < y ? x : y)
FLOAT_PAIRS(MAX_FLOAT, isnan(x) || x > y ? x : y)
#undef FLOATS
#undef FLOAT_PAIRS

NATIVE(MIN_INT)
{
    return give_int(c, c->a[0].i < c->a[1].i ? c->a[0].i : c->a[1].i);
}

NATIVE(MAX_INT)
{
    return give_int(c, c->a[0].i > c->a[1].i ? c->a[0].i : c->a[1].i);
}

NATIVE(ABS_INT)
{
    int64_t v = c->a[0].i;
    return give_int(c, v < 0 ? (int64_t)(0 - (uint64_t)v) : v);
}

/* The smallest or largest element. */
static rt_status extreme(lang__native_call *c, bool largest)
{
    lang_list *l = c->a[0].l;
    if (!l->count)
        return rt_fail(c->err, RT_E_ARGUMENT, "%s: the list is empty",
                       largest ? "max" : "min");
    lang__value best = lang__list_at(l, 0);
    for (int64_t i = 1; i < l->count; i++) {
        lang__value v = lang__list_at(l, i);
        int order = lang__values_compare(v, best);
        if (largest ? order > 0 : order < 0)
            best = v;
    }
    *c->out = best;
    return RT_OK;
}

NATIVE(MIN_INTS) { return extreme(c, false); }
NATIVE(MIN_FLOATS) { return extreme(c, false); }
NATIVE(MAX_INTS) { return extreme(c, true); }
NATIVE(MAX_FLOATS) { return extreme(c, true); }

NATIVE(SUM_INTS)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < c->a[0].l->count; i++)
        sum += (uint64_t)c->a[0].l->items[i].i;
    return give_int(c, (int64_t)sum);
}

NATIVE(SUM_FLOATS)
{
    double sum = 0;
    for (int64_t i = 0; i < c->a[0].l->count; i++)
        sum += c->a[0].l->items[i].f;
    return give_float(c, sum);
}

/* Conversions are E_CONVERT nodes; these serve function values. */
static rt_status cast(lang__native_call *c, uint8_t kind)
{
    return lang__converted(c->out, c->a[0], LANG__TYPE(kind), c->err);
}

NATIVE(BOOL) { return cast(c, LANG_BOOL); }
NATIVE(INT) { return cast(c, LANG_INT); }
NATIVE(FLOAT) { return cast(c, LANG_FLOAT); }
NATIVE(STRING) { return cast(c, LANG_STRING); }
NATIVE(STR) { return cast(c, LANG_STRING); }
NATIVE(TO_STRING) { return cast(c, LANG_STRING); }

static rt_status itself(lang__native_call *c)
{
    *c->out = lang__retain(c->a[0]);
    return RT_OK;
}

NATIVE(UNWRAP) { return itself(c); }
NATIVE(EXPECT) { return itself(c); }
NATIVE(ITER) { return itself(c); }

NATIVE(PROGRESS)
{
    return rt_fail(c->err, RT_E_UNSUPPORTED,
                   "progress: only as what a for loop goes over");
}

NATIVE(RANGE)
{
    int64_t start = c->a[0].i, stop = c->a[1].i, step = c->a[2].i;
    lang_list *l = NULL;
    if (step == 0)
        return rt_fail(c->err, RT_E_ARGUMENT, "range: a step of 0 never ends");
    rt_status status = lang__list_new(&l, LANG__TYPE(LANG_INT), 0, c->err);
    for (int64_t i = start; !status && (step > 0 ? i < stop : i > stop);
         i += step)
        status = lang__list_add(l, LANG__INT_VALUE(i), c->err);
    *c->out = LANG__LIST_VALUE(l);
    return status;
}

/* --- lists ------------------------------------------------------------------ */

NATIVE(LEN_LIST) { return give_int(c, c->a[0].l->count); }
NATIVE(PUSH) { return lang__list_add(c->a[0].l, c->a[1], c->err); }
NATIVE(APPEND) { return lang__list_add(c->a[0].l, c->a[1], c->err); }

NATIVE(POP)
{
    lang_list *l = c->a[0].l;
    if (!l->count)
        return rt_fail(c->err, RT_E_INDEX, "pop: the list is empty");
    lang__list_remove(l, l->count - 1, c->out);
    return RT_OK;
}

NATIVE(INSERT)
{
    lang_list *l = c->a[0].l;
    int64_t at = c->a[1].i < 0 ? c->a[1].i + l->count : c->a[1].i;
    if (at < 0 || at > l->count)
        return rt_fail(c->err, RT_E_INDEX,
                       "insert: position %lld, but there are %lld elements",
                       (long long)c->a[1].i, (long long)l->count);
    return lang__list_insert(l, at, c->a[2], c->err);
}

NATIVE(CLEAR)
{
    lang__list_clear(c->a[0].l);
    return RT_OK;
}

NATIVE(CONTAINS)
{
    lang_list *l = c->a[0].l;
    *c->out = LANG__BOOL_VALUE(false);
    for (int64_t i = 0; i < l->count && !c->out->i; i++)
        c->out->i = lang__values_equal(lang__list_at(l, i), c->a[1]);
    return RT_OK;
}

NATIVE(REVERSED)
{
    lang_list *l = c->a[0].l;
    *c->out = LANG__LIST_VALUE(NULL);
    return lang__list_slice(&c->out->l, l, l->count - 1, -1, l->count, c->err);
}

NATIVE(COPY_LIST)
{
    lang_list *l = c->a[0].l;
    *c->out = LANG__LIST_VALUE(NULL);
    return lang__list_slice(&c->out->l, l, 0, 1, l->count, c->err);
}

/* Merges words[0..middle) and words[middle..n), stable. */
static void merge(const lang_list *l, lang__word *words, lang__word *spare,
                  int64_t middle, int64_t n)
{
    lang_list view = *l;
    int64_t i = 0, j = middle, k = 0;
    view.items = words;
    while (i < middle && j < n)
        spare[k++] = lang__values_compare(lang__list_at(&view, j),
                                          lang__list_at(&view, i)) < 0
                         ? words[j++] : words[i++];
    while (i < middle)
        spare[k++] = words[i++];
    while (j < n)
        spare[k++] = words[j++];
    memcpy(words, spare, (size_t)n * sizeof *words);
}

static void sort(const lang_list *l, lang__word *words, lang__word *spare,
                 int64_t n)
{
    if (n < 2)
        return;
    sort(l, words, spare, n / 2);
    sort(l, words + n / 2, spare, n - n / 2);
    merge(l, words, spare, n / 2, n);
}

NATIVE(SORTED)
{
    lang_list *l = c->a[0].l, *copy = NULL;
    lang__type e = l->element;
    if (e.depth == 0 && e.kind != LANG_STRING && !lang__type_is_number(e))
        return rt_fail(c->err, RT_E_TYPE,
                       "sorted: only numbers and strings have an order");
    lang__word *spare = rt_alloc((size_t)(l->count + 1) * sizeof *spare);
    if (!spare)
        return rt_fail(c->err, RT_E_MEMORY, "sorted: no memory");
    rt_status status = lang__list_slice(&copy, l, 0, 1, l->count, c->err);
    if (!status) {
        sort(copy, copy->items, spare, copy->count);
        *c->out = LANG__LIST_VALUE(copy);
    }
    rt_free(spare);
    return status;
}

NATIVE(FILLED)
{
    lang_list *l = NULL;
    int64_t n = c->a[1].i;
    if (n < 0)
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "a list cannot have %lld elements", (long long)n);
    rt_status status = lang__list_new(&l, lang__value_type(c->a[0]), n, c->err);
    for (int64_t i = 0; i < n && !status; i++) {
        lang__value item = lang__retain(c->a[0]);
        if (item.kind == LANG_LIST && i > 0) {
            lang__release(&item);
            status = lang__copy_list(&item, c->a[0].l, c->err);
        }
        if (!status)
            status = lang__list_put(l, i, item, c->err);
        lang__release(&item);
    }
    *c->out = LANG__LIST_VALUE(l);
    return status;
}

/* --- time, checks ----------------------------------------------------------- */

NATIVE(TIME)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return give_float(c, (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
}

NATIVE(CLOCK) { return give_float(c, lang__clock()); }

NATIVE(SLEEP)
{
    double end = lang__clock() + c->a[0].f, left;
    while ((left = end - lang__clock()) > 0) {
        double part = left < 0.02 ? left : 0.02;
        struct timespec t = {0, (long)(part * 1e9)};
        nanosleep(&t, NULL);
        if (rt_interrupted())
            return rt_fail(c->err, RT_E_INTERRUPT, "interrupted");
    }
    return RT_OK;
}

NATIVE(MANUAL_SEED)
{
    rt_manual_seed((uint64_t)c->a[0].i);
    return RT_OK;
}

NATIVE(ASSERT)
{
    if (c->a[0].i)
        return RT_OK;
    const char *message = c->a[1].kind == LANG_STRING ? c->a[1].s->text : "";
    return rt_fail(c->err, RT_E_ASSERTION, "%s",
                   *message ? message : "the condition is false");
}

NATIVE(GENERATOR)
{
    *c->out = (lang__value){.kind = LANG_GENERATOR};
    return rt_generator_new(&c->out->generator, (uint64_t)c->a[0].i, c->err);
}

NATIVE(CLEAR_OUTPUT)
{
    if (c->s->host.clear_output)
        c->s->host.clear_output(c->s->host.ctx, c->a[0].i != 0);
    return RT_OK;
}

/* Ends the cell as an interrupt would, quietly for hosts that know the code. */
NATIVE(EXIT)
{
    c->s->exit_asked = true;
    c->s->exit_status = (int)c->a[0].i;
    return rt_fail(c->err, RT_E_INTERRUPT, "exit(%lld)",
                   (long long)c->a[0].i);
}
