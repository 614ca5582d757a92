/* SPDX-License-Identifier: MIT
 * What range-for goes over, with or without a progress bar. */
#include "lang/vm.h"

#include "lang/show.h"

#include <string.h>

typedef struct lang__iterator {
    lang__object head;
    lang__value over;             /* list, string, tensor, loader, data set */
    int64_t at, count;            /* turns done, and all of them */
    int64_t start, step;          /* of a range: over is nothing */
    const char *text;             /* of a string: where we are */
    rt_loader_iter *batches;
    lang__bar *bar;               /* NULL: no progress is shown */
} lang__iterator;

void lang__iterator_free(void *p)
{
    lang__iterator *it = p;
    lang__bar_end(it->bar, it->at);
    rt_loader_end(it->batches);
    lang__release(&it->over);
    rt_free(it);
}

/* How many turns a range takes. */
static rt_status range(lang__iterator *it, const lang__site *site,
                       const lang__value *r, rt_error *err)
{
    int64_t part[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (site->args[1 + i].given)
            part[i] = r[site->args[1 + i].reg].i;
    }
    if (part[2] == 0)
        return rt_fail(err, RT_E_ARGUMENT, "range: a step of 0 never ends");
    bool up = part[2] > 0;
    bool inclusive = site->stmt->u.each.over->u.range.inclusive;
    uint64_t width = up ? (uint64_t)part[2] : 0 - (uint64_t)part[2];
    uint64_t span = up ? (uint64_t)part[1] - (uint64_t)part[0]
                       : (uint64_t)part[0] - (uint64_t)part[1];
    bool some = up ? part[0] < part[1] : part[0] > part[1];
    uint64_t n = some ? (span - 1) / width + 1 : 0;
    if (inclusive && (some || part[0] == part[1]) && span % width == 0)
        n++;
    it->start = part[0];
    it->step = part[2];
    it->count = n > INT64_MAX ? INT64_MAX : (int64_t)n;
    return RT_OK;
}

static rt_status open_object(lang__iterator *it, rt_error *err)
{
    char kind[48];
    lang__value v = it->over;
    if (v.kind > LANG_FLOAT && !v.p)
        return rt_fail(err, RT_E_ARGUMENT, "for: the %s is undefined",
                       lang__value_kind(kind, v));
    switch (v.kind) {
    case LANG_INT:
        it->over = LANG__VOID_VALUE;
        it->step = 1;
        it->count = v.i < 0 ? 0 : v.i;
        return RT_OK;
    case LANG_LIST: it->count = v.l->count; return RT_OK;
    case LANG_STRING:
        it->text = v.s->text;
        it->count = lang__string_length(v.s);
        return RT_OK;
    case LANG_TENSOR:
        if (rt_tensor_ndim(v.t) == 0)
            return rt_fail(err, RT_E_SHAPE,
                           "for: a tensor without dimensions has no rows");
        it->count = rt_tensor_shape(v.t)[0];
        return RT_OK;
    case LANG_DATASET: it->count = rt_dataset_length(v.dataset); return RT_OK;
    case LANG_MODULE:
        it->count = rt_module_slot_count(v.m, RT_SLOT_CHILD);
        return RT_OK;
    case LANG_LOADER:
        it->count = rt_loader_length(v.loader);
        return rt_loader_begin(&it->batches, v.loader, err);
    default:
        return rt_fail(err, RT_E_TYPE, "for: %s has no elements",
                       lang__value_kind(kind, v));
    }
}

rt_status lang__iterate(lang_session *s, const lang__site *site,
                        const lang__value *r, lang__value *out, rt_error *err)
{
    lang__iterator *it = rt_alloc(sizeof *it);
    if (!it)
        return rt_fail(err, RT_E_MEMORY, "for: no memory");
    *it = (lang__iterator){.head = {1, LANG__ITERATOR}};
    rt_status status;
    if (site->object.given) {
        it->over = lang__retain(lang__fetch(&site->object, r));
        status = open_object(it, err);
    } else {
        status = range(it, site, r, err);
    }
    if (!status && site->stmt->u.each.progress) {
        lang__value note = site->args[0].given
            ? lang__fetch(&site->args[0], r) : LANG__VOID_VALUE;
        status = lang__bar_begin(&it->bar, s, it->count,
                                 note.kind == LANG_STRING && note.s
                                     ? note.s->text : "", err);
    }
    *out = (lang__value){.kind = LANG__ITERATOR, .p = it};
    if (status)
        lang__release(out);
    return status;
}

/* --- the next element ----------------------------------------------------------- */

static rt_status row(lang__value *out, rt_tensor *t, int64_t i, rt_error *err)
{
    rt_index at = {.kind = RT_I_INT, .i = i};
    *out = LANG__TENSOR_VALUE(NULL);
    return rt_tensor_get(&out->t, t, &at, 1, err);
}

/* Tensors of a batch or sample into `n` values; too few or many is an error. */
static rt_status fields_out(lang__value *out, int n, rt_tensor **fields,
                            int count, rt_error *err)
{
    lang_list *l = NULL;
    rt_status status = RT_OK;
    if (n == 1) {
        status = lang__list_new(&l, LANG__TYPE(LANG_TENSOR), 0, err);
        for (int i = 0; i < count && !status; i++)
            status = lang__list_add(l, LANG__TENSOR_VALUE(fields[i]), err);
        if (!status)
            out[0] = LANG__LIST_VALUE(l);
    } else if (n != count) {
        status = rt_fail(err, RT_E_TYPE,
                         "for: each sample has %d tensors, but %d names stand "
                         "here", count, n);
    }
    for (int i = 0; i < count; i++) {
        if (n > 1 && !status)
            out[i] = LANG__TENSOR_VALUE(fields[i]);
        else
            rt_release(fields[i]);
    }
    return status;
}

static rt_status next_batch(lang__iterator *it, lang__value *out, int n,
                            bool *end, rt_error *err)
{
    rt_tensor *fields[RT_MAX_RESULTS];
    int count = 0;
    rt_status status = rt_loader_next(it->batches, fields, &count, err);
    if (status)
        return status;
    *end = count == 0;
    return *end ? RT_OK : fields_out(out, n, fields, count, err);
}

static rt_status next_sample(lang__iterator *it, lang__value *out, int n,
                             rt_error *err)
{
    rt_tensor *fields[RT_MAX_RESULTS];
    int count = 0;
    rt_status status = rt_dataset_get(it->over.dataset, it->at, fields, &count,
                                      err);
    return status ? status : fields_out(out, n, fields, count, err);
}

static rt_status next_one(lang__iterator *it, lang__value *out, rt_error *err)
{
    lang__value over = it->over;
    switch (over.kind) {
    case LANG_VOID:
        *out = LANG__INT_VALUE((int64_t)((uint64_t)it->start +
                                         (uint64_t)it->at *
                                             (uint64_t)it->step));
        return RT_OK;
    case LANG_LIST:
        *out = lang__retain(lang__list_at(over.l, it->at));
        return RT_OK;
    case LANG_STRING:
        *out = LANG__INT_VALUE(lang__utf8_next(&it->text,
                                               over.s->text + over.s->size));
        return RT_OK;
    case LANG_MODULE:
        *out = (lang__value){.kind = LANG_MODULE, .m = rt_module_retain(
                                 rt_module_slot_child(over.m, (int)it->at))};
        return RT_OK;
    default: return row(out, over.t, it->at, err);
    }
}

rt_status lang__next(lang__value iterator, lang__value *out, int n, bool *end,
                     rt_error *err)
{
    lang__iterator *it = iterator.p;
    rt_status status;
    lang__bar_at(it->bar, it->at);
    if (it->over.kind == LANG_LIST)
        it->count = it->over.l->count;   /* it may grow or shrink meanwhile */
    if (it->at >= it->count && !it->batches) {
        *end = true;
        return RT_OK;
    }
    if (it->batches) {
        status = next_batch(it, out, n, end, err);
    } else if (it->over.kind == LANG_DATASET) {
        status = next_sample(it, out, n, err);
    } else if (n == 1) {
        status = next_one(it, out, err);
    } else {
        lang__value one = LANG__VOID_VALUE;
        status = next_one(it, &one, err);
        if (!status)
            status = lang__unpack(one, out, n, err);
        lang__release(&one);
    }
    if (!status && !*end)
        it->at++;
    return status;
}

rt_status lang__unpack(lang__value v, lang__value *out, int n, rt_error *err)
{
    char kind[48];
    int64_t count = v.kind == LANG_LIST && v.l ? v.l->count
                    : v.kind == LANG_TENSOR && v.t && rt_tensor_ndim(v.t)
                        ? rt_tensor_shape(v.t)[0] : -1;
    if (count < 0)
        return rt_fail(err, RT_E_TYPE, "%s cannot be taken apart into %d",
                       lang__value_kind(kind, v), n);
    if (count != n)
        return rt_fail(err, RT_E_TYPE,
                       "%lld values cannot be given to %d names",
                       (long long)count, n);
    rt_status status = RT_OK;
    for (int i = 0; i < n && !status; i++) {
        if (v.kind == LANG_LIST)
            out[i] = lang__retain(lang__list_at(v.l, i));
        else
            status = row(&out[i], v.t, i, err);
    }
    if (status) {
        for (int i = 0; i < n; i++)
            lang__release(&out[i]);
    }
    return status;
}
