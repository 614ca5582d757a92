/* SPDX-License-Identifier: MIT
 * Values that outlive a call: deep copies of options, comparison, and text as
 * Python shows it.
 */
#include "runtime/nn/module.h"

#include <string.h>

static rt_status copy_list(rt_value *out, const rt_value *v, size_t size,
                           rt_error *err)
{
    void *p = rt_alloc(v->count ? (size_t)v->count * size : 1);
    if (!p) {
        return rt_fail(err, RT_E_MEMORY, "no memory for a list of options");
    }
    if (v->count) {
        memcpy(p, v->ints, (size_t)v->count * size);
    }
    *out = *v;
    out->ints = p;
    return RT_OK;
}

rt_status rt__value_copy(rt_value *out, const rt_value *v, rt_error *err)
{
    switch (v->kind) {
    case RT_K_INTS:
        return copy_list(out, v, sizeof *v->ints, err);
    case RT_K_FLOATS:
        return copy_list(out, v, sizeof *v->floats, err);
    case RT_K_STRING: {
        char *s = rt_strdup(v->s);
        if (!s) {
            return rt_fail(err, RT_E_MEMORY, "no memory for an option");
        }
        *out = RT_V_STRING(s);
        return RT_OK;
    }
    case RT_K_BOOL: case RT_K_INT: case RT_K_FLOAT: case RT_K_DTYPE:
    case RT_K_DEVICE: case RT_K_UNSET:
        *out = *v;
        return RT_OK;
    default:
        *out = RT_NONE;
        return RT_OK;
    }
}

void rt__value_free(rt_value *v)
{
    if (v->kind == RT_K_STRING || v->kind == RT_K_INTS
        || v->kind == RT_K_FLOATS) {
        rt_free((void *)v->s);
    }
    *v = RT_UNSET;
}

static void show_list(rt__text *t, const rt_value *v)
{
    rt__text_char(t, '(');
    for (int i = 0; i < v->count; i++) {
        if (i) {
            rt__text_add(t, ", ");
        }
        if (v->kind == RT_K_INTS) {
            rt__text_format(t, "%lld", (long long)v->ints[i]);
        } else {
            rt__text_double(t, v->floats[i]);
        }
    }
    rt__text_add(t, v->count == 1 ? ",)" : ")");
}

void rt__value_show(rt__text *t, const rt_value *v)
{
    char device[16];
    switch (v->kind) {
    case RT_K_BOOL:
        rt__text_add(t, v->b ? "True" : "False");
        break;
    case RT_K_INT:
        rt__text_format(t, "%lld", (long long)v->i);
        break;
    case RT_K_FLOAT:
        rt__text_double(t, v->f);
        break;
    case RT_K_STRING:
        rt__text_format(t, "'%s'", v->s);
        break;
    case RT_K_DTYPE:
        rt__text_add(t, rt_dtype_name((rt_dtype)v->dtype));
        break;
    case RT_K_DEVICE:
        rt_device_format(device, v->device);
        rt__text_add(t, device);
        break;
    case RT_K_INTS: case RT_K_FLOATS:
        show_list(t, v);
        break;
    default:
        rt__text_add(t, "None");
    }
}

static bool same_list(const rt_value *a, const rt_value *b)
{
    /* A default such as `padding=0` means as many zeros as needed. */
    for (int i = 0; i < a->count; i++) {
        int64_t want = b->kind == RT_K_INT ? b->i
                       : b->count == 1     ? b->ints[0]
                       : b->count == a->count ? b->ints[i] : ~a->ints[i];
        if (a->ints[i] != want) {
            return false;
        }
    }
    return true;
}

static double number(const rt_value *v)
{
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

static bool is_number(const rt_value *v)
{
    return v->kind == RT_K_INT || v->kind == RT_K_FLOAT;
}

bool rt__value_same(const rt_value *a, const rt_value *b)
{
    if (is_number(a) && is_number(b)) {
        return number(a) == number(b);
    }
    if (a->kind == RT_K_INTS && (b->kind == RT_K_INTS || b->kind == RT_K_INT)) {
        return same_list(a, b);
    }
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case RT_K_BOOL:
        return a->b == b->b;
    case RT_K_STRING:
        return strcmp(a->s, b->s) == 0;
    case RT_K_FLOATS:
        return a->count == b->count
               && memcmp(a->floats, b->floats, (size_t)a->count * 8) == 0;
    case RT_K_DTYPE:
        return a->dtype == b->dtype;
    default:
        return true;
    }
}

int rt__param_index(const rt_signature *sig, const char *name)
{
    for (int i = 0; i < sig->nparams; i++) {
        if (strcmp(sig->params[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const rt_signature *rt__catalog_signature(rt_signature *_Atomic *cache,
                                          const char *schema)
{
    rt_signature *sig = atomic_load_explicit(cache, memory_order_acquire);
    if (sig || !(sig = rt_alloc(sizeof *sig))) {
        return sig;
    }
    if (rt__schema_parse(sig, schema, NULL)) {
        rt_free(sig);
        return NULL;
    }
    rt_signature *other = NULL;
    if (!atomic_compare_exchange_strong(cache, &other, sig)) {
        rt_free(sig);
        sig = other;
    }
    return sig;
}
