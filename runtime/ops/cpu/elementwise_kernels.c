/* SPDX-License-Identifier: MIT
 * The loops of elementwise.def, for every type; compiled per instruction set.
 */
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/vec64.h"
#include "runtime/ops/cpu/vec_half.h"
#include "runtime/ops/cpu/vec_trig.h"
#include "runtime/ops/cpu/wide_normal.h"
#include "runtime/ops/cpu/wide_rows.h"

#include <limits.h>

/* --- what the rows call -------------------------------------------------- */

/* The caller has refused zero divisors; -1 would overflow on the smallest. */
#define quotient(a, b) ((int64_t)(b) == -1 ? -(a) : (a) / (b))
#define modulo(a, b) ((int64_t)(b) == -1 ? 0 : (a) % (b))

V_INLINE int64_t floor_quotient(int64_t a, int64_t b)
{
    int64_t q = quotient(a, b);
    return q - (modulo(a, b) != 0 && ((a < 0) != (b < 0)));
}

V_INLINE int64_t floor_modulo(int64_t a, int64_t b)
{
    int64_t m = modulo(a, b);
    return m != 0 && ((m < 0) != (b < 0)) ? m + b : m;
}

V_INLINE int64_t shift_left(int64_t a, int64_t b, int bits)
{
    return b < 0 || b >= bits ? 0 : a << b;
}

V_INLINE int64_t shift_right(int64_t a, int64_t b, int bits)
{
    return a >> (b < 0 || b >= bits ? bits - 1 : b);
}

/* Negative exponents: 1 and -1 stay what they are, the rest is 0. */
static int64_t integer_power(int64_t a, int64_t b)
{
    if (b < 0) {
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    }
    int64_t y = 1;
    for (; b; b >>= 1) {
        y = b & 1 ? y * a : y;
        a *= a;
    }
    return y;
}

#define FLOAT_HELPERS(suffix, T, FLOOR, TANH)                                  \
    V_INLINE T clamp_##suffix(T x, T low, T high)                              \
    {                                                                          \
        T y = x < low ? low : x;                                               \
        return y > high ? high : y;                                            \
    }                                                                          \
    V_INLINE T gelu_tanh_##suffix(T x)                                         \
    {                                                                          \
        T u = (T)0.79788456080286535588 * (x + (T)0.044715 * x * x * x);       \
        return (T)0.5 * x * (1 + TANH(u));                                     \
    }                                                                          \
    /* m is fmod(a, b). */                                                     \
    V_INLINE T remainder_##suffix(T b, T m)                                    \
    {                                                                          \
        return m != 0 && ((b < 0) != (m < 0)) ? m + b : m;                     \
    }                                                                          \
    /* Consistent with remainder: q * b + remainder == a up to rounding. */    \
    V_INLINE T floor_divide_##suffix(T a, T b, T m)                            \
    {                                                                          \
        T whole = a / b, q = (a - m) / b;                                      \
        q = ((m != 0) & ((b < 0) != (m < 0))) ? q - 1 : q;                     \
        T f = FLOOR(q), up = q - f > (T)0.5 ? f + 1 : f;                       \
        T zero = signbit(whole) ? -(T)0 : (T)0;                                \
        T y = q == 0 ? zero : up;                                              \
        return b == 0 ? whole : y;                                             \
    }
/* Derivatives of gelu and silu at x. */
#define SLOPES(suffix, T, EXP, ERF, TANH)                                      \
    V_INLINE T gelu_slope_##suffix(T x)                                        \
    {                                                                          \
        T cdf = (T)0.5 * (1 + ERF(x * (T)0.70710678118654752440));             \
        return cdf + x * (T)0.39894228040143267794 * EXP((T)-0.5 * x * x);     \
    }                                                                          \
    V_INLINE T gelu_tanh_slope_##suffix(T x)                                   \
    {                                                                          \
        const T k = (T)0.79788456080286535588, c3 = (T)0.044715;               \
        T t = TANH(k * (x + c3 * x * x * x));                                  \
        return (T)0.5 * (1 + t)                                                \
               + (T)0.5 * x * (1 - t * t) * k * (1 + 3 * c3 * x * x);          \
    }                                                                          \
    V_INLINE T silu_slope_##suffix(T x)                                        \
    {                                                                          \
        T s = 1 / (1 + EXP(-x));                                               \
        return s * (1 + x * (1 - s));                                          \
    }
SLOPES(f32, float, v_exp, v_erf, v_tanh)
SLOPES(f64, double, exp, erf, tanh)
FLOAT_HELPERS(f32, float, floorf, v_tanh)
FLOAT_HELPERS(f64, double, floor, tanh)

/* --- loops --------------------------------------------------------------- */

#define LOOP1(id, T, R, P, expr)                                               \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const T *in = data[1];                                                 \
        R *out = data[0];                                                      \
        const T P0 = (T)p->P[0], P1 = (T)p->P[1];                              \
        (void)P0;                                                              \
        (void)P1;                                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            T x = in[i];                                                       \
            (void)x;                                                           \
            out[i] = (R)(expr);                                                \
        }                                                                      \
    }
#define LOOP2(id, T, R, P, expr)                                               \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const T *left = data[1], *right = data[2];                             \
        R *out = data[0];                                                      \
        const T P0 = (T)p->P[0];                                               \
        (void)P0;                                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            T a = left[i], b = right[i];                                       \
            out[i] = (R)(expr);                                                \
        }                                                                      \
    }

/* One of the operands is a single element. */
#define LOOP2_SINGLE(id, expr)                                                 \
    static void id##_left(void *const *data, int64_t n, const rt__params *p)   \
    {                                                                          \
        const float a = *(const float *)data[1], *right = data[2];             \
        const float P0 = (float)p->f[0];                                       \
        float *out = data[0];                                                  \
        (void)P0;                                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            float b = right[i];                                                \
            out[i] = (float)(expr);                                            \
        }                                                                      \
    }                                                                          \
    static void id##_right(void *const *data, int64_t n, const rt__params *p)  \
    {                                                                          \
        const float *left = data[1], b = *(const float *)data[2];              \
        const float P0 = (float)p->f[0];                                       \
        float *out = data[0];                                                  \
        (void)P0;                                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            float a = left[i];                                                 \
            out[i] = (float)(expr);                                            \
        }                                                                      \
    }

/* What a vector is made of comes from memory while the one before is worked on:
 * the two would take their time one after the other in loops of their own. */
#define AFTER(id, whole, part, expr)                                           \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const float *a = data[1], *b = data[2], *c = data[3];                  \
        float *out = data[0];                                                  \
        int64_t at = 0;                                                        \
        (void)c;                                                               \
        for (; at + WIDE <= n; at += WIDE) {                                   \
            wide v = whole;                                                    \
            w_store(out + at, expr);                                           \
        }                                                                      \
        if (at < n) {                                                          \
            wide v = part;                                                     \
            w_store_part(out + at, n - at, expr);                              \
        }                                                                      \
    }

#define INTS1(name, e)                                                         \
    LOOP1(k_##name##_u8, uint8_t, uint8_t, i, e)                                   \
    LOOP1(k_##name##_i32, int32_t, int32_t, i, e)                                  \
    LOOP1(k_##name##_i64, int64_t, int64_t, i, e)
#define INTS2(name, e)                                                         \
    LOOP2(k_##name##_u8, uint8_t, uint8_t, i, e)                                   \
    LOOP2(k_##name##_i32, int32_t, int32_t, i, e)                                  \
    LOOP2(k_##name##_i64, int64_t, int64_t, i, e)
#define EW1(name, ei, ef, ed)                                                     \
    INTS1(name, ei)                                                             \
    EW1F(name, ef, ed)
#define EW1F(name, ef, ed)                                                       \
    LOOP1(k_##name##_f32, float, float, f, ef)                                      \
    LOOP1(k_##name##_f64, double, double, f, ed)
#define EW1W(name, ef, ed)                                                     \
    static void k_##name##_f32(void *const *data, int64_t n,                   \
                               const rt__params *p)                            \
    {                                                                          \
        const float *in = data[1];                                             \
        float *out = data[0];                                                  \
        WIDE_MAP(out, in, n, ef);                                              \
    }                                                                          \
    AFTER(k_##name##_after_add, w_load(a + at) + w_load(b + at),               \
          w_load_part(a + at, n - at, 0) + w_load_part(b + at, n - at, 0), ef) \
    AFTER(k_##name##_after_mul, w_load(a + at) * w_load(b + at),               \
          w_load_part(a + at, n - at, 0) * w_load_part(b + at, n - at, 0), ef) \
    AFTER(k_##name##_after_mul_add,                                            \
          w_load(a + at) * w_load(b + at) + w_load(c + at),                    \
          w_load_part(a + at, n - at, 0) * w_load_part(b + at, n - at, 0) +    \
              w_load_part(c + at, n - at, 0), ef)                              \
    LOOP1(k_##name##_f64, double, double, f, ed)
#define EW1B(name, ei, ef)                                                       \
    LOOP1(k_##name##_u8, uint8_t, uint8_t, i, ei)                                   \
    LOOP1(k_##name##_i32, int32_t, uint8_t, i, ei)                                  \
    LOOP1(k_##name##_i64, int64_t, uint8_t, i, ei)                                  \
    LOOP1(k_##name##_f32, float, uint8_t, f, ef)                                    \
    LOOP1(k_##name##_f64, double, uint8_t, f, ef)
#define EW2(name, ei, ef, ed)                                                     \
    INTS2(name, ei)                                                             \
    EW2F(name, ef, ed)                                                          \
    LOOP2_SINGLE(k_##name, ef)
#define EW2F(name, ef, ed)                                                       \
    LOOP2(k_##name##_f32, float, float, f, ef)                                      \
    LOOP2(k_##name##_f64, double, double, f, ed)
#define EW2X(name, ei, ed)                                                     \
    INTS2(name, ei)                                                            \
    LOOP2(k_##name##_f64, double, double, f, ed)
#define EW2I(name, ei) INTS2(name, ei)
#define EW2B(name, ei, ef)                                                       \
    LOOP2(k_##name##_u8, uint8_t, uint8_t, i, ei)                                   \
    LOOP2(k_##name##_i32, int32_t, uint8_t, i, ei)                                  \
    LOOP2(k_##name##_i64, int64_t, uint8_t, i, ei)                                  \
    LOOP2(k_##name##_f32, float, uint8_t, f, ef)                                    \
    LOOP2(k_##name##_f64, double, uint8_t, f, ef)
#include "runtime/ops/cpu/elementwise.def"
#undef EW1
#undef EW1F
#undef EW1W
#undef EW1B
#undef EW2
#undef EW2F
#undef EW2X
#undef EW2I
#undef EW2B

LOOP2_SINGLE(k_div, a / b)

AFTER(k_add_product_f32, w_load(a + at) + w_load(b + at) * w_load(c + at),
      w_load_part(a + at, n - at, 0) +
          w_load_part(b + at, n - at, 0) * w_load_part(c + at, n - at, 0), v)

static void k_add_product_f64(void *const *data, int64_t n, const rt__params *p)
{
    const double *a = data[1], *b = data[2], *c = data[3];
    double *out = data[0];
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        out[i] = a[i] + b[i] * c[i];
    }
}

#define LOOP3(id, T, expr)                                                     \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const T *first = data[1], *second = data[2], *third = data[3];         \
        const T P0 = (T)p->f[0];                                               \
        T *out = data[0];                                                      \
        (void)P0;                                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            T a = first[i], b = second[i], c = third[i];                       \
            out[i] = (T)(expr);                                                \
        }                                                                      \
    }
LOOP3(k_addcmul_f32, float, FMA(P0, b * c, a))
LOOP3(k_addcmul_f64, double, a + P0 * (b * c))
LOOP3(k_addcdiv_f32, float, FMA(P0, b / c, a))
LOOP3(k_addcdiv_f64, double, a + P0 * (b / c))
LOOP3(k_lerp_by_f32, float, a + c * (b - a))
LOOP3(k_lerp_by_f64, double, a + c * (b - a))

/* sin and cos reduce their argument in float64, which holds up to a limit;
 * blocks with larger arguments go to libm. */
#define TRIG(name, VECTOR, LIBM, LIBM64)                                       \
    static void k_##name##_f32(void *const *data, int64_t n, const rt__params *p)  \
    {                                                                          \
        const float *in = data[1];                                             \
        float *out = data[0];                                                  \
        for (int64_t start = 0; start < n; start += 64) {                      \
            int64_t end = start + 64 < n ? start + 64 : n;                     \
            int large = 0;                                                     \
            for (int64_t i = start; i < end; i++) {                            \
                large |= !(v_abs(in[i]) <= V_TRIG_LIMIT);                      \
            }                                                                  \
            if (large) {                                                       \
                for (int64_t i = start; i < end; i++) {                        \
                    out[i] = LIBM(in[i]);                                      \
                }                                                              \
                continue;                                                      \
            }                                                                  \
            RT_VECTORISE                                                       \
            for (int64_t i = start; i < end; i++) {                            \
                out[i] = VECTOR(in[i]);                                        \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    LOOP1(k_##name##_f64, double, double, f, LIBM64(x))
/* Blocks with bases or exponents that v_pow does not take go to libm. */
static void k_vector_pow_f32(void *const *data, int64_t n, const rt__params *p)
{
    const float *left = data[1], *right = data[2];
    float *out = data[0];
    for (int64_t start = 0; start < n; start += 64) {
        int m = n - start < 64 ? (int)(n - start) : 64, odd = 0;
        const float *a = left + start, *b = right + start;
        float *to = out + start;
        for (int i = 0; i < m; i++) {
            odd |= !(v_abs(a[i]) < INFINITY);
            odd |= !(v_abs(b[i]) < 0x1p22f);
        }
        if (odd) {
            for (int i = 0; i < m; i++) {
                to[i] = powf(a[i], b[i]);
            }
            continue;
        }
        RT_VECTORISE
        for (int i = 0; i < m; i++) {
            to[i] = v_pow(a[i], b[i]);
        }
    }
}

TRIG(sin, v_sin, sinf, sin)
TRIG(cos, v_cos, cosf, cos)
TRIG(tan, v_tan, tanf, tan)

/* Functions of a, b and m, what is left of a after multiples of b. */
#define DIVISION(id, expr)                                                     \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const float *left = data[1], *right = data[2];                         \
        float *out = data[0];                                                  \
        for (int64_t start = 0; start < n; start += 128) {                     \
            int64_t end = start + 128 < n ? start + 128 : n;                   \
            int far = 0;                                                       \
            for (int64_t i = start; i < end; i++) {                            \
                far |= v_fmod_far(left[i], right[i]);                          \
            }                                                                  \
            if (far) {                                                         \
                for (int64_t i = start; i < end; i++) {                        \
                    float a = left[i], b = right[i], m = fmodf(a, b);          \
                    (void)b;                                                   \
                    out[i] = expr;                                             \
                }                                                              \
                continue;                                                      \
            }                                                                  \
            RT_VECTORISE                                                       \
            for (int64_t i = start; i < end; i++) {                            \
                float a = left[i], b = right[i], m = v_fmod(a, b);             \
                (void)b;                                                       \
                out[i] = expr;                                                 \
            }                                                                  \
        }                                                                      \
    }
DIVISION(k_fmod_f32, m)
DIVISION(k_remainder_f32, remainder_f32(b, m))
DIVISION(k_floor_divide_f32, floor_divide_f32(a, b, m))

#define ISCLOSE(suffix, T)                                                     \
    static void k_isclose_##suffix(void *const *data, int64_t n,                 \
                                 const rt__params *p)                          \
    {                                                                          \
        const T *left = data[1], *right = data[2];                             \
        uint8_t *out = data[0];                                                \
        const double rtol = p->f[0], atol = p->f[1];                           \
        const int equal_nan = (int)p->i[0];                                    \
        for (int64_t i = 0; i < n; i++) {                                      \
            double a = (double)left[i], b = (double)right[i];                  \
            double gap = fabs(a - b), room = atol + fabs(rtol * b);            \
            out[i] = a == b || (isfinite(gap) && gap <= room) ||               \
                     (equal_nan && a != a && b != b);                          \
        }                                                                      \
    }
ISCLOSE(u8, uint8_t)
ISCLOSE(i32, int32_t)
ISCLOSE(i64, int64_t)
ISCLOSE(f32, float)
ISCLOSE(f64, double)

/* Quotients of integers below 2^51 are those of float64, rounded down: a
 * fraction is further from the next integer than its rounding takes it. Blocks
 * with larger numbers divide one by one. */
#define WHOLE_LIMIT ((int64_t)1 << 51)
#define LARGE(v) ((uint64_t)((v) + WHOLE_LIMIT) >> 52)

#define WHOLE(id, T, WHAT, EXACT)                                              \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const T *left = data[1], *right = data[2];                             \
        T *out = data[0];                                                      \
        for (int64_t start = 0; start < n; start += 128) {                     \
            int m = n - start < 128 ? (int)(n - start) : 128;                  \
            const T *a = left + start, *b = right + start;                     \
            T *to = out + start;                                               \
            uint64_t large = 0;                                                \
            for (int i = 0; sizeof(T) == 8 && i < m; i++) {                    \
                large |= LARGE((uint64_t)(int64_t)a[i]) |                      \
                         LARGE((uint64_t)(int64_t)b[i]);                       \
            }                                                                  \
            if (large) {                                                       \
                for (int i = 0; i < m; i++) {                                  \
                    to[i] = (T)EXACT(a[i], b[i]);                              \
                }                                                              \
                continue;                                                      \
            }                                                                  \
            RT_VECTORISE                                                       \
            for (int i = 0; i < m; i++) {                                      \
                double x = v_from_whole((int64_t)a[i]);                        \
                double y = v_from_whole((int64_t)b[i]);                        \
                double q = v_floor64(x / y);                                   \
                to[i] = (T)v_to_whole(WHAT);                                   \
            }                                                                  \
        }                                                                      \
    }
#define WHOLE_TYPES(name, WHAT, EXACT)                                         \
    WHOLE(k_##name##_u8, uint8_t, WHAT, EXACT)                                 \
    WHOLE(k_##name##_i32, int32_t, WHAT, EXACT)                                \
    WHOLE(k_##name##_i64, int64_t, WHAT, EXACT)
WHOLE_TYPES(whole_quotient, q, floor_quotient)
WHOLE_TYPES(whole_modulo, x - q * y, floor_modulo)

#define WHERE(suffix, T)                                                       \
    static void k_where_##suffix(void *const *data, int64_t n,                   \
                               const rt__params *p)                            \
    {                                                                          \
        const uint8_t *c = data[1];                                            \
        const T *a = data[2], *b = data[3];                                    \
        T *out = data[0];                                                      \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            T yes = a[i], no = b[i];                                           \
            out[i] = c[i] ? yes : no;                                          \
        }                                                                      \
    }
WHERE(u8, uint8_t)
WHERE(i32, int32_t)
WHERE(i64, int64_t)
WHERE(f32, float)
WHERE(f64, double)

/* Halves without a detour through buffers of float32. */
#if defined(__AVX512F__)
#define HALVES_AT_ONCE(op)                                                     \
    for (; i + 16 <= n; i += 16) {                                             \
        __m512 a = v_load_halves(left + i), b = v_load_halves(right + i);      \
        v_store_halves(out + i, a op b);                                       \
    }
#else
#define HALVES_AT_ONCE(op)
#endif
#define HALF_LOOP(id, AT_ONCE, FROM, TO, op)                                   \
    static void id(void *const *data, int64_t n, const rt__params *p)          \
    {                                                                          \
        const uint16_t *left = data[1], *right = data[2];                      \
        uint16_t *out = data[0];                                               \
        int64_t i = 0;                                                         \
        AT_ONCE                                                                \
        RT_VECTORISE                                                           \
        for (int64_t k = i; k < n; k++) {                                      \
            out[k] = TO(FROM(left[k]) op FROM(right[k]));                      \
        }                                                                      \
    }
#define HALF_LOOPS(name, op)                                                   \
    HALF_LOOP(k_##name##_f16, HALVES_AT_ONCE(op), v_from_half, v_to_half, op)  \
    HALF_LOOP(k_##name##_bf16, , v_from_bfloat16, v_to_bfloat16, op)
HALF_LOOPS(add, +)
HALF_LOOPS(sub, -)
HALF_LOOPS(mul, *)
HALF_LOOPS(div, /)

/* --- the table ----------------------------------------------------------- */

#define INTEGERS(name)                                                         \
    [RT_BOOL] = k_##name##_u8, [RT_UINT8] = k_##name##_u8, [RT_INT32] = k_##name##_i32,    \
    [RT_INT64] = k_##name##_i64
#define FLOATS(name) [RT_FLOAT32] = k_##name##_f32, [RT_FLOAT64] = k_##name##_f64
#define ALL(name) [RT_EW_##name] = {INTEGERS(name), FLOATS(name)}

const rt__elementwise_table RT_ISA_NAME(elementwise) = {{
#define EW1(name, e, f, d) ALL(name),
#define EW1F(name, f, d) [RT_EW_##name] = {FLOATS(name)},
#define EW1W(name, f, d) [RT_EW_##name] = {FLOATS(name)},
#define EW1B(name, e, f) ALL(name),
#define EW2(name, e, f, d) ALL(name),
#define EW2F(name, f, d) [RT_EW_##name] = {FLOATS(name)},
#define EW2X(name, e, d) ALL(name),
#define EW2I(name, e) [RT_EW_##name] = {INTEGERS(name)},
#define EW2B(name, e, f) ALL(name),
#include "runtime/ops/cpu/elementwise.def"
    [RT_EW_sin] = {FLOATS(sin)},
    [RT_EW_cos] = {FLOATS(cos)},
    [RT_EW_tan] = {FLOATS(tan)},
    ALL(isclose),
    ALL(where),
    [RT_EW_whole_quotient] = {INTEGERS(whole_quotient)},
    [RT_EW_whole_modulo] = {INTEGERS(whole_modulo)},
    [RT_EW_float_pow] = {[RT_FLOAT32] = k_vector_pow_f32},
    [RT_EW_add_product] = {FLOATS(add_product)},
    [RT_EW_addcmul] = {FLOATS(addcmul)},
    [RT_EW_addcdiv] = {FLOATS(addcdiv)},
    [RT_EW_lerp_by] = {FLOATS(lerp_by)},
}, {{
#undef EW1
#undef EW1F
#undef EW1W
#undef EW1B
#undef EW2
#undef EW2F
#undef EW2X
#undef EW2I
#undef EW2B
#define EW1(name, e, f, d)
#define EW1F(name, f, d)
#define EW1W(name, f, d)
#define EW1B(name, e, f)
#define EW2(name, e, f, d) [RT_EW_##name] = k_##name##_left,
#define EW2F(name, f, d)
#define EW2X(name, e, d)
#define EW2I(name, e)
#define EW2B(name, e, f)
#include "runtime/ops/cpu/elementwise.def"
    [RT_EW_div] = k_div_left,
}, {
#undef EW2
#define EW2(name, e, f, d) [RT_EW_##name] = k_##name##_right,
#include "runtime/ops/cpu/elementwise.def"
    [RT_EW_div] = k_div_right,
}}, {{
#undef EW2
#undef EW1W
#define EW2(name, e, f, d)
#define EW1W(name, f, d) [RT_EW_##name] = k_##name##_after_add,
#include "runtime/ops/cpu/elementwise.def"
}, {
#undef EW1W
#define EW1W(name, f, d) [RT_EW_##name] = k_##name##_after_mul,
#include "runtime/ops/cpu/elementwise.def"
}, {
#undef EW1W
#define EW1W(name, f, d) [RT_EW_##name] = k_##name##_after_mul_add,
#include "runtime/ops/cpu/elementwise.def"
}}, {
#define HALVES(name, type) [RT_EW_##name] = k_##name##_##type
    {HALVES(add, f16), HALVES(sub, f16), HALVES(mul, f16), HALVES(div, f16)},
    {HALVES(add, bf16), HALVES(sub, bf16), HALVES(mul, bf16),
     HALVES(div, bf16)},
}};
