/* SPDX-License-Identifier: MIT
 * Panels of shifted inputs for convolutions; compiled per instruction set.
 */
#include "runtime/ops/cpu/patches.h"
#include "runtime/ops/cpu/square.h"

/* Of 2 * WIDE - 1 numbers every second one; the upper half begins with the
 * last lane of the lower. */
#define EVEN(l, d) ((l) < WIDE / 2 ? 2 * (l) : 2 * (l) + 1)

V_INLINE void every_second(float *out, const float *in)
{
    w_store(out, SQUARE_PICK(w_load(in), w_load(in + WIDE - 1), EVEN, 0));
}

/* A row of a picture: too short for a call of memcpy to pay. */
V_INLINE void copy(float *out, const float *in, int64_t n)
{
    if (n < WIDE) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = in[i];
        }
        return;
    }
    for (int64_t i = 0; i + WIDE <= n; i += WIDE) {
        w_store(out + i, w_load(in + i));
    }
    w_store(out + n - WIDE, w_load(in + n - WIDE));
}

static void spread(float *out, const float *in, int64_t step, int64_t n)
{
    int64_t i = 0;
    if (step == 1) {
        copy(out, in, n);
        return;
    }
    if (step == 2 && n >= WIDE) {
        for (; i + WIDE <= n; i += WIDE) {
            every_second(out + i, in + 2 * i);
        }
        every_second(out + n - WIDE, in + 2 * (n - WIDE));
        return;
    }
    for (; i < n; i++) {
        out[i] = in[step * i];
    }
}

#if defined(__AVX512F__)
/* n numbers to every second place from out on; nothing between is touched. */
static void to_every_second(float *out, const float *in, int64_t n)
{
    const __m512i low = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1,
                                         1, 0, 0);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    for (; n > 0; n -= WIDE, in += WIDE, out += 2 * WIDE) {
        __m512 v = (__m512)w_load_part(in, n, 0);
        uint32_t wanted = n < WIDE ? (1u << 2 * n) - 1 : UINT32_MAX;
        wanted &= 0x55555555;
        _mm512_mask_storeu_ps(out, (__mmask16)wanted,
                              _mm512_permutexvar_ps(low, v));
        if (wanted >> 16) {
            _mm512_mask_storeu_ps(out + WIDE, (__mmask16)(wanted >> 16),
                                  _mm512_permutexvar_ps(high, v));
        }
    }
}
#endif

static void scatter(float *out, const float *in, int64_t step, int64_t n)
{
    if (step == 1) {
        copy(out, in, n);
        return;
    }
#if defined(__AVX512F__)
    if (step == 2) {
        to_every_second(out, in, n);
        return;
    }
#endif
    for (int64_t i = 0; i < n; i++) {
        out[step * i] = in[i];
    }
}

/* COUNT vectors a row, known when this is compiled. */
V_INLINE void lines_of(float *out, int width, const float *x,
                       const int32_t *at, int64_t rows, const rt__copy *copies,
                       int count)
{
    for (int64_t p = 0; p < rows; p++, out += width) {
        const float *from = x + at[p];
        _Pragma("GCC unroll 4") for (int i = 0; i < count; i++)
        {
            w_store(out + copies[i].to, w_load(from + copies[i].from));
        }
    }
}

static void lines(float *out, int width, const float *x, const int32_t *at,
                  int64_t rows, const rt__copy *copies, int count)
{
    rt__copy c[4];
    memcpy(c, copies, (size_t)(count < 4 ? count : 4) * sizeof *c);
    switch (count) {
    case 1:
        lines_of(out, width, x, at, rows, c, 1);
        break;
    case 2:
        lines_of(out, width, x, at, rows, c, 2);
        break;
    case 3:
        lines_of(out, width, x, at, rows, c, 3);
        break;
    default:
        lines_of(out, width, x, at, rows, copies, count);
    }
}

static void turned(float *out, int width, const float *x, const int32_t *at,
                   int n, const rt__square *squares, int count)
{
    for (int lane = 0; lane < width; lane += WIDE) {
        float *to = out + lane;
        for (int s = 0; s < count; s++) {
            const float *from = x + squares[s].from;
            uint32_t wanted = squares[s].wanted;
            wide r[WIDE];
            _Pragma("GCC unroll 16") for (int i = 0; i < WIDE; i++)
            {
                r[i] = lane + i < n ? w_load(from + at[lane + i]) : (wide){0};
            }
            w_transpose(r);
            _Pragma("GCC unroll 16") for (int i = 0; i < WIDE; i++)
            {
                w_store(to, r[i]);
                to += wanted >> i & 1 ? width : 0;
            }
        }
    }
}

/* --- a single channel ----------------------------------------------------- */

static void single(float *out, const float *x, const int32_t *at,
                   const float *w, int64_t taps, float b, int64_t n)
{
    for (int64_t i = 0; i < n; i += 4 * WIDE, x += 4 * WIDE) {
        wide s0 = w_all(b), s1 = s0, s2 = s0, s3 = s0;
        for (int64_t t = 0; t < taps; t++) {
            const float *from = x + at[t];
            wide f = w_all(w[t]);
            s0 = w_fma(f, w_load(from), s0);
            s1 = w_fma(f, w_load(from + WIDE), s1);
            s2 = w_fma(f, w_load(from + 2 * WIDE), s2);
            s3 = w_fma(f, w_load(from + 3 * WIDE), s3);
        }
        w_store(out + i, s0);
        w_store(out + i + WIDE, s1);
        w_store(out + i + 2 * WIDE, s2);
        w_store(out + i + 3 * WIDE, s3);
    }
}

enum { DOTS = 9 };

#define DOT(N)                                                                 \
    static void dots_##N(float *sums, const float *g, const float *x,          \
                         const int32_t *at, int64_t rows, int64_t columns,     \
                         int64_t pitch)                                        \
    {                                                                          \
        wide s[N];                                                             \
        _Pragma("GCC unroll 9") for (int t = 0; t < N; t++)                    \
        {                                                                      \
            s[t] = w_load(sums + t * WIDE);                                    \
        }                                                                      \
        for (; rows > 0; rows--, g += columns, x += pitch) {                   \
            int64_t i = 0;                                                     \
            for (; i + WIDE <= columns; i += WIDE) {                           \
                wide f = w_load(g + i);                                        \
                _Pragma("GCC unroll 9") for (int t = 0; t < N; t++)            \
                {                                                              \
                    s[t] = w_fma(f, w_load(x + at[t] + i), s[t]);              \
                }                                                              \
            }                                                                  \
            if (i < columns) {                                                 \
                wide f = w_load_part(g + i, columns - i, 0);                   \
                _Pragma("GCC unroll 9") for (int t = 0; t < N; t++)            \
                {                                                              \
                    s[t] = w_fma(f, w_load_part(x + at[t] + i, columns - i,    \
                                                0), s[t]);                     \
                }                                                              \
            }                                                                  \
        }                                                                      \
        _Pragma("GCC unroll 9") for (int t = 0; t < N; t++)                    \
        {                                                                      \
            w_store(sums + t * WIDE, s[t]);                                    \
        }                                                                      \
    }
DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7) DOT(8) DOT(9)

static void dots(float *sums, const float *g, const float *x,
                 const int32_t *at, int64_t taps, int64_t rows,
                 int64_t columns, int64_t pitch)
{
    static void (*const by_taps[DOTS])(float *, const float *, const float *,
                                       const int32_t *, int64_t, int64_t,
                                       int64_t) = {
        dots_1, dots_2, dots_3, dots_4, dots_5, dots_6, dots_7, dots_8, dots_9};
    for (int64_t t = 0; t < taps; t += DOTS) {
        int64_t n = taps - t < DOTS ? taps - t : DOTS;
        by_taps[n - 1](sums + t * WIDE, g, x, at + t, rows, columns, pitch);
    }
}

const rt__patches_table RT_ISA_NAME(patches) = {
    .lanes = WIDE,
    .spread = spread,
    .scatter = scatter,
    .lines = lines,
    .turned = turned,
    .single = single,
    .dots = dots,
};
