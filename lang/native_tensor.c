/* SPDX-License-Identifier: MIT
 * Built-in functions on tensors that are no ops of the catalog. */
#include "lang/native.h"

#include <string.h>

static rt_status shape_list(lang__native_call *c)
{
    rt_status status = lang__need_tensor(c, 0);
    if (status)
        return status;
    rt_tensor *t = c->a[0].t;
    *c->out = LANG__LIST_VALUE(NULL);
    status = lang__list_new(&c->out->l, LANG__TYPE(LANG_INT),
                            rt_tensor_ndim(t), c->err);
    for (int i = 0; i < rt_tensor_ndim(t) && !status; i++)
        c->out->l->items[i].i = rt_tensor_shape(t)[i];
    return status;
}

NATIVE(SHAPE) { return shape_list(c); }
NATIVE(SIZE) { return shape_list(c); }

NATIVE(SIZE_DIM)
{
    int64_t at;
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = lang__position(&at, c->a[1].i, rt_tensor_ndim(c->a[0].t),
                                "size", c->err);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_tensor_shape(c->a[0].t)[at]);
    return status;
}

NATIVE(NUMEL)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_tensor_numel(c->a[0].t));
    return status;
}

NATIVE(DIM)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_tensor_ndim(c->a[0].t));
    return status;
}

NATIVE(LEN_TENSOR)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status && rt_tensor_ndim(c->a[0].t) == 0)
        status = rt_fail(c->err, RT_E_SHAPE,
                         "len: a tensor without dimensions has no length");
    if (!status)
        *c->out = LANG__INT_VALUE(rt_tensor_shape(c->a[0].t)[0]);
    return status;
}

NATIVE(ITEM)
{
    return lang__converted(c->out, c->a[0], LANG__TYPE(LANG_FLOAT), c->err);
}

NATIVE(TOLIST)
{
    rt_status status = lang__need_tensor(c, 0);
    return status ? status : lang__converted(c->out, c->a[0],
                                           LANG__LIST_OF(LANG_FLOAT), c->err);
}

NATIVE(IS_CONTIGUOUS)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        *c->out = LANG__BOOL_VALUE(rt_tensor_is_contiguous(c->a[0].t));
    return status;
}

NATIVE(IS_DEFINED)
{
    *c->out = LANG__BOOL_VALUE(c->a[0].kind != LANG_VOID && c->a[0].p);
    return RT_OK;
}

/* --- making and converting ------------------------------------------------------ */

static rt_status to_dtype(lang__native_call *c, rt_tensor *t, rt_dtype dtype,
                          bool copy)
{
    rt_value a[4] = {RT_V_TENSOR(t), RT_V_DTYPE(dtype), RT_UNSET,
                     RT_V_BOOL(copy)};
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = rt_call(rt_op_find("to"), a, 4, r, c->err);
    return status ? status : lang__from_rt(c->out, &r[0], c->err);
}

NATIVE(TENSOR)
{
    lang__value data = c->a[0], made = LANG__TENSOR_VALUE(NULL);
    rt_dtype dtype = c->a[1].kind == LANG_DTYPE ? (rt_dtype)c->a[1].i
                                                : RT_DTYPE_NONE;
    rt_status status;
    if (data.kind == LANG_LIST && data.l) {
        status = lang__list_tensor(&made.t, data.l, dtype, c->err);
    } else if (data.kind == LANG_TENSOR && data.t) {
        rt_dtype same = rt_tensor_dtype(data.t);
        rt_tensor *plain = NULL;
        status = rt_detach(&plain, data.t, c->err);
        if (!status)
            status = to_dtype(c, plain,
                              dtype == RT_DTYPE_NONE ? same : dtype, true);
        rt_release(plain);
        made = *c->out;
        *c->out = LANG__VOID_VALUE;
    } else if (data.kind >= LANG_BOOL && data.kind <= LANG_FLOAT) {
        rt_dtype natural = data.kind == LANG_BOOL ? RT_BOOL
                           : data.kind == LANG_INT ? RT_INT64
                                                   : rt_default_dtype();
        double v = data.kind == LANG_FLOAT ? data.f : (double)data.i;
        status = rt_tensor_scalar(&made.t,
                                  dtype == RT_DTYPE_NONE ? natural : dtype, v,
                                  c->err);
    } else {
        char kind[48];
        status = rt_fail(c->err, RT_E_TYPE, "tensor: numbers are wanted, not %s",
                         lang__value_kind(kind, data));
    }
    if (!status && c->a[2].kind == LANG_BOOL && c->a[2].i)
        status = rt_set_requires_grad(made.t, true, c->err);
    if (status)
        lang__release(&made);
    else
        *c->out = made;
    return status;
}

NATIVE(TO_DTYPE)
{
    rt_status status = lang__need_tensor(c, 0);
    return status ? status : to_dtype(c, c->a[0].t, (rt_dtype)c->a[1].i, false);
}

static rt_status to_device(lang__native_call *c, const char *name)
{
    rt_value a[3] = {RT_NONE, RT_UNSET, {.kind = RT_K_DEVICE}};
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = lang__need_tensor(c, 0);
    rt_dtype dtype = rt_dtype_parse(name);
    if (!status && dtype != RT_DTYPE_NONE)
        return to_dtype(c, c->a[0].t, dtype, false);
    if (!status)
        status = rt_device_parse(&a[2].device, name, c->err);
    if (!status)
        status = rt_device_check(a[2].device, c->err);
    if (status)
        return status;
    a[0] = RT_V_TENSOR(c->a[0].t);
    status = rt_call(rt_op_find("to"), a, 3, r, c->err);
    return status ? status : lang__from_rt(c->out, &r[0], c->err);
}

NATIVE(TO_DEVICE) { return to_device(c, c->a[1].s->text); }
NATIVE(CPU) { return to_device(c, "cpu"); }

/* --- gradients -------------------------------------------------------------------- */

NATIVE(BACKWARD)
{
    rt_status status = lang__need_tensor(c, 0);
    if (status)
        return status;
    rt_tensor *output = c->a[0].t;
    rt_tensor *gradient = c->a[1].kind == LANG_TENSOR ? c->a[1].t : NULL;
    return rt_backward(&output, &gradient, 1, c->a[2].i != 0, c->a[3].i != 0,
                       c->err);
}

NATIVE(GRAD_OF)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = lang__need_tensor(c, 1);
    if (status)
        return status;
    rt_tensor *output = c->a[0].t, *input = c->a[1].t, *none = NULL;
    bool create = c->a[2].i != 0;
    *c->out = LANG__TENSOR_VALUE(NULL);
    return rt_gradients(&c->out->t, &output, &none, 1, &input, 1, create,
                        create, false, c->err);
}

NATIVE(DETACH)
{
    rt_status status = lang__need_tensor(c, 0);
    *c->out = LANG__TENSOR_VALUE(NULL);
    return status ? status : rt_detach(&c->out->t, c->a[0].t, c->err);
}

NATIVE(REQUIRES_GRAD_)
{
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = rt_set_requires_grad(c->a[0].t, c->a[1].i != 0, c->err);
    if (!status)
        *c->out = lang__retain(c->a[0]);
    return status;
}

NATIVE(RETAIN_GRAD)
{
    rt_status status = lang__need_tensor(c, 0);
    return status ? status : rt_retain_grad(c->a[0].t, c->err);
}

NATIVE(PARAMETER)
{
    rt_status status = lang__need_tensor(c, 0);
    *c->out = LANG__TENSOR_VALUE(NULL);
    if (!status)
        status = rt_detach(&c->out->t, c->a[0].t, c->err);
    return status ? status : rt_set_requires_grad(c->out->t, true, c->err);
}
