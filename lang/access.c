/* SPDX-License-Identifier: MIT
 * Indexing and attributes. */
#include "lang/vm.h"

#include "lang/suggest.h"

#include <stdio.h>
#include <string.h>

rt_status lang__position(int64_t *out, int64_t i, int64_t n, const char *what,
                         rt_error *err)
{
    int64_t at = i < 0 ? i + n : i;
    if (at >= 0 && at < n) {
        *out = at;
        return RT_OK;
    }
    rt_fail(err, RT_E_INDEX, "%s: index %lld, but there are %lld elements",
            what, (long long)i, (long long)n);
    if (n > 0)
        rt_error_help(err, "valid indices are %lld to %lld", (long long)-n,
                      (long long)(n - 1));
    return RT_E_INDEX;
}

/* --- slices of lists and strings -------------------------------------------- */

typedef struct slice {
    int64_t start, step, count;
} slice;

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static bool given(const lang__site *site, const lang__value *r, int i,
                  int64_t *out)
{
    const lang__operand *o = &site->args[i];
    if (!o->given)
        return false;
    *out = r[o->reg].i;
    return true;
}

/* start:stop:step over n elements, as Python does it. */
static rt_status resolve(slice *out, const lang__site *site,
                         const lang__value *r, int64_t n, rt_error *err)
{
    int64_t step = 1, start, stop;
    given(site, r, 2, &step);
    if (step == 0)
        return rt_fail(err, RT_E_ARGUMENT, "slice: a step of 0 never ends");
    bool has_start = given(site, r, 0, &start);
    bool has_stop = given(site, r, 1, &stop);
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    start = has_start ? clamp(start < 0 ? start + n : start, low, high)
                      : step > 0 ? 0 : n - 1;
    stop = has_stop ? clamp(stop < 0 ? stop + n : stop, low, high)
                    : step > 0 ? n : -1;
    int64_t span = step > 0 ? stop - start : start - stop;
    uint64_t width = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    int64_t count = span > 0 ? (int64_t)(((uint64_t)span - 1) / width) + 1 : 0;
    *out = (slice){start, step, count};
    return RT_OK;
}

static const lang__index *only_item(const lang__site *site)
{
    return site->expr->u.index.items;
}

static rt_status list_get(lang__value *out, const lang__site *site,
                          const lang__value *r, lang_list *l, rt_error *err)
{
    if (only_item(site)->kind == LANG__SLICE) {
        slice s;
        rt_status status = resolve(&s, site, r, l->count, err);
        *out = LANG__LIST_VALUE(NULL);
        return status ? status : lang__list_slice(&out->l, l, s.start, s.step,
                                                  s.count, err);
    }
    int64_t at;
    rt_status status = lang__position(&at, r[site->args[0].reg].i, l->count,
                                      "list", err);
    if (!status)
        *out = lang__retain(lang__list_at(l, at));
    return status;
}

static rt_status string_slice(lang__value *out, lang__string *s, slice cut,
                              rt_error *err)
{
    *out = LANG__STRING_VALUE(NULL);
    if (cut.step == 1) {
        size_t from = lang__string_offset(s, cut.start);
        size_t to = lang__string_offset(s, cut.start + cut.count);
        return lang__string_new(&out->s, s->text + from, to - from, err);
    }
    char *text = rt_alloc((size_t)cut.count * 4 + 1);
    if (!text)
        return rt_fail(err, RT_E_MEMORY, "string: no memory for a slice");
    size_t size = 0;
    for (int64_t i = 0; i < cut.count; i++) {
        const char *p = s->text +
                        lang__string_offset(s, cut.start + i * cut.step);
        const char *from = p;
        lang__utf8_next(&p, s->text + s->size);
        memcpy(text + size, from, (size_t)(p - from));
        size += (size_t)(p - from);
    }
    rt_status status = lang__string_new(&out->s, text, size, err);
    rt_free(text);
    return status;
}

/* A code point, or a part. */
static rt_status string_get(lang__value *out, const lang__site *site,
                            const lang__value *r, lang__string *s,
                            rt_error *err)
{
    int64_t n = lang__string_length(s), at;
    if (only_item(site)->kind == LANG__SLICE) {
        slice cut;
        rt_status status = resolve(&cut, site, r, n, err);
        return status ? status : string_slice(out, s, cut, err);
    }
    rt_status status = lang__position(&at, r[site->args[0].reg].i, n, "string",
                                      err);
    if (status)
        return status;
    const char *p = s->text + lang__string_offset(s, at);
    *out = LANG__INT_VALUE(lang__utf8_next(&p, s->text + s->size));
    return RT_OK;
}

/* --- tensors ---------------------------------------------------------------- */

enum { MAX_ITEMS = RT_MAX_DIMS + 8 };

/* Index tensors made here from lists; given back afterwards. */
typedef struct items {
    rt_index at[MAX_ITEMS];
    rt_tensor *made[MAX_ITEMS];
    int n, nmade;
} items;

static rt_status item_value(items *x, lang__value v, rt_error *err)
{
    rt_index *at = &x->at[x->n++];
    char kind[48];
    switch (v.kind) {
    case LANG_INT: *at = (rt_index){.kind = RT_I_INT, .i = v.i}; return RT_OK;
    case LANG_BOOL:
        *at = (rt_index){.kind = RT_I_BOOL, .i = v.i};
        return RT_OK;
    case LANG_VOID: *at = (rt_index){.kind = RT_I_NONE}; return RT_OK;
    case LANG_TENSOR:
        if (!v.t)
            break;
        *at = (rt_index){.kind = RT_I_TENSOR, .t = v.t};
        return RT_OK;
    case LANG_LIST: {
        rt_tensor *t;
        rt_status status = lang__list_tensor(&t, v.l, RT_DTYPE_NONE, err);
        if (status)
            return status;
        x->made[x->nmade++] = t;
        *at = (rt_index){.kind = RT_I_TENSOR, .t = t};
        return RT_OK;
    }
    default: break;
    }
    return rt_fail(err, RT_E_INDEX, "a tensor cannot be indexed with %s",
                   lang__value_kind(kind, v));
}

static rt_status item_slice(items *x, const lang__site *site,
                            const lang__value *r, int first, rt_error *err)
{
    rt_index *at = &x->at[x->n++];
    *at = (rt_index){.kind = RT_I_SLICE, .step = 1};
    at->has_start = given(site, r, first, &at->start);
    at->has_stop = given(site, r, first + 1, &at->stop);
    given(site, r, first + 2, &at->step);
    if (at->step > 0)
        return RT_OK;
    rt_fail(err, RT_E_ARGUMENT, "slice: the step of a tensor's slice must be "
            "positive, not %lld", (long long)at->step);
    rt_error_help(err, "x.flip(0) reverses a tensor");
    return RT_E_ARGUMENT;
}

static rt_status collect(items *x, const lang__site *site,
                         const lang__value *r, rt_error *err)
{
    const lang__expr *e = site->expr;
    rt_status status = RT_OK;
    x->n = x->nmade = 0;
    if (e->u.index.count > MAX_ITEMS - 1)
        return rt_fail(err, RT_E_LIMIT, "an index of %d parts",
                       e->u.index.count);
    for (int i = 0, arg = 0; i < e->u.index.count && !status; i++) {
        switch (e->u.index.items[i].kind) {
        case LANG__AT:
            status = item_value(x, lang__fetch(&site->args[arg++], r), err);
            break;
        case LANG__SLICE:
            status = item_slice(x, site, r, arg, err);
            arg += 3;
            break;
        case LANG__NEW_AXIS:
            x->at[x->n++] = (rt_index){.kind = RT_I_NONE};
            break;
        case LANG__REST:
            x->at[x->n++] = (rt_index){.kind = RT_I_ELLIPSIS};
            break;
        }
    }
    return status;
}

static void give_back(items *x)
{
    for (int i = 0; i < x->nmade; i++)
        rt_release(x->made[i]);
}

static rt_status undefined(rt_error *err)
{
    return rt_fail(err, RT_E_ARGUMENT, "indexing: the tensor is undefined: it "
                   "was declared, but never given a value");
}

static rt_status tensor_get(lang__value *out, const lang__site *site,
                            const lang__value *r, rt_tensor *t, rt_error *err)
{
    items x;
    if (!t)
        return undefined(err);
    rt_status status = collect(&x, site, r, err);
    *out = LANG__TENSOR_VALUE(NULL);
    if (!status)
        status = rt_tensor_get(&out->t, t, x.at, x.n, err);
    give_back(&x);
    return status;
}

static rt_status tensor_set(const lang__site *site, const lang__value *r,
                            rt_tensor *t, lang__value v, rt_error *err)
{
    items x;
    rt_value value;
    if (!t)
        return undefined(err);
    rt_status status = lang__to_rt(&value, v, RT_T_TENSOR, err);
    if (!status && value.kind == RT_K_NONE)
        status = undefined(err);
    if (status)
        return status;
    status = collect(&x, site, r, err);
    if (!status)
        status = rt_tensor_set(t, x.at, x.n, value, err);
    give_back(&x);
    return status;
}

/* --- modules, data sets, any ------------------------------------------------ */

static rt_status module_get(lang__value *out, rt_module *m, int64_t i,
                            rt_error *err)
{
    int64_t at;
    if (!m)
        return rt_fail(err, RT_E_ARGUMENT, "indexing: the module is undefined");
    rt_status status = lang__position(
        &at, i, rt_module_slot_count(m, RT_SLOT_CHILD), "module", err);
    if (!status)
        *out = (lang__value){
            .kind = LANG_MODULE,
            .m = rt_module_retain(rt_module_slot_child(m, (int)at))};
    return status;
}

/* A sample: the list of its tensors. */
static rt_status sample(lang__value *out, rt_dataset *d, int64_t i,
                        rt_error *err)
{
    rt_tensor *fields[RT_MAX_RESULTS];
    int n = 0;
    int64_t at;
    lang_list *l;
    rt_status status = lang__position(&at, i, rt_dataset_length(d), "data set",
                                      err);
    if (!status)
        status = rt_dataset_get(d, at, fields, &n, err);
    if (status)
        return status;
    status = lang__list_new(&l, LANG__TYPE(LANG_TENSOR), 0, err);
    for (int k = 0; k < n; k++) {
        if (!status)
            status = lang__list_add(l, LANG__TENSOR_VALUE(fields[k]), err);
        rt_release(fields[k]);
    }
    if (!status)
        *out = LANG__LIST_VALUE(l);
    return status;
}

rt_status lang__get_index(lang__value *out, const lang__site *site,
                          const lang__value *r, rt_error *err)
{
    char kind[48];
    lang__value object = lang__fetch(&site->object, r), got = LANG__VOID_VALUE;
    rt_status status;
    bool plain = site->expr->u.index.count == 1 &&
                 (only_item(site)->kind == LANG__SLICE ||
                  (only_item(site)->kind == LANG__AT &&
                   lang__fetch(&site->args[0], r).kind == LANG_INT));
    if (object.kind == LANG_TENSOR)
        status = tensor_get(&got, site, r, object.t, err);
    else if (!plain || !object.p)
        status = rt_fail(err, RT_E_TYPE, "%s cannot be indexed like this",
                         lang__value_kind(kind, object));
    else if (object.kind == LANG_LIST)
        status = list_get(&got, site, r, object.l, err);
    else if (object.kind == LANG_STRING)
        status = string_get(&got, site, r, object.s, err);
    else if (object.kind == LANG_MODULE)
        status = module_get(&got, object.m, r[site->args[0].reg].i, err);
    else if (object.kind == LANG_DATASET)
        status = sample(&got, object.dataset, r[site->args[0].reg].i, err);
    else
        status = rt_fail(err, RT_E_TYPE, "%s cannot be indexed",
                         lang__value_kind(kind, object));
    if (status)
        return status;
    status = lang__converted(out, got, site->type, err);
    lang__release(&got);
    return status;
}

/* l[a:b] = other list of the same length. */
static rt_status list_set_slice(const lang__site *site, const lang__value *r,
                                lang_list *l, lang__value v, rt_error *err)
{
    slice s;
    rt_status status = resolve(&s, site, r, l->count, err);
    if (status)
        return status;
    if (v.kind != LANG_LIST || v.l->count != s.count)
        return rt_fail(err, RT_E_SHAPE,
                       "list: %lld elements cannot replace %lld",
                       v.kind == LANG_LIST ? (long long)v.l->count : 0LL,
                       (long long)s.count);
    for (int64_t i = 0; i < s.count && !status; i++)
        status = lang__list_put(l, s.start + i * s.step,
                                lang__list_at(v.l, i), err);
    return status;
}

rt_status lang__set_index(const lang__site *site, const lang__value *r,
                          lang__value v, rt_error *err)
{
    char kind[48];
    lang__value object = lang__fetch(&site->object, r);
    if (object.kind == LANG_TENSOR)
        return tensor_set(site, r, object.t, v, err);
    if (object.kind != LANG_LIST || site->expr->u.index.count != 1)
        return rt_fail(err, RT_E_TYPE, "elements of %s cannot be assigned",
                       lang__value_kind(kind, object));
    if (only_item(site)->kind == LANG__SLICE)
        return list_set_slice(site, r, object.l, v, err);
    int64_t at;
    rt_status status = lang__position(&at, r[site->args[0].reg].i,
                                      object.l->count, "list", err);
    return status ? status : lang__list_put(object.l, at, v, err);
}

/* --- attributes ------------------------------------------------------------- */

static rt_status one_op(lang__value *out, const char *name, rt_tensor *t,
                        const rt_value *more, int n, rt_error *err)
{
    rt_value a[4] = {RT_V_TENSOR(t)}, r[RT_MAX_RESULTS] = {{0}};
    for (int i = 0; i < n; i++)
        a[1 + i] = more[i];
    rt_status status = rt_call(rt_op_find(name), a, 1 + n, r, err);
    return status ? status : lang__from_rt(out, &r[0], err);
}

static rt_status transposed(lang__value *out, rt_tensor *t, bool last_two,
                            rt_error *err)
{
    if (last_two || rt_tensor_ndim(t) == 2) {
        rt_value dims[2] = {RT_V_INT(-2), RT_V_INT(-1)};
        return one_op(out, "transpose", t, dims, 2, err);
    }
    if (rt_tensor_ndim(t) < 2) {
        *out = LANG__TENSOR_VALUE(rt_retain(t));
        return RT_OK;
    }
    int64_t order[RT_MAX_DIMS];
    int n = rt_tensor_ndim(t);
    for (int i = 0; i < n; i++)
        order[i] = n - 1 - i;
    rt_value dims = RT_V_INTS(order, n);
    return one_op(out, "permute", t, &dims, 1, err);
}

static rt_status text(lang__value *out, const char *s, rt_error *err)
{
    *out = LANG__STRING_VALUE(NULL);
    return lang__string_new(&out->s, s, strlen(s), err);
}

static rt_status shape_list(lang__value *out, const rt_tensor *t,
                            rt_error *err)
{
    *out = LANG__LIST_VALUE(NULL);
    rt_status status = lang__list_new(&out->l, LANG__TYPE(LANG_INT),
                                      rt_tensor_ndim(t), err);
    for (int i = 0; i < rt_tensor_ndim(t) && !status; i++)
        out->l->items[i].i = rt_tensor_shape(t)[i];
    return status;
}

static rt_status tensor_attribute(lang__value *out, lang__attribute_id id,
                                  rt_tensor *t, rt_error *err)
{
    char device[16];
    switch (id) {
    case LANG__A_TENSOR_T: return transposed(out, t, false, err);
    case LANG__A_TENSOR_MT: return transposed(out, t, true, err);
    case LANG__A_SHAPE: return shape_list(out, t, err);
    case LANG__A_NDIM: *out = LANG__INT_VALUE(rt_tensor_ndim(t)); break;
    case LANG__A_DTYPE:
        *out = (lang__value){.kind = LANG_DTYPE, .i = rt_tensor_dtype(t)};
        break;
    case LANG__A_DEVICE:
        rt_device_format(device, rt_tensor_device(t));
        return text(out, device, err);
    case LANG__A_GRAD: {
        rt_tensor *g = rt_grad(t);
        *out = LANG__TENSOR_VALUE(g ? rt_retain(g) : NULL);
        break;
    }
    case LANG__A_REQUIRES_GRAD:
        *out = LANG__BOOL_VALUE(rt_requires_grad(t));
        break;
    case LANG__A_IS_LEAF: *out = LANG__BOOL_VALUE(rt_is_leaf(t)); break;
    case LANG__A_GRAD_FN: {
        rt_node *n = rt_grad_fn(t);
        return text(out, n ? rt_node_name(n) : "", err);
    }
    case LANG__A_DATA:
        *out = LANG__TENSOR_VALUE(NULL);
        return rt_detach(&out->t, t, err);
    default: return rt_fail(err, RT_E_INTERNAL, "attribute %d", (int)id);
    }
    return RT_OK;
}

static rt_status history_series(lang__value *out, const rt_history *h,
                                const char *name, rt_error *err)
{
    for (int i = 0; i < h->nseries; i++) {
        if (strcmp(h->names[i], name) != 0)
            continue;
        *out = LANG__LIST_VALUE(NULL);
        rt_status status = lang__list_new(&out->l, LANG__TYPE(LANG_FLOAT),
                                          h->epochs, err);
        for (int k = 0; k < h->epochs && !status; k++)
            out->l->items[k].f = h->series[i][k];
        return status;
    }
    rt_fail(err, RT_E_NAME, "the history has no series %s", name);
    if (h->nseries)
        rt_error_help(err, "there is %s%s%s", h->names[0],
                      h->nseries > 1 ? ", " : "",
                      h->nseries > 1 ? h->names[1] : "");
    return RT_E_NAME;
}

static rt_status option_value(lang__value *out, rt_optimizer *o,
                              const char *name, rt_error *err)
{
    rt_value v = RT_UNSET;
    rt_status status = rt_optimizer_get(&v, o, 0, name, err);
    if (!status)
        *out = v.kind == RT_K_FLOAT ? LANG__FLOAT_VALUE(v.f)
                                    : LANG__FLOAT_VALUE((double)v.i);
    return status;
}

static rt_status other_attribute(lang__value *out, const lang__site *site,
                                 lang__value object, rt_error *err)
{
    switch (site->expr->u.member.attribute->id) {
    case LANG__A_TRAINING:
        *out = LANG__BOOL_VALUE(rt_module_training(object.m));
        return RT_OK;
    case LANG__A_LR:
        if (!object.optim->made)
            return rt_fail(err, RT_E_ARGUMENT,
                           "the optimizer has no parameters yet");
        return option_value(out, object.optim->made, "lr", err);
    case LANG__A_LAST_LR:
        *out = LANG__FLOAT_VALUE(rt_scheduler_last_lr(object.scheduler, 0));
        return RT_OK;
    case LANG__A_LAST_EPOCH:
        *out = LANG__INT_VALUE(rt_scheduler_epoch(object.scheduler));
        return RT_OK;
    case LANG__A_BATCH_SIZE:
        *out = LANG__INT_VALUE(rt_loader_batch_size(object.loader));
        return RT_OK;
    case LANG__A_EPOCHS:
        *out = LANG__INT_VALUE(object.record->history.epochs);
        return RT_OK;
    case LANG__A_SECONDS:
        *out = LANG__FLOAT_VALUE(object.record->history.seconds);
        return RT_OK;
    default:
        return history_series(out, &object.record->history,
                              site->expr->u.member.name, err);
    }
}

static int slot_named(rt_module *m, rt_slot slot, const char *name)
{
    for (int i = 0; i < rt_module_slot_count(m, slot); i++) {
        if (strcmp(rt_module_slot_name(m, slot, i), name) == 0)
            return i;
    }
    return -1;
}

static int member_index(lang__instance *in, const char *name)
{
    for (int i = 0; in && i < in->nfields; i++) {
        if (strcmp(in->klass->module->members[i].name, name) == 0)
            return i;
    }
    return -1;
}

static rt_status no_member(rt_module *m, const char *name, const char *tail,
                           rt_error *err)
{
    lang__instance *in = lang__instance_of(m);
    lang__suggestion near;
    lang__suggest_start(&near, name);
    for (int i = 0; in && i < in->nfields; i++)
        lang__suggest_offer(&near, in->klass->module->members[i].name);
    for (rt_slot slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_CHILD; slot++) {
        for (int i = 0; i < rt_module_slot_count(m, slot); i++)
            lang__suggest_offer(&near, rt_module_slot_name(m, slot, i));
    }
    rt_fail(err, RT_E_NAME, "%s has nothing named %s%s", rt_module_name(m),
            name, tail);
    if (near.best)
        rt_error_help(err, "did you mean '%s'?", near.best);
    return RT_E_NAME;
}

/* net.fc1, net.weight, net.count: whatever the module has by that name. */
static rt_status dynamic_get(lang__value *out, rt_module *m, const char *name,
                             rt_error *err)
{
    int member = member_index(lang__instance_of(m), name);
    int child = slot_named(m, RT_SLOT_CHILD, name);
    if (member >= 0) {
        *out = lang__retain(lang__field_get(m, member));
        return RT_OK;
    }
    if (child >= 0) {
        *out = (lang__value){.kind = LANG_MODULE, .m = rt_module_retain(
                                 rt_module_slot_child(m, child))};
        return RT_OK;
    }
    for (rt_slot slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_BUFFER; slot++) {
        int i = slot_named(m, slot, name);
        if (i < 0)
            continue;
        rt_tensor *t = rt_module_slot_tensor(m, slot, i);
        *out = LANG__TENSOR_VALUE(t ? rt_retain(t) : NULL);
        return RT_OK;
    }
    rt_value option = RT_UNSET;
    if (rt_module_layer(m) && !rt_module_option(&option, m, name, NULL))
        return lang__from_rt(out, &option, err);
    return no_member(m, name, "", err);
}

rt_status lang__get_attribute(lang__value *out, const lang__site *site,
                              lang__value object, rt_error *err)
{
    const lang__expr *x = site->expr;
    lang__value got = LANG__VOID_VALUE;
    char kind[48];
    rt_status status;
    if (object.kind <= LANG_FLOAT || !object.p)
        return rt_fail(err, RT_E_ARGUMENT,
                       "%s: the %s is undefined: it was declared, but never "
                       "given a value", x->u.member.name,
                       lang__value_kind(kind, object));
    if (x->kind == E_DYNAMIC)
        status = object.kind == LANG_MODULE
            ? dynamic_get(&got, object.m, x->u.member.name, err)
            : rt_fail(err, RT_E_NAME, "%s has nothing named %s",
                      lang__value_kind(kind, object), x->u.member.name);
    else if (object.kind == LANG_TENSOR)
        status = tensor_attribute(&got, x->u.member.attribute->id, object.t,
                                  err);
    else
        status = other_attribute(&got, site, object, err);
    if (status)
        return status;
    status = lang__converted(out, got, site->type, err);
    lang__release(&got);
    return status;
}

static rt_status dynamic_set(rt_module *m, const char *name, lang__value v,
                             rt_error *err)
{
    lang__instance *in = lang__instance_of(m);
    int member = member_index(in, name);
    if (member >= 0) {
        lang__value own = LANG__VOID_VALUE;
        rt_status status = lang__converted(
            &own, v, in->klass->module->members[member].type, err);
        if (!status)
            status = lang__field_set(m, member, own, err);
        lang__release(&own);
        return status;
    }
    if (v.kind == LANG_MODULE && v.m && slot_named(m, RT_SLOT_CHILD, name) >= 0)
        return rt_module_set_child(m, name, v.m, err);
    if (v.kind == LANG_TENSOR && slot_named(m, RT_SLOT_PARAMETER, name) >= 0)
        return rt_module_set_parameter(m, name, v.t, err);
    if (v.kind == LANG_TENSOR && slot_named(m, RT_SLOT_BUFFER, name) >= 0)
        return rt_module_set_buffer(m, name, v.t, true, err);
    return no_member(m, name, " to assign", err);
}

rt_status lang__set_attribute(const lang__site *site, lang__value object,
                              lang__value v, rt_error *err)
{
    const lang__expr *x = site->expr;
    if (!object.p)
        return rt_fail(err, RT_E_ARGUMENT, "%s: the value is undefined",
                       x->u.member.name);
    if (x->kind == E_DYNAMIC && object.kind == LANG_MODULE)
        return dynamic_set(object.m, x->u.member.name, v, err);
    if (x->kind == E_ATTRIBUTE) {
        switch (x->u.member.attribute->id) {
        case LANG__A_GRAD: return rt_set_grad(object.t, v.t, err);
        case LANG__A_REQUIRES_GRAD:
            return rt_set_requires_grad(object.t, v.i != 0, err);
        case LANG__A_LR: {
            rt_status status = RT_OK;
            int n = object.optim->made
                ? rt_optimizer_group_count(object.optim->made) : 0;
            for (int i = 0; i < n && !status; i++)
                status = rt_optimizer_set(object.optim->made, i, "lr",
                                          RT_V_FLOAT(v.f), err);
            return n ? status : rt_fail(err, RT_E_ARGUMENT, "lr: the "
                                        "optimizer has no parameters yet");
        }
        default: break;
        }
    }
    return rt_fail(err, RT_E_TYPE, "%s cannot be assigned", x->u.member.name);
}
