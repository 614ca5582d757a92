/* SPDX-License-Identifier: MIT
 * Element types: facts, names, promotion, and conversion of single elements.
 */
#include "runtime/core/tensor.h"

#include <stdatomic.h>
#include <string.h>

typedef struct dtype_info {
    const char *name;
    size_t size;
    int category;   /* 0 bool, 1 integer, 2 floating */
} dtype_info;

static const dtype_info infos[RT_DTYPE_COUNT] = {
#define RT_DTYPE(id, name, size, cat, st, ct, safetensors, buf, code, bits)    \
    [RT_##id] = {name, size, cat},
#include "runtime/dtypes.def"
#undef RT_DTYPE
};

const char *rt_dtype_name(rt_dtype d)
{
    return d < RT_DTYPE_COUNT ? infos[d].name : "no dtype";
}

size_t rt_dtype_size(rt_dtype d)
{
    return d < RT_DTYPE_COUNT ? infos[d].size : 0;
}

bool rt_dtype_is_floating(rt_dtype d)
{
    return d < RT_DTYPE_COUNT && infos[d].category == 2;
}

bool rt_dtype_is_integral(rt_dtype d, bool with_bool)
{
    return d < RT_DTYPE_COUNT && (infos[d].category == 1 ||
                                  (with_bool && infos[d].category == 0));
}

static const struct {
    const char *name;
    rt_dtype dtype;
} aliases[] = {
    {"float", RT_FLOAT32}, {"double", RT_FLOAT64}, {"half", RT_FLOAT16},
    {"long", RT_INT64},    {"int", RT_INT32},
};

rt_dtype rt_dtype_parse(const char *name)
{
    static const char *const prefixes[] = {"torch.", "rustorch."};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], n) == 0) {
            name += n;
        }
    }
    for (int d = 0; d < RT_DTYPE_COUNT; d++) {
        if (strcmp(name, infos[d].name) == 0) {
            return (rt_dtype)d;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(name, aliases[i].name) == 0) {
            return aliases[i].dtype;
        }
    }
    return RT_DTYPE_NONE;
}

rt_dtype rt_promote_types(rt_dtype a, rt_dtype b)
{
    if (a == b) {
        return a;
    }
    if (infos[a].category != infos[b].category) {
        return infos[a].category > infos[b].category ? a : b;
    }
    /* Two different halves meet in float32; otherwise the order of rows is the
     * order of promotion (uint8 < int32 < int64, halves < float32 < float64). */
    if ((a == RT_FLOAT16 && b == RT_BFLOAT16) ||
        (a == RT_BFLOAT16 && b == RT_FLOAT16)) {
        return RT_FLOAT32;
    }
    return a > b ? a : b;
}

static atomic_int default_dtype = RT_FLOAT32;

rt_dtype rt_default_dtype(void)
{
    return (rt_dtype)atomic_load(&default_dtype);
}

rt_status rt_set_default_dtype(rt_dtype d, rt_error *err)
{
    if (!rt_dtype_is_floating(d)) {
        return rt_fail(err, RT_E_DTYPE,
                       "set_default_dtype: %s is not a floating type; expected "
                       "float16, bfloat16, float32 or float64",
                       rt_dtype_name(d));
    }
    atomic_store(&default_dtype, (int)d);
    return RT_OK;
}

/* --- half types --------------------------------------------------------------- */

static inline uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float rt__bfloat16_to_float(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t rt__float_to_bfloat16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
        return 0x7fc0;   /* every NaN, as PyTorch */
    }
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

float rt__half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t rest = h & 0x7fffu;
    if (rest >= 0x7c00u) {
        return float_of(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    }
    if (rest < 0x400u) {   /* zero and subnormals: rest * 2^-24 */
        float v = (float)rest * 0x1p-24f;
        return float_of(sign | bits_of(v));
    }
    return float_of(sign | ((rest << 13) + (112u << 23)));
}

uint16_t rt__float_to_half(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (u >= 0x477ff000u) {   /* rounds to 2^16 or more */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (u < 0x38800000u) {    /* subnormal: adding 0.5 rounds at 2^-24 */
        float v = float_of(u) + 0.5f;
        return (uint16_t)(sign | (bits_of(v) - 0x3f000000u));
    }
    u += 0xfffu + (u >> 13 & 1u);
    return (uint16_t)(sign | (u - (112u << 23)) >> 13);
}

/* --- single elements ------------------------------------------------------------- */

double rt__load_float(rt_dtype d, const void *p)
{
    switch (d) {
    case RT_FLOAT16: return rt__half_to_float(*(const uint16_t *)p);
    case RT_BFLOAT16: return rt__bfloat16_to_float(*(const uint16_t *)p);
    case RT_FLOAT32: return *(const float *)p;
    case RT_FLOAT64: return *(const double *)p;
    default: return (double)rt__load_int(d, p);
    }
}

int64_t rt__whole(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

int64_t rt__load_int(rt_dtype d, const void *p)
{
    switch (d) {
    case RT_BOOL:
    case RT_UINT8: return *(const uint8_t *)p;
    case RT_INT32: return *(const int32_t *)p;
    case RT_INT64: return *(const int64_t *)p;
    default: return rt__whole(rt__load_float(d, p));
    }
}

void rt__store_float(rt_dtype d, void *p, double v)
{
    switch (d) {
    case RT_FLOAT16: *(uint16_t *)p = rt__float_to_half((float)v); break;
    case RT_BFLOAT16: *(uint16_t *)p = rt__float_to_bfloat16((float)v); break;
    case RT_FLOAT32: *(float *)p = (float)v; break;
    case RT_FLOAT64: *(double *)p = v; break;
    case RT_BOOL: *(uint8_t *)p = v != 0; break;
    default: rt__store_int(d, p, rt__whole(v));
    }
}

void rt__store_int(rt_dtype d, void *p, int64_t v)
{
    switch (d) {
    case RT_BOOL: *(uint8_t *)p = v != 0; break;
    case RT_UINT8: *(uint8_t *)p = (uint8_t)v; break;
    case RT_INT32: *(int32_t *)p = (int32_t)v; break;
    case RT_INT64: *(int64_t *)p = v; break;
    default: rt__store_float(d, p, (double)v);
    }
}
